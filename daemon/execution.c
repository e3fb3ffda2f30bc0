/*
 * The steps of a statement. execution_step runs on the loop first and then on
 * workers; all it touches belongs to the execution while it is under way, but
 * for the cancel flag.
 */
#include "daemon/execution.h"

#include "sql/snapshot.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * A statement that takes longer to compile is refused:
 * the compiler cannot be shared out in turns.
 */
#define PREPARE_MAX_US INT64_C(2000000)
/* On a worker the clock is read after so many rows. */
#define ROWS_PER_CLOCK 16
/* Longer texts are not looked up; nobody polls with them. */
#define CACHED_TEXT_MAX_BYTES 16384

static int64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct execution *execution_of(struct work *work)
{
	return (struct execution *)((char *)work - offsetof(struct execution, work));
}

static void key_add_value(struct buf *key, const struct value *value)
{
	buf_add_char(key, (char)('0' + (int)value->type));
	switch (value->type) {
	case VALUE_NULL: break;
	case VALUE_INTEGER: buf_add(key, &value->integer, sizeof(value->integer)); break;
	case VALUE_REAL: buf_add(key, &value->real, sizeof(value->real)); break;
	case VALUE_TEXT:
	case VALUE_BLOB:
		buf_add(key, &value->len, sizeof(value->len));
		buf_add(key, value->data, value->len);
		break;
	}
}

/* Lengths stand in front of what varies, so that no two keys share their bytes. */
static bool key_make(struct execution *e)
{
	const char *zone = sql_session_timezone(e->sql);
	size_t sizes[3] = {e->format_len, strlen(zone), e->n_params};

	buf_clear(&e->key);
	buf_add(&e->key, sizes, sizeof(sizes));
	buf_add(&e->key, e->format, e->format_len);
	buf_add(&e->key, zone, strlen(zone));
	for (size_t i = 0; i < e->n_params; i++)
		key_add_value(&e->key, &e->params[i]);
	buf_add(&e->key, e->text, e->len);
	return buf_ok(&e->key);
}

static bool may_use_cache(const struct execution *e)
{
	return e->cache != NULL && e->prepared == NULL && e->max_rows == 0 &&
	       e->len <= CACHED_TEXT_MAX_BYTES && !sql_session_in_transaction(e->sql) &&
	       !sql_session_has_temp(e->sql);
}

static bool answer_from_cache(struct execution *e)
{
	struct answer answer;

	buf_clear(&e->key);
	if (!may_use_cache(e) || !key_make(e) ||
		!answer_cache_find(e->cache, snapshot_newest_number(e->snapshots), e->key.data,
			e->key.len, &answer))
		return false;
	buf_add(&e->page, answer.bytes, answer.len);
	e->end = EXECUTION_DONE;
	e->tail = answer.tail;
	e->n_rows = answer.n_rows;
	e->snapshot = answer.snapshot;
	e->is_readonly = true;
	e->is_from_cache = true;
	return true;
}

static void answer_keep(struct execution *e)
{
	if (e->end != EXECUTION_DONE || !e->is_whole || e->is_from_cache || e->key.len == 0 ||
		!buf_ok(&e->page))
		return;
	struct answer answer = {.bytes = e->page.data,
		.len = e->page.len,
		.tail = e->tail,
		.n_rows = e->n_rows,
		.snapshot = e->snapshot};
	answer_cache_keep(e->cache, e->key.data, e->key.len, &answer);
}

static void statement_release(struct execution *e)
{
	if (e->prepared == NULL)
		statement_free(e->statement);
	e->statement = NULL;
}

static enum work_step fail(struct execution *e)
{
	e->end = EXECUTION_FAILED;
	e->sql_code = sql_session_error_code(e->sql);
	e->offset = sql_session_error_offset(e->sql);
	/* Whatever a cancelled statement stumbled over, it was the cancel. */
	if (atomic_load(&e->is_cancelled)) {
		(void)err_set(&e->err, ERR_INTERRUPTED, "interrupted");
		e->sql_code = SQLITE_INTERRUPT;
		e->offset = -1;
	}
	if (e->statement != NULL && e->prepared != NULL)
		statement_reset(e->statement);
	statement_release(e);
	/* SQLite's answer to the end of memory, which is also how time ends. */
	if (e->was_in_transaction && !sql_session_in_transaction(e->sql)) {
		size_t len = strlen(e->err.text);
		snprintf(e->err.text + len, sizeof(e->err.text) - len,
			"; the transaction was rolled back");
	}
	return WORK_ENDED;
}

