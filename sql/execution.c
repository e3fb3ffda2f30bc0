/*
 * How a statement runs, in bounded steps.
 *
 * An execution begins with the first step: the session's snapshot is pinned,
 * the clock starts. When the budget of a call is over, a statement that can be
 * replayed is interrupted and reset, and its next run passes over the rows that
 * were given already: the snapshot is the same and nothing in such a statement
 * is left to chance, so they are the same rows. That happens once at most;
 * afterwards, and for any other statement, a call lasts until the next row or
 * the deadline, and yielding is the caller's choice between rows.
 */
#include "sql/execution.h"

#include <assert.h>
#include <string.h>

/* The newest snapshot for the session's first running statement; later ones see the same. */
static void pin(struct sql_session *session)
{
	if (session->pinned != NULL)
		return;
	session->pinned = snapshot_ref_newest(session->env->options.snapshots);
	snapshot_pin(session->connection->db, session->pinned);
}

static void unpin(struct sql_session *session)
{
	if (session->n_running > 0 || !sqlite3_get_autocommit(session->connection->db))
		return;
	snapshot_pin(session->connection->db, NULL);
	snapshot_unref(session->pinned);
	session->pinned = NULL;
}

/* A question of our own, which has all the time and memory it wants and is not what a cancel means:
 * SQLITE_ROW, SQLITE_DONE or an error. */
