/*
 * What a subscriber has seen, and how the newest answer differs from it.
 *
 * Rows are told apart by their key: beside aggregates the cells of all other
 * columns, which are what the rows were grouped by; else of all columns that
 * are not INTEGER or REAL, as in a table of counts by group and window. The
 * end of a window is no part of it where its start is.
 * A row with a known key and other cells is an update, one with a new key an
 * insert, a key that is gone a delete. Rows with the same key are paired in
 * their order. Knows no sessions.
 */
#ifndef DAEMON_SUBSCRIPTION_H
#define DAEMON_SUBSCRIPTION_H

#include "base/buf.h"
#include "daemon/execution.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of one answer's rows that are kept to compare with. */
#define SUBSCRIPTION_MAX_BYTES (64 * 1024 * 1024)

struct subscription_row {
	uint64_t key_hash;
	size_t key, key_len; /* in the set's bytes */
	size_t cells, cells_len; /* JSON, `1,"a"` without brackets */
	/* While two sets are compared. */
	bool is_paired;
	size_t next; /* of those that are like it, 1-based; 0: none */
};

/* One answer. */
struct subscription_set {
	struct buf bytes;
	struct subscription_row *rows;
	size_t n_rows, cap_rows;
};

/* As announced; of a column that announces nothing the cells decide, numbers being values. */
enum subscription_column { COLUMN_KEY, COLUMN_VALUE, COLUMN_ANY };

struct subscription_sink {
	struct subscription_set set; /* what arrives */
	struct subscription_set seen; /* what the peer knows */
	bool has_seen;                /* the first answer is there: the next are compared with it */
	struct buf columns;          /* the line of the first answer */
	struct buf changes;           /* of the one that arrived, as subscription_compare writes them */
	enum subscription_column *kinds; /* per column; NULL before the first answer */
	size_t n_columns;
};

/*
 * Collects rows and compares them, on whatever thread steps the statement; its
 * context is a struct subscription_sink, the page stays empty.
 */
extern const struct execution_sink subscription_sink_ops;

/* The answer that arrived was told: it is what the peer knows now. */
void subscription_sink_told(struct subscription_sink *sink);
void subscription_sink_fini(struct subscription_sink *sink);
void subscription_set_fini(struct subscription_set *set);

/*
 * Adds `["insert",…],["update",…],["delete",…]`, in the order of the new rows
 * and then of the deleted ones; nothing where nothing differs. False: no
 * memory.
 */
bool subscription_compare(struct subscription_set *before, struct subscription_set *after,
	struct buf *out);

#endif
