/* On the loop first, on a worker when it is long. */
#include "daemon/pg_compile.h"

#include "base/utf8.h"
#include "daemon/pg_answer.h"
#include "daemon/pg_object.h"
#include "daemon/pg_param.h"
#include "daemon/pg_rows.h"

#include <stdlib.h>
#include <string.h>

/* A compilation on a worker ends after this. */
#define COMPILE_MAX_US 2000000

/* Cut to PostgreSQL's length of names, between characters. */
static void copy_name(char name[PG_NAME_BYTES], const char *text)
{
	size_t len = strlen(text);

	if (len >= PG_NAME_BYTES)
		len = utf8_valid_prefix(text, PG_NAME_BYTES - 1);
	memcpy(name, text, len);
	name[len] = '\0';
}

/* Takes from SQLite's compiled form what is announced. */
static int describe_compiled(
	struct pg_statement *made, const struct statement *compiled, struct err *err)
{
	size_t n_params = statement_n_params(compiled);
	enum pg_oid *params;

	made->n_columns = statement_n_columns(compiled);
	made->columns = calloc(made->n_columns > 0 ? made->n_columns : 1, sizeof(*made->columns));
	if (made->columns == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < made->n_columns; i++) {
		copy_name(made->columns[i].name, statement_column_name(compiled, i));
		made->columns[i].oid = pg_column_oid(compiled, i);
	}
	if (n_params > made->n_params) {
		params = realloc(made->params, n_params * sizeof(*params));
		if (params == NULL)
			return err_nomem(err);
		memset(params + made->n_params, 0, (n_params - made->n_params) * sizeof(*params));
		made->params = params;
	}
	made->n_params = n_params;
	pg_param_guess(made->text, made->len, made->params, made->n_params);
	return 0;
}

static enum work_step compile_step(struct work *work, int64_t budget_us, bool on_worker)
{
	struct pg_compile *compile =
		(struct pg_compile *)((char *)work - offsetof(struct pg_compile, work));
	struct pg_statement *made = compile->statement;
	struct statement *compiled = NULL;
	size_t tail;
	int rc = statement_prepare(compile->sql, made->sql.data, made->sql.len,
		budget_us > 0 ? budget_us : COMPILE_MAX_US, &tail, &compiled, &compile->err);

	(void)on_worker;
	if (rc == PREPARE_YIELD && budget_us > 0)
		return WORK_STUCK;
	if (rc == PREPARE_YIELD)
		rc = err_set(&compile->err, ERR_LIMIT,
			"the statement is too complex: preparing it takes more than 2 seconds");
	compile->offset = rc != 0 ? sql_session_error_offset(compile->sql) : -1;
	if (rc == 0 && compiled == NULL)
		rc = err_set(&compile->err, ERR_SQL, "syntax error at end of input");
	if (rc == 0)
		rc = describe_compiled(made, compiled, &compile->err);
	statement_free(compiled);
	compile->is_failed = rc != 0;
	return WORK_ENDED;
}

static void compiled(struct pg_session *pg)
{
	struct pg_compile *compile = &pg->compile;
	struct pg_statement *made = compile->statement;

	pg->running = PG_RUN_NONE;
	compile->statement = NULL;
	if (compile->is_failed) {
		pg_refuse_translated(
			pg, &compile->err, made->body, made->body_len, compile->offset);
		pg_statement_unref(made);
	} else {
		compile->done(pg, made);
	}
}

static void compile_on_ended(struct work *work)
{
	struct pg_compile *compile =
		(struct pg_compile *)((char *)work - offsetof(struct pg_compile, work));
	struct pg_session *pg =
		(struct pg_session *)((char *)compile - offsetof(struct pg_session, compile));

	if (!session_ran(&pg->session))
		return;
	compiled(pg);
	pg->go_on(pg);
}

void pg_compile(struct pg_session *pg, struct pg_statement *made,
	void (*done)(struct pg_session *pg, struct pg_statement *made))
{
	struct pg_compile *compile = &pg->compile;

	*compile = (struct pg_compile){.statement = made, .sql = pg->session.sql, .offset = -1};
	compile->err = (struct err)ERR_INIT;
	compile->work.step = compile_step;
	compile->work.on_ended = compile_on_ended;
	compile->done = done;
	pg->running = PG_RUN_COMPILE;
	if (session_work(&pg->session, &compile->work, made->text, made->len))
		compiled(pg);
}
