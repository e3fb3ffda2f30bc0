/*
 * A statement and its executions. Private to statement.c (what it is) and
 * execution.c (how it runs), which finds here what it needs of the other.
 */
#ifndef SQL_EXECUTION_H
#define SQL_EXECUTION_H

#include "sql/connection.h"

struct statement {
	struct sql_session *session;
	struct shape *shape;
	struct compiled *compiled;         /* NULL: detached; the shape finds it again */
	struct statement *next, *previous; /* in the session's list of the attached */
	struct value *params;              /* NULL until one is bound; data owned */
	struct value *row;
	bool is_running;
	bool may_replay; /* as the step began: if it breaks off, it may be done again to the same rows */
	bool is_cacheable;
	uint64_t snapshot;
	int64_t deadline_us; /* of this execution; INT64_MAX: none */
	int64_t result_bytes;
	int64_t n_changes;
	uint64_t n_given; /* rows the caller has seen */
	uint64_t n_skip;  /* of them, to be passed over once more */
};

/*
 * Gives the statement a compiled form of the session's connection, which is
 * borrowed if need be. 0, PREPARE_YIELD or an error.
 */
int statement_attach(struct statement *statement, int64_t stop_at_us, struct err *err)
	__attribute__((warn_unused_result));
void statement_detach(struct statement *statement);
/* Binds the parameters that it was given. */
int statement_bind_all(struct statement *statement, struct err *err)
	__attribute__((warn_unused_result));

#endif
