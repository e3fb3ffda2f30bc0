/*
 * Opening, lending, giving back.
 *
 * The order of opening matters: switches and limits before our modules and
 * functions, the extension's before the authorizer, the authorizer last.
 */
#include "sql/connection.h"

#include "sql/bounded.h"
#include "sql/collation.h"
#include "sql/modules.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opcodes between two looks at the clock: some ten microseconds. */
#define PROGRESS_EVERY_OPS 1000

void connection_enter(struct connection *connection)
{
	allocator_enter(&connection->budget);
}

void connection_leave(struct connection *connection)
{
	(void)connection;
	allocator_leave();
}

void connection_renew(struct connection *connection, int64_t stop_at_us)
{
	struct sql_session *session = connection->session;
	int64_t share = session->limits.query_memory_bytes;
	struct budget *budget = &connection->budget;

	budget_renew(budget, stop_at_us);
	/* Executions that are under way share what the first of them was given. */
	if (session->n_running > 0)
		return;
	/* What TEMP objects hold may be as much again. */
	budget->limit_bytes = budget->used_bytes < share ? budget->used_bytes + share : 2 * share;
}

bool connection_is_stopped(void *context)
{
	struct connection *connection = context;

	return !budget_check(&connection->budget);
}

static int on_progress(void *context)
{
	struct connection *connection = context;
	const struct sql_control *control = connection->env->options.control;

	if (control != NULL && control->pause != NULL)
		control->pause(control->context, connection_is_stopped, connection);
	if (connection_is_stopped(connection))
		return 1;
	if (connection->yield_after_us > 0) {
		connection->yield_at_us = budget_now_us() + connection->yield_after_us;
		connection->yield_after_us = 0;
	}
	if (connection->yield_at_us == INT64_MAX || connection->stepping == NULL ||
		budget_now_us() < connection->yield_at_us)
		return 0;
	connection->yield_at_us = INT64_MAX;
	/* The budget stays open: denied memory on the way out would roll a transaction back. */
	connection->has_yielded = true;
	return 1;
}

struct sql_session *connection_session(const struct connection *connection)
{
	return connection->session;
}

const struct spec *connection_spec(const struct connection *connection)
{
	return connection->spec;
}

static int set_up(struct connection *connection, struct err *err)
{
	const struct sql_extension *extension = connection->extension;
	int status = guard_prepare(connection->db, &connection->env->unlisted, err);

	if (status == 0)
		status = collation_register(connection->db, err);
	if (status == 0)
		status = functions_register(connection->db, &connection->functions, err);
	if (status == 0)
		status = bounded_register(connection->db, &connection->budget, err);
	if (status == 0)
		status = control_register(connection, err);
	if (status == 0)
		status = modules_register(connection, err);
	if (status == 0 && extension != NULL)
		status = extension->install(extension->context, connection->db, connection, err);
	if (status == 0)
		status = guard_arm(connection->db, &connection->guard, err);
	if (status == 0)
		sqlite3_progress_handler(
			connection->db, PROGRESS_EVERY_OPS, on_progress, connection);
	return status;
}

/* The spec as it is now, with a reference; NULL: nobody provides one. */
static const struct spec *ref_spec(const struct sql_env *env)
{
	const struct sql_env_options *options = &env->options;
	const struct spec *spec = NULL;

	if (options->spec_ref == NULL || !options->spec_ref(options->spec_context, &spec))
		return NULL;
	return spec;
}

static void unref_spec(const struct sql_env *env, const struct spec *spec)
{
	if (spec != NULL)
		env->options.spec_unref(env->options.spec_context, spec);
}

/* Whether its virtual tables still show the running configuration. */
static bool is_current(const struct connection *connection)
{
	const struct spec *spec = ref_spec(connection->env);
	bool same = spec == connection->spec;

	unref_spec(connection->env, spec);
	return same;
}

static int open_new(struct sql_env *env, const struct sql_extension *extension,
	struct connection **connection, struct err *err)
{
	struct connection *new = calloc(1, sizeof(*new));
	int status;

	if (new == NULL)
		return err_nomem(err);
	new->env = env;
	new->spec = ref_spec(env);
	new->extension = extension;
	new->guard.functions = extension != NULL ? extension->functions : NULL;
	new->budget.limit_bytes = INT64_MAX;
	new->budget.stop_at_us = INT64_MAX;
	new->yield_at_us = INT64_MAX;
	connection_enter(new);
	status = snapshot_open_reader(env->options.snapshots, &new->db, err);
	if (status == 0) {
		new->clock_was_read = snapshot_clock_flag(new->db);
		status = set_up(new, err);
	}
	connection_leave(new);
	if (status != 0) {
		connection_close(new);
		return status;
	}
	*connection = new;
	return 0;
}

void connection_close(struct connection *connection)
{
	struct compiled *next;
	int status;

	connection_enter(connection);
	for (struct compiled *compiled = connection->compiled; compiled != NULL; compiled = next) {
		next = compiled->next;
		assert(!compiled->in_use);
		(void)sqlite3_finalize(compiled->stmt);
		shape_unref(compiled->shape);
		free(compiled);
	}
	status = sqlite3_close(connection->db);
	assert(status == SQLITE_OK);
	connection_leave(connection);
	unref_spec(connection->env, connection->spec);
	free(connection);
}