static int ask(struct connection *connection, const char *sql)
{
	struct budget *budget = &connection->budget;
	const _Atomic bool *cancelled = budget->cancelled;
	int64_t stop_at_us = budget->stop_at_us, limit_bytes = budget->limit_bytes;
	sqlite3_stmt *stmt = NULL;
	int rc;

	connection->guard.is_open = true;
	budget->cancelled = NULL;
	budget_renew(budget, INT64_MAX);
	budget->limit_bytes = INT64_MAX;
	connection_enter(connection);
	rc = sqlite3_prepare_v2(connection->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	(void)sqlite3_finalize(stmt);
	connection_leave(connection);
	/* Others of the session may be under way, with what they were given. */
	budget->stop_at_us = stop_at_us;
	budget->limit_bytes = limit_bytes;
	budget->cancelled = cancelled;
	connection->guard.is_open = false;
	return rc;
}

/*
 * TEMP objects come to a connection. Their pages are nobody else's and on no
 * disk: with zeros instead of what was deleted, a DROP would first need as much
 * memory again as it frees, and could not be had when that is all taken.
 */
static void taint(struct connection *connection)
{
	if (!connection->is_tainted)
		(void)ask(connection, "PRAGMA temp.secure_delete=OFF");
	connection->is_tainted = true;
}

/* What TEMP objects may not take is there to ask about them and to drop them. */
static void leave_reserve(struct sql_session *session)
{
	int64_t share = session->limits.query_memory_bytes;
	struct budget *budget = &session->connection->budget;

	if (budget->limit_bytes > 2 * share - share / 8)
		budget->limit_bytes = 2 * share - share / 8;
}

static int begin(struct statement *statement, int64_t budget_us, struct err *err)
{
	struct sql_session *session = statement->session;
	int64_t deadline_us = session_deadline_us(session);
	struct connection *connection;
	int status = statement_attach(statement, budget_stop_at_us(deadline_us, budget_us), err);

	if (status == 0)
		status = statement_bind_all(statement, err);
	if (status != 0)
		return status;
	connection = session->connection;
	if (session->n_running == 0) {
		guard_begin(&connection->guard);
		connection->functions.clock_was_read = false;
		connection->module_was_used = false;
		*connection->clock_was_read = false;
	}
	if (statement->shape->saw & (GUARD_SAW_TEMP_SCHEMA | GUARD_SAW_TEMP_WRITE)) {
		taint(connection);
		session->has_temp = true;
	}
	connection->waited_us = 0;
	pin(session);
	connection_renew(connection, deadline_us);
	if (session->n_running == 0 && (statement->shape->saw & GUARD_SAW_TEMP_GROWTH))
		leave_reserve(session);
	session->n_running++;
	statement->is_running = true;
	statement->is_cacheable = false;
	statement->snapshot = snapshot_number(session->pinned);
	statement->deadline_us = deadline_us;
	statement->result_bytes = 0;
	statement->n_changes = 0;
	statement->n_given = 0;
	statement->n_skip = 0;
	return 0;
}

/* Whether there are TEMP objects still: asked when some may have gone. */
static void look_for_temp(struct sql_session *session)
{
	int rc = ask(session->connection, "SELECT 1 FROM temp.sqlite_master LIMIT 1");

	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		session->has_temp = rc == SQLITE_ROW;
}

/*
 * A transaction has begun: SQLite reads the schema now, not while the first
 * statement is prepared. A budget that ends meanwhile would roll it back.
 */
static void load_schema(struct connection *connection)
{
	(void)ask(connection, "SELECT 1 FROM main.sqlite_master LIMIT 1");
}

void statement_reset(struct statement *statement)
{
	struct sql_session *session = statement->session;
	struct connection *connection = session->connection;
	bool touched_temp;

	if (!statement->is_running)
		return;
	touched_temp = session->has_temp &&
		       (statement->shape->saw & (GUARD_SAW_TEMP_SCHEMA | GUARD_SAW_TRANSACTION));
	statement->is_running = false;
	session->n_running--;
	statement_detach(statement);
	/* From here on a cancel is too late, and would only disturb what follows. */
	session_end_work(session);
	if (touched_temp && session->n_running == 0 && sqlite3_get_autocommit(connection->db))
		look_for_temp(session);
	unpin(session);
	connection_give_back(session);
}

/* Nothing but text, parameters and snapshot decided the answer, as far as flags can tell. */
static bool was_constant(const struct statement *statement)
{
	const struct shape *shape = statement->shape;
	struct connection *connection = statement->session->connection;
	unsigned saw = shape->saw | connection->guard.saw;

	return shape->is_readonly && !shape->is_explain && !statement->session->has_temp &&
	       sqlite3_get_autocommit(connection->db) &&
	       (saw & (GUARD_SAW_FICKLE | GUARD_SAW_PRAGMA | GUARD_SAW_TRANSACTION |
			      GUARD_SAW_TEMP_READ | GUARD_SAW_CONTROL)) == 0 &&
	       !connection->functions.clock_was_read && !connection->module_was_used &&
	       !*connection->clock_was_read;
}

/*
 * A run that breaks off in the step that begins now may be done again to the
 * same rows: what was given so far came from the text, the parameters and the
 * snapshot alone, whatever this step will read.
 */
static bool may_replay(const struct statement *statement)
{
	const struct shape *shape = statement->shape;
	struct connection *connection = statement->session->connection;
	unsigned saw = shape->saw | connection->guard.saw;

	if (!shape->is_readonly || (shape->saw & (GUARD_SAW_FICKLE | GUARD_SAW_CONTROL)))
		return false;
	if (statement->n_given == 0)
		return true;
	return !statement->session->has_temp &&
	       (saw & (GUARD_SAW_PRAGMA | GUARD_SAW_TRANSACTION | GUARD_SAW_TEMP_READ)) == 0 &&
	       !connection->functions.clock_was_read && !connection->module_was_used &&
	       !*connection->clock_was_read;
}

static enum step finish(struct statement *statement)
{
	struct connection *connection = statement->session->connection;

	if (statement->shape->saw & GUARD_SAW_TEMP_WRITE)
		statement->n_changes = sqlite3_changes64(connection->db);
	statement->is_cacheable = was_constant(statement);
	bool has_begun = (statement->shape->saw & GUARD_SAW_TRANSACTION) != 0 &&
			 !sqlite3_get_autocommit(connection->db);
	statement_reset(statement);
	if (has_begun)
		load_schema(connection);
	return STEP_DONE;
}

/* When the execution's time is over; what it waited in process_all_available() does not count. */
static int64_t deadline_of(const struct statement *statement)
{
	if (statement->deadline_us == INT64_MAX)
		return INT64_MAX;
	return statement->deadline_us + statement->session->connection->waited_us;
}

/*
 * The call's time is over, or its share of length, but not the statement's own:
 * to be done again from where the caller is.
 */
static bool is_over_budget(const struct statement *statement, int rc)
{
	const struct connection *connection = statement->session->connection;

	return statement->may_replay && (rc == SQLITE_TOOBIG || connection->has_yielded ||
						(connection->budget.ended == BUDGET_TIME &&
							budget_now_us() < deadline_of(statement)));
}

static enum step fail(struct statement *statement, int rc, struct err *err)
{
	struct connection *connection = statement->session->connection;

	if (is_over_budget(statement, rc)) {
		connection_enter(connection);
		(void)sqlite3_reset(statement->compiled->stmt);
		connection_leave(connection);
		statement->n_skip = statement->n_given;
		return STEP_YIELD;
	}
	(void)connection_fail(connection, rc, err);
	statement_reset(statement);
	return STEP_ERROR;
}

/* A compiled form is made anew when the schema has changed; then its columns may be others. */
static bool has_changed_shape(const struct statement *statement)
{
	const struct shape *shape = statement->shape;
	sqlite3_stmt *stmt = statement->compiled->stmt;

	if ((size_t)sqlite3_column_count(stmt) != shape->n_columns)
		return true;
	if (sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, 0) == 0)
		return false;
	for (size_t i = 0; i < shape->n_columns; i++) {
		const char *name = sqlite3_column_name(stmt, (int)i);

		if (name == NULL || strcmp(name, shape->names[i]) != 0)
			return true;
	}
	(void)sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, 1);
	return false;
}

