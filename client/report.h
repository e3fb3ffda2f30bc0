/* Small tables for people: `.status`, `.files`, `.rejects`. */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include "client/shell.h"

/*
 * Asks `sql` and adds its rows to shell->text: a box fitted to the terminal,
 * else columns with headers. Nothing for an empty result.
 */
int report_table(struct shell *shell, const char *sql, struct err *err)
	__attribute__((warn_unused_result));

/* The queries, their states and numbers, what is wrong with them, and the last batches. */
int report_status(struct shell *shell, struct err *err) __attribute__((warn_unused_result));

#endif
