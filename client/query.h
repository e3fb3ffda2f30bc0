/*
 * One statement asked and its answer taken: row by row, or as a whole.
 *
 * Keeps the difference between a statement that is wrong (the answer says so)
 * and a connection that is of no use any more (the error says so). Ctrl-C
 * cancels the statement, and its error is "interrupted".
 */
#ifndef CLIENT_QUERY_H
#define CLIENT_QUERY_H

#include "base/buf.h"
#include "base/err.h"
#include "client/connection.h"
#include "client/progress.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stood in the last frame of an answer. */
struct answer {
	bool has_columns;   /* the statement was prepared */
	bool was_cancelled; /* by Ctrl-C */
	uint64_t snapshot;
	double ms;
	int code;          /* SQLite's result code; 0 for success */
	int64_t offset;    /* the byte of the statement that the error is about; -1 */
	char message[1024]; /* cut if need be; no control characters but newline and tab */
};

struct query_handler {
	void *context;
	/*
	 * Each may return a negative code and fill err: the statement is cancelled and
	 * the code returned.
	 */
	int (*columns)(void *context, const char *const *names, const char *const *types, size_t n,
		struct err *err);
	int (*row)(void *context, const struct value *cells, size_t n, struct err *err);
	/*
	 * The changes of a subscription; NULL where there is none. Called with op "" at
	 * the end of each batch.
	 */
	int (*change)(void *context, const char *op, const struct value *cells, size_t n,
		uint64_t snapshot, struct err *err);
	/* Called after each frame, and every `idle_ms` while none comes. NULL: nothing. */
	int (*tick)(void *context, struct err *err);
	int idle_ms;
};

struct query {
	const char *sql;
	size_t len;
	const struct value *params;
	size_t n_params;
	int64_t timeout_ms; /* cancelled when it takes longer; 0: none */
};

/*
 * 0: done. ERR_SQL: the statement failed, *answer says how. ERR_LIMIT: it took
 * longer than its timeout and was cancelled. What the handler returned. Else
 * (ERR_INTERRUPTED: Ctrl-C a second time, or it was of no use) the connection
 * is to be closed.
 */
int query_run(struct connection *connection, const struct query *query,
	const struct query_handler *handler, struct answer *answer, struct err *err)
	__attribute__((warn_unused_result));

/* A whole answer in memory. */
struct result {
	size_t n_columns;
	size_t n_rows;
	const char **names; /* n_columns, then as many types */
	const char **types;
	struct value *cells; /* row by row */
	size_t cap_cells;
	struct buf text;     /* what names and texts point into, once the result is whole */
	struct buf escaped;  /* what texts point into after result_escape */
	struct answer answer;
	struct connection *connection; /* while it is filled */
	struct progress *progress;
	char number[32];     /* result_text's */
};

/*
 * Fills *result, which begins zeroed, or failing leaves what result_fini takes.
 * `progress` is shown meanwhile; NULL: none.
 */
int result_fetch(struct connection *connection, const struct query *query,
	struct progress *progress, struct result *result, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Control characters in texts, which a terminal would obey, become \x1b and the like, but for those
 * in `kept`.
 */
int result_escape(struct result *result, const char *kept, struct err *err)
	__attribute__((warn_unused_result));

void result_fini(struct result *result);

/* A column that the answer does not have, whatever was asked, is NULL. */
const struct value *result_cell(const struct result *result, size_t row, size_t column);

/*
 * The cell's text, "" for NULL; numbers are written into a place that lasts
 * until the next call for this result.
 */
const char *result_text(struct result *result, size_t row, size_t column);
/* 0 for what is no number that fits. */
int64_t result_integer(const struct result *result, size_t row, size_t column);
double result_real(const struct result *result, size_t row, size_t column);

#endif