/*
 * Before the first row memory ends with the budget too; later only the progress
 * handler looks at it. So it is in a transaction and beside other statements of
 * the connection: SQLite rolls everything back when memory ends.
 */
static void set_budget(struct statement *statement, int64_t budget_us)
{
	struct connection *connection = statement->session->connection;
	int64_t deadline_us = deadline_of(statement);
	bool by_memory = statement->n_given == 0 && statement->session->n_running == 1 &&
			 sqlite3_get_autocommit(connection->db);

	connection->has_yielded = false;
	connection->yield_at_us = INT64_MAX;
	connection->yield_after_us = 0;
	if (budget_us > 0 && !by_memory) {
		connection->yield_after_us = budget_us;
		budget_us = 0;
	}
	budget_renew(&connection->budget, budget_stop_at_us(deadline_us, budget_us));
}

/* Values that are no longer than a group's are made in no time. */
#define SHORT_VALUE_BYTES  65536
#define VALUE_BYTES_PER_US 256
/* A time for each two bytes of a format, some of them as numbers with all their digits. */
#define SHORT_DEAR_BYTES  4096
#define DEAR_BYTES_PER_US 8
#define MAX_DEAR_BYTES    (16 << 20)

/*
 * Nothing looks at the clock while one function makes one value, or several
 * are put together. So in a call of little time they may only be short; what
 * makes a longer one is done again by a call that has more. In front of a
 * function that takes long for a short one they are shorter, whoever calls: as
 * long as the longest event, at most. Returns the limit of before, for
 * afterwards; -1: it has not changed.
 */
static int limit_values(const struct statement *statement, sqlite3 *db, int64_t budget_us)
{
	bool is_dear = (statement->shape->saw & GUARD_SAW_DEAR) != 0;

	/* The rows of a long answer, of which each is a call. */
	if (budget_us == 0 && !is_dear)
		return -1;
	int64_t shortest = is_dear ? SHORT_DEAR_BYTES : SHORT_VALUE_BYTES;
	int64_t longest = is_dear ? MAX_DEAR_BYTES : INT32_MAX;
	int64_t per_us = is_dear ? DEAR_BYTES_PER_US : VALUE_BYTES_PER_US;
	int before = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
	int64_t bytes = longest;

	if (budget_us > 0 && budget_us < longest / per_us)
		bytes = budget_us * per_us;
	if (bytes < shortest)
		bytes = shortest;
	if (bytes >= before)
		return -1;
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)bytes);
	return before;
}