static int params_bind(struct execution *e)
{
	size_t n = statement_n_params(e->statement);

	if (e->needs_all_params && n != e->n_params)
		return err_set(&e->err, ERR_INVALID,
			"the statement has %zu parameter%s, but %zu value%s sent", n,
			n == 1 ? "" : "s", e->n_params, e->n_params == 1 ? " was" : "s were");
	for (size_t i = 0; i < n && i < e->n_params; i++)
		if (statement_bind(e->statement, i, &e->params[i], &e->err) != 0)
			return e->err.code;
	return 0;
}

/* WORK_PAGE here means: go on, the statement is ready to be stepped. */
static enum work_step prepare(struct execution *e, int64_t budget_us)
{
	int rc = 0;

	if (e->prepared != NULL) {
		e->statement = e->prepared;
		e->tail = e->len;
	} else {
		rc = statement_prepare(e->sql, e->text, e->len,
			budget_us > 0 ? budget_us : PREPARE_MAX_US, &e->tail, &e->statement,
			&e->err);
	}
	if (rc == PREPARE_YIELD && budget_us > 0)
		return WORK_STUCK;
	if (rc == PREPARE_YIELD) {
		(void)err_set(&e->err, ERR_LIMIT,
			"the statement is too complex: preparing it takes more than %d seconds",
			(int)(PREPARE_MAX_US / 1000000));
		return fail(e);
	}
	if (rc != 0)
		return fail(e);
	if (e->statement == NULL) {
		e->end = EXECUTION_EMPTY;
		return WORK_ENDED;
	}
	e->is_readonly = statement_is_readonly(e->statement);
	if (params_bind(e) != 0)
		return fail(e);
	return WORK_PAGE;
}

static int begin_once(struct execution *e)
{
	if (e->has_begun)
		return 0;
	e->has_begun = true;
	e->snapshot = statement_snapshot(e->statement);
	return e->sink->begin(e->sink_context, e->statement, &e->page, &e->err);
}

static enum work_step fail_running(struct execution *e)
{
	struct err err = e->err;

	if (e->sink->begins_failures)
		(void)begin_once(e);
	e->err = err;
	return fail(e);
}

static enum work_step finish(struct execution *e)
{
	if (begin_once(e) != 0)
		return fail(e);
	if (e->sink->end != NULL &&
		e->sink->end(e->sink_context, e->statement, e->n_rows, &e->page, &e->err) != 0)
		return fail(e);
	if (statement_is_long(e->statement) && monotonic_us() - e->started_us < SHORT_BUDGET_US)
		statement_set_long(e->statement, false);
	e->n_changes = statement_n_changes(e->statement);
	/* An answer in several pages is not kept, nor one that may differ next time. */
	if (!statement_is_cacheable(e->statement))
		e->is_whole = false;
	e->end = EXECUTION_DONE;
	statement_release(e);
	return WORK_ENDED;
}

static int row_take(struct execution *e)
{
	const struct value *values;

	if (begin_once(e) != 0 || statement_row(e->statement, &values, &e->err) != 0 ||
		e->sink->row(e->sink_context, values, &e->page, &e->err) != 0)
		return e->err.code;
	e->n_rows++;
	return buf_ok(&e->page) ? 0 : err_nomem(&e->err);
}

/*
 * Rows until the page is full or the turn is over. On the loop each row has
 * what is left of the turn; on a worker it has the whole budget, because a row
 * that is broken off is work thrown away.
 */
static enum work_step step_rows(struct execution *e, int64_t budget_us, bool on_worker)
{
	int64_t started_us = monotonic_us();
	int64_t turn_us = on_worker ? SHORT_BUDGET_US : budget_us;
	int64_t n_before = e->n_rows;
	int64_t row_budget_us = budget_us;

