/*
 * One client's state between statements: zone, timeout, cancel flag,
 * transaction, and which connection it has in hand.
 */
#include "sql/connection.h"

#include <assert.h>
#include <stdlib.h>

int sql_session_new(struct sql_session **session, struct sql_env *env,
	const struct sql_session_options *options, struct err *err)
{
	struct sql_session *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return err_nomem(err);
	new->env = env;
	new->options = *options;
	new->error_offset = -1;
	(void)pthread_mutex_lock(&env->mutex);
	new->zone = zone_ref(env->zone);
	new->limits = env->limits;
	(void)pthread_mutex_unlock(&env->mutex);
	atomic_fetch_add(&env->n_sessions, 1);
	*session = new;
	return 0;
}

/* The connection goes as it is: a transaction and TEMP objects end with it. */
static void drop_connection(struct sql_session *session)
{
	struct connection *connection = session->connection;

	session->has_temp = false;
	if (connection == NULL)
		return;
	session->connection = NULL;
	connection_close(connection);
}

void sql_session_free(struct sql_session *session)
{
	if (session == NULL)
		return;
	assert(session->n_statements == 0);
	sql_session_reset(session, true);
	atomic_fetch_sub(&session->env->n_sessions, 1);
	zone_unref(session->zone);
	free(session);
}

int sql_session_set_timezone(struct sql_session *session, const char *name, struct err *err)
{
	struct zone *zone;
	int status = zone_new(&zone, name, err);

	if (status != 0)
		return status;
	zone_unref(session->zone);
	session->zone = zone;
	session->has_own_zone = true;
	if (session->connection != NULL)
		session->connection->functions.zone = zone;
	return 0;
}

const char *sql_session_timezone(const struct sql_session *session)
{
	return zone_name(session->zone);
}

void sql_session_set_timeout(struct sql_session *session, int64_t timeout_us)
{
	session->timeout_us = timeout_us;
}

int64_t session_timeout_us(const struct sql_session *session)
{
	int64_t env_us = session->limits.query_timeout_us;
	int64_t own_us = session->timeout_us;

	if (own_us == 0 || (env_us != 0 && env_us < own_us))
		return env_us;
	return own_us;
}

int64_t session_deadline_us(const struct sql_session *session)
{
	int64_t us = session_timeout_us(session);

	return us != 0 ? budget_now_us() + us : INT64_MAX;
}

bool sql_session_in_transaction(const struct sql_session *session)
{
	return session->connection != NULL && !sqlite3_get_autocommit(session->connection->db);
}

bool sql_session_has_temp(const struct sql_session *session)
{
	return session->has_temp;
}

/*
 * ROLLBACK by ourselves; it cannot fail with anything that leaves the
 * transaction open. A cancel that is meant for what ran before must not stop it.
 */
static void roll_back(struct sql_session *session)
{
	struct connection *connection = session->connection;

	connection->budget.cancelled = NULL;
	connection->guard.is_open = true;
	budget_renew(&connection->budget, INT64_MAX);
	connection->budget.limit_bytes = INT64_MAX;
	connection_enter(connection);
	(void)sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
	connection_leave(connection);
	connection->guard.is_open = false;
	connection->budget.cancelled = &session->is_cancelled;
	assert(sqlite3_get_autocommit(connection->db));
	snapshot_pin(connection->db, NULL);
	snapshot_unref(session->pinned);
	session->pinned = NULL;
}

void sql_session_reset(struct sql_session *session, bool all)
{
	session_detach_all(session);
	if (sql_session_in_transaction(session))
		roll_back(session);
	if (all && session->has_temp)
		drop_connection(session);
	connection_give_back(session);
	session_end_work(session);
}

void sql_session_rest(struct sql_session *session)
{
	session_detach_idle(session);
	connection_give_back(session);
}

void sql_session_cancel(struct sql_session *session)
{
	if (atomic_load(&session->is_busy))
		atomic_store(&session->is_cancelled, true);
}

void session_begin_work(struct sql_session *session)
{
	if (atomic_load(&session->is_busy))
		return;
	atomic_store(&session->is_cancelled, false);
	atomic_store(&session->is_busy, true);
}

void session_end_work(struct sql_session *session)
{
	if (session->n_running > 0 || session->is_held)
		return;
	atomic_store(&session->is_busy, false);
	atomic_store(&session->is_cancelled, false);
}

void sql_session_hold(struct sql_session *session, bool is_held)
{
	session->is_held = is_held;
	if (is_held) {
		session_begin_work(session);
		return;
	}
	/* What is half done beside the held work was not meant. */
	atomic_store(&session->is_cancelled, false);
	session_end_work(session);
}

int sql_session_error_code(const struct sql_session *session)
{
	return session->error_code;
}

int sql_session_error_offset(const struct sql_session *session)
{
	return session->error_offset;
}

void *sql_session_user(const struct sql_session *session)
{
	return session->options.user;
}