enum step statement_step(struct statement *statement, int64_t budget_us, struct err *err)
{
	struct connection *connection;
	int rc, longest;

	session_begin_work(statement->session);
	if (!statement->is_running) {
		int status = begin(statement, budget_us, err);

		if (status != 0) {
			session_end_work(statement->session);
			connection_give_back(statement->session);
			return status == PREPARE_YIELD ? STEP_YIELD : STEP_ERROR;
		}
	}
	connection = statement->session->connection;
	statement->may_replay = budget_us > 0 && may_replay(statement);
	/* What cannot be broken off is not gone on with by whoever has no time for it. */
	if (budget_us > 0 && !statement->may_replay)
		return STEP_YIELD;
	set_budget(statement, budget_us);
	longest = limit_values(statement, connection->db, budget_us);
	connection->stepping = statement;
	connection_enter(connection);
	do
		rc = sqlite3_step(statement->compiled->stmt);
	while (rc == SQLITE_ROW && statement->n_skip > 0 && statement->n_skip-- > 0);
	connection_leave(connection);
	connection->stepping = NULL;
	if (longest >= 0)
		(void)sqlite3_limit(connection->db, SQLITE_LIMIT_LENGTH, longest);
	if (rc == SQLITE_DONE)
		return finish(statement);
	if (rc != SQLITE_ROW)
		return fail(statement, rc, err);
	/* SQLite looks at the schema as a run begins, and what is done again sees the same one. */
	if (statement->n_given == 0 && has_changed_shape(statement)) {
		(void)err_set(err, ERR_SQL, "the table has changed meanwhile: ask again");
		statement->session->error_code = SQLITE_SCHEMA;
		compile_forget(connection, statement->compiled);
		statement_reset(statement);
		return STEP_ERROR;
	}
	statement->n_given++;
	return STEP_ROW;
}

/*
 * Integers and reals are taken as such: as text SQLite would need memory for
 * them. The cell is asked, not the column, which would look it up each time;
 * SQLite allows that where nobody else uses the connection meanwhile.
 */
static bool read_cell(sqlite3_stmt *stmt, int column, struct value *value)
{
	sqlite3_value *cell = sqlite3_column_value(stmt, column);

	*value = (struct value){0};
	switch (sqlite3_value_type(cell)) {
	case SQLITE_INTEGER:
		value->type = VALUE_INTEGER;
		value->integer = sqlite3_value_int64(cell);
		return true;
	case SQLITE_FLOAT:
		value->type = VALUE_REAL;
		value->real = sqlite3_value_double(cell);
		return true;
	case SQLITE_TEXT:
		value->type = VALUE_TEXT;
		value->data = (const char *)sqlite3_value_text(cell);
		value->len = (size_t)sqlite3_value_bytes(cell);
		return value->data != NULL;
	case SQLITE_BLOB:
		value->type = VALUE_BLOB;
		value->data = sqlite3_value_blob(cell);
		value->len = (size_t)sqlite3_value_bytes(cell);
		return value->data != NULL || value->len == 0;
	default: value->type = VALUE_NULL; return true;
	}
}

int statement_row(struct statement *statement, const struct value **values, struct err *err)
{
	struct sql_session *session = statement->session;
	int64_t limit = session->limits.max_result_bytes;
	sqlite3_stmt *stmt = statement->compiled->stmt;
	struct value *row = statement->row;
	size_t n = statement->shape->n_columns;
	size_t bytes = 8 * n;
	bool whole = true;

	assert(statement->is_running);
	connection_enter(session->connection);
	for (size_t i = 0; i < n && whole; i++) {
		whole = read_cell(stmt, (int)i, &row[i]);
		bytes += row[i].len;
	}
	connection_leave(session->connection);
	statement->result_bytes += (int64_t)bytes;
	if (!whole)
		return connection_fail(session->connection, SQLITE_NOMEM, err);
	if (limit > 0 && statement->result_bytes > limit) {
		session->error_code = SQLITE_TOOBIG;
		return err_set(err, ERR_LIMIT,
			"the result is larger than max_result_bytes (%lld bytes)",
			(long long)limit);
	}
	*values = row;
	return 0;
}