	for (;;) {
		switch (statement_step(e->statement, row_budget_us, &e->err)) {
		case STEP_DONE: return finish(e);
		case STEP_YIELD:
			if (on_worker && budget_us > 0)
				statement_set_long(e->statement, true);
			return WORK_STUCK;
		case STEP_ERROR: return fail_running(e);
		case STEP_ROW: break;
		}
		if (row_take(e) != 0)
			return fail(e);
		if (e->max_rows > 0 && e->n_rows == e->max_rows) {
			e->end = EXECUTION_SUSPENDED;
			return WORK_ENDED;
		}
		if (e->page.len >= PAGE_BYTES) {
			e->is_whole = false;
			return WORK_PAGE;
		}
		/* Reading the clock costs as much as a small row. */
		if (on_worker && (e->n_rows - n_before) % ROWS_PER_CLOCK != 0)
			continue;
		int64_t left_us = turn_us - (monotonic_us() - started_us);
		if (left_us <= 0)
			return WORK_YIELD;
		if (!on_worker)
			row_budget_us = left_us;
	}
}

static enum work_step execution_step(struct work *work, int64_t budget_us, bool on_worker)
{
	struct execution *e = execution_of(work);

	if (atomic_load(&e->is_cancelled))
		return fail(e);
	if (e->statement == NULL) {
		enum work_step next = prepare(e, budget_us);
		if (next != WORK_PAGE)
			return next;
	}
	if (!on_worker && !statement_may_run_inline(e->statement))
		return WORK_OTHER;
	/* What was broken off the last time goes at once to where it has the time. */
	if (budget_us > 0 && !e->has_begun && statement_is_long(e->statement))
		return WORK_STUCK;
	return step_rows(e, budget_us, on_worker);
}

/* On the loop. */

static void ended(struct execution *e)
{
	e->elapsed_us = monotonic_us() - e->started_us;
	if (e->cache != NULL)
		answer_keep(e);
}

static void on_work_page(struct work *work)
{
	struct execution *e = execution_of(work);

	e->on_page(e);
}

static void on_work_ended(struct work *work)
{
	struct execution *e = execution_of(work);

	ended(e);
	e->on_ended(e);
}

void execution_init(struct execution *e)
{
	memset(e, 0, sizeof(*e));
	e->work.step = execution_step;
	e->work.on_page = on_work_page;
	e->work.on_ended = on_work_ended;
	atomic_init(&e->is_cancelled, false);
}

static void drop(struct execution *e)
{
	assert(!execution_is_under_way(e));
	if (e->statement != NULL && e->prepared != NULL)
		statement_reset(e->statement);
	statement_release(e);
}

void execution_fini(struct execution *e)
{
	drop(e);
	buf_fini(&e->page);
	buf_fini(&e->key);
}

bool execution_start(struct execution *e, struct executor *executor)
{
	bool goes_on = e->statement != NULL;

	assert(!execution_is_under_way(e) && e->page.len == 0);
	e->started_us = monotonic_us();
	e->err = (struct err)ERR_INIT;
	e->n_rows = 0;
	e->n_changes = 0;
	e->sql_code = 0;
	e->offset = -1;
	e->is_from_cache = false;
	e->is_whole = !goes_on;
	atomic_store(&e->is_cancelled, false);
	e->was_in_transaction = sql_session_in_transaction(e->sql);
	if (!goes_on) {
		e->has_begun = false;
		e->snapshot = 0;
		if (answer_from_cache(e)) {
			e->elapsed_us = monotonic_us() - e->started_us;
			return true;
		}
	}
	if (!executor_try(executor, &e->work))
		return false;
	ended(e);
	return true;
}

void execution_continue(struct execution *e)
{
	assert(e->page.len == 0);
	work_continue(&e->work);
}

bool execution_resume(struct execution *e)
{
	if (e->work.state != WORK_PARKED)
		return false;
	execution_continue(e);
	return true;
}

void execution_cancel(struct execution *e)
{
	if (!execution_is_under_way(e))
		return;
	atomic_store(&e->is_cancelled, true);
	sql_session_cancel(e->sql);
	/* Nobody else will wake it: the page it waits on may never be taken. */
	if (e->work.state == WORK_PARKED)
		work_continue(&e->work);
}