/* An idle connection that knows the session's extension; NULL: none. The mutex is held. */
static struct connection *take_idle(struct sql_env *env, const struct sql_extension *extension)
{
	for (struct connection **at = &env->idle; *at != NULL; at = &(*at)->next) {
		struct connection *found = *at;

		if (found->extension == extension) {
			*at = found->next;
			env->n_idle--;
			return found;
		}
	}
	return NULL;
}

/* The env's zone may have changed since this session last had a connection. The mutex is held. */
static void refresh_zone(struct sql_session *session)
{
	struct zone *old = session->zone;

	if (session->has_own_zone || old == session->env->zone)
		return;
	session->zone = zone_ref(session->env->zone);
	zone_unref(old);
}

/*
 * A connection of an older configuration is closed: false. One that a session
 * holds on to (TEMP objects, a transaction) shows the old one until it lets go.
 */
static bool is_current_or_closed(struct connection *connection)
{
	if (is_current(connection))
		return true;
	connection_close(connection);
	return false;
}

int connection_borrow(struct sql_session *session, struct err *err)
{
	struct sql_env *env = session->env;
	struct connection *connection;

	if (session->connection != NULL)
		return 0;
	do {
		(void)pthread_mutex_lock(&env->mutex);
		connection = take_idle(env, session->options.extension);
		refresh_zone(session);
		session->limits = env->limits;
		(void)pthread_mutex_unlock(&env->mutex);
	} while (connection != NULL && !is_current_or_closed(connection));
	if (connection == NULL) {
		int status = open_new(env, session->options.extension, &connection, err);

		if (status != 0)
			return status;
	}
	assert(connection != NULL);
	connection->session = session;
	connection->functions.zone = session->zone;
	connection->budget.cancelled = &session->is_cancelled;
	guard_limit_values(connection->db, session->limits.query_memory_bytes);
	session->connection = connection;
	return 0;
}

void connection_give_back(struct sql_session *session)
{
	struct connection *connection = session->connection;
	struct sql_env *env = session->env;
	bool is_kept = false;

	if (connection == NULL || session->attached != NULL ||
		!sqlite3_get_autocommit(connection->db) || session->has_temp)
		return;
	session->connection = NULL;
	connection->session = NULL;
	connection->budget.cancelled = NULL;
	if (!connection->is_tainted) {
		(void)pthread_mutex_lock(&env->mutex);
		if (env->n_idle < CONNECTION_MAX_IDLE) {
			connection->next = env->idle;
			env->idle = connection;
			env->n_idle++;
			is_kept = true;
		}
		(void)pthread_mutex_unlock(&env->mutex);
	}
	if (!is_kept)
		connection_close(connection);
}

/* Seconds with what fits behind the point, for a sentence. */
static double seconds(int64_t us)
{
	return (double)us / 1e6;
}

/*
 * Whatever SQLite stumbled over when it got no more
 * memory: one code for all that was broken off.
 */
static int fail_as_interrupted(struct sql_session *session, const char *sentence, struct err *err)
{
	session->error_code = SQLITE_INTERRUPT;
	session->error_offset = -1;
	return err_set(err, ERR_INTERRUPTED, "%s", sentence);
}

static int fail_for_time(struct sql_session *session, struct err *err)
{
	char sentence[80];

	(void)snprintf(sentence, sizeof(sentence),
		"the statement took longer than its timeout of %g seconds",
		seconds(session_timeout_us(session)));
	return fail_as_interrupted(session, sentence, err);
}

int connection_fail(struct connection *connection, int rc, struct err *err)
{
	struct sql_session *session = connection->session;
	enum budget_end ended = connection->budget.ended;
	int primary = rc & 0xff;

	session->error_code = sqlite3_extended_errcode(connection->db);
	if ((session->error_code & 0xff) != primary)
		session->error_code = rc;
	session->error_offset = sqlite3_error_offset(connection->db);
	/* Memory that was denied for the time's sake can turn up as almost any error. */
	if (ended == BUDGET_CANCELLED || atomic_load(&session->is_cancelled))
		return fail_as_interrupted(session, "the statement was cancelled", err);
	if (ended == BUDGET_TIME)
		return fail_for_time(session, err);
	if (primary == SQLITE_INTERRUPT)
		return fail_as_interrupted(session, "the statement was interrupted", err);
	if (primary == SQLITE_NOMEM && ended == BUDGET_BYTES)
		return err_set(err, ERR_NOMEM,
			"the statement needs more memory than query_memory (%lld MiB)%s",
			(long long)(session->limits.query_memory_bytes >> 20),
			session->has_temp ? ", which TEMP tables take from too" : "");
	if (primary == SQLITE_NOMEM)
		return err_nomem(err);
	if (connection->guard.denied[0] != '\0' && primary != SQLITE_TOOBIG) {
		session->error_code = SQLITE_AUTH;
		return err_set(err, ERR_DENIED, "%s", connection->guard.denied);
	}
	if (primary == SQLITE_READONLY)
		return err_set(err, ERR_DENIED, "tallyd is read-only");
	/* SQLite's own refusal, of its schema and of virtual tables that have no way to write. */
	if (strstr(sqlite3_errmsg(connection->db), " may not be modified") != NULL)
		return err_set(
			err, ERR_DENIED, "tallyd is read-only: %s", sqlite3_errmsg(connection->db));
	return err_set(err, primary == SQLITE_TOOBIG ? ERR_LIMIT : ERR_SQL, "%s",
		sqlite3_errmsg(connection->db));
}
