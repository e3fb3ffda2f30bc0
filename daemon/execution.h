/*
 * One statement of a session, from its text to the last byte of its answer.
 *
 * It looks for a kept answer, prepares, steps, and lets a sink turn rows into
 * bytes; it is a work of the executor, so it starts on the loop and moves to a
 * worker when it is long. Knows no protocol: the sink does.
 *
 * The session that owns it keeps text and parameters in place until it ended,
 * and has one execution under way at a time.
 */
#ifndef DAEMON_EXECUTION_H
#define DAEMON_EXECUTION_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/answer_cache.h"
#include "daemon/executor.h"
#include "sql/statement.h"
#include "sql/value.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A page is full when it holds this many bytes; one row more may stand in it.
 * The kernel takes one at once from a writer whose reader keeps up (its buffer
 * has 208 KiB by default), and each costs two changes of threads.
 */
#define PAGE_BYTES (192 * 1024)

/*
 * Turns a result into bytes. Called on the thread that steps, in this order:
 * begin once, row as often as there are rows, end once when all rows are
 * there. A failure ends the statement with that error; where `begins_failures`
 * is set, begin comes before the failure of a running statement too, which so
 * can be told from one that could not be prepared.
 */
struct execution_sink {
	int (*begin)(void *context, const struct statement *statement, struct buf *page,
		struct err *err);
	int (*row)(void *context, const struct value *values, struct buf *page, struct err *err);
	/* NULL: there is nothing to add. */
	int (*end)(void *context, const struct statement *statement, int64_t n_rows,
		struct buf *page, struct err *err);
	bool begins_failures;
};

enum execution_end {
	EXECUTION_DONE,
	EXECUTION_EMPTY,     /* white space and comments: there was no statement */
	EXECUTION_SUSPENDED, /* max_rows were given; execution_start goes on */
	EXECUTION_FAILED,
};

struct execution {
	struct work work;

	/* What is to be run: set before each start. */
	struct sql_session *sql;
	const char *text; /* borrowed */
	size_t len;
	struct statement *prepared; /* borrowed, instead of text, bound already; NULL: none */
	const struct value *params; /* borrowed; exactly as many as the statement has, or none of them */
	size_t n_params;
	bool needs_all_params; /* a wrong number of params is an error; else those missing are NULL */
	int64_t max_rows;      /* 0: all */
	const struct execution_sink *sink;
	void *sink_context;
	struct answer_cache *cache; /* NULL: none */
	struct snapshot_store *snapshots; /* with a cache */
	const char *format; /* what the bytes depend on beside the statement */
	size_t format_len;

	/*
	 * On the loop. on_page takes `page` (leaving it empty) and calls
	 * execution_continue when it is gone.
	 */
	void (*on_page)(struct execution *execution);
	void (*on_ended)(struct execution *execution);

	/* What became of it. */
	enum execution_end end;
	struct buf page; /* bytes not taken yet, the last page included */
	size_t tail;     /* where the text's next statement begins */
	struct err err;
	int sql_code;    /* with EXECUTION_FAILED: SQLite's */
	int offset;      /* in the text; -1: nowhere */
	int64_t n_rows;
	int64_t n_changes; /* of a statement that changes TEMP tables */
	uint64_t snapshot;
	int64_t elapsed_us;
	bool is_readonly;
	bool is_from_cache;

	/* The execution's own. */
	struct statement *statement;
	int64_t started_us; /* monotonic */
	bool has_begun;
	bool was_in_transaction; /* when it started */
	bool is_whole; /* all of the answer is in `page` */
	atomic_bool is_cancelled;
	struct buf key;
};

void execution_init(struct execution *execution);
/* It must not be under way (asserted). */
void execution_fini(struct execution *execution);

/* True: it ended at once, on_ended is not called. */
bool execution_start(struct execution *execution, struct executor *executor);

/* The page was taken. */
void execution_continue(struct execution *execution);
/* The same where it waits for that; false: it does not. */
bool execution_resume(struct execution *execution);

/* It ends soon, with ERR_INTERRUPTED; nothing happens where it is not under way. On the loop. */
void execution_cancel(struct execution *execution);

static inline bool execution_is_under_way(const struct execution *execution)
{
	return execution->work.state != WORK_IDLE;
}

#endif
