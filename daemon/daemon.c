/*
 * How the parts are put together, and the two orders that matter.
 *
 * Start: sockets are claimed first (a second daemon must fail before it
 * touches the state), then the engine loads on the pool while the loop turns,
 * then SQL opens, then clients that have waited in the kernel are accepted.
 *
 * Stop, on a signal: no new clients; what was asked is answered within a time,
 * then what still runs is cancelled and what was written goes out; the engine
 * meanwhile ends its slice and makes the rest durable. When engine,
 * sessions and the saver are done, the last handles are closed and the loop
 * runs dry; then, with no reader left, the store is closed.
 */
#include "daemon/daemon.h"

#include "base/timestamp.h"
#include "daemon/answer_cache.h"
#include "daemon/call.h"
#include "daemon/engine.h"
#include "daemon/executor.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/notify.h"
#include "daemon/protocols.h"
#include "daemon/saver.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/text_session.h"
#include "daemon/threads.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After a stop what runs and what was just asked has this long to be answered, */
#define STOP_DRAIN_MS 1500
/* and then what was written this long to go out. */
#define STOP_GRACE_MS 2000

struct daemon {
	uv_loop_t loop;
	char read_buffer[TRANSPORT_READ_BYTES]; /* of all transports; the loop's data */
	const struct options *options;
	struct config *config; /* running */
	struct engine *engine;
	struct call_desk desk;
	struct executor executor;
	struct saver saver;
	struct service service;
	struct sql_control control;
	struct listener sql_listener, postgres_listener; /* until their servers have them */
	struct server sql_server, postgres_server, http_server;
	uv_signal_t sigterm, sigint, sighup;
	uv_timer_t grace;
	struct manager manager;
	struct err *err;    /* of daemon_run */
	uint64_t published; /* number of the snapshot that sessions heard of */
	bool is_open;       /* SQL is there, clients are accepted */
	bool is_stuck;      /* at the last beat of the watchdog */
	bool is_stopping, is_engine_done, is_saver_done, are_sessions_done, is_closed;
};

/* --- what SQL asks of the daemon (on workers) ---------------------------- */

static int control_sessions(void *context, struct session_view **rows, size_t *n, struct err *err)
{
	struct daemon *d = context;

	return session_list_view(d->service.sessions, rows, n, err);
}

/* The lane of statements that change something is short: whoever waits makes room for another. */
static int control_call(struct daemon *d, enum call_kind kind, const char *query,
	bool (*cancelled)(void *), void *arg, char state[16], int64_t *batch_id, struct err *err)
{
	if (!executor_block(&d->executor))
		return err_set(err, ERR_LIMIT,
			"%d sessions wait for start, stop or process_all_available already; try "
			"again later",
			EXECUTOR_MAX_BLOCKED);
	int rc = call_make(&d->desk, kind, query, cancelled, arg, state, batch_id, err);
	executor_unblock(&d->executor);
	return rc;
}

static int control_start(void *context, const char *query, char state[16], struct err *err)
{
	return control_call(context, CALL_START, query, NULL, NULL, state, NULL, err);
}

static int control_stop(void *context, const char *query, char state[16], struct err *err)
{
	return control_call(context, CALL_STOP, query, NULL, NULL, state, NULL, err);
}

static int control_process_all(void *context, const char *query, bool (*cancelled)(void *),
	void *arg, int64_t *batch_id, struct err *err)
{
	return control_call(context, CALL_PROCESS_ALL, query, cancelled, arg, NULL, batch_id, err);
}

static void control_pause(void *context, bool (*stopped)(void *), void *arg)
{
	(void)context;
	background_pause(stopped, arg);
}

static void on_call(void *context, struct call *call)
{
	struct daemon *d = context;

	engine_take_call(d->engine, call);
}

/* --- stopping ------------------------------------------------------------ */

static void handle_close(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* All parts are done: the last handles go, and the loop runs dry. */
static void close_if_done(struct daemon *d)
{
	if (d->is_closed || !d->is_engine_done || !d->is_saver_done || !d->are_sessions_done)
		return;
	d->is_closed = true;
	session_list_free(d->service.sessions);
	executor_close(&d->executor);
	call_desk_close(&d->desk);
	handle_close(&d->sigterm);
	handle_close(&d->sigint);
	handle_close(&d->sighup);
	manager_close(&d->manager);
	handle_close(&d->grace);
}

static void on_engine_stopped(void *context)
{
	struct daemon *d = context;

	d->is_engine_done = true;
	close_if_done(d);
}

static void on_saver_stopped(void *context)
{
	struct daemon *d = context;

	d->is_saver_done = true;
	close_if_done(d);
}

static void on_sessions_gone(void *context)
{
	struct daemon *d = context;

	d->are_sessions_done = true;
	close_if_done(d);
}

static void on_grace_over(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	session_list_stop(d->service.sessions, true);
}

static void on_drain_over(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	d->service.is_stopping = true;
	uv_timer_start(&d->grace, on_grace_over, STOP_GRACE_MS, 0);
	session_list_stop(d->service.sessions, false);
}

static void stop(struct daemon *d)
{
	if (d->is_stopping) {
		d->service.is_stopping = true;
		session_list_stop(d->service.sessions, true);
		return;
	}
	d->is_stopping = true;
	notify_stopping();
	server_close(&d->sql_server);
	server_close(&d->postgres_server);
	server_close(&d->http_server);
	listener_close(&d->sql_listener);
	listener_close(&d->postgres_listener);
	manager_loaded(&d->manager);
	engine_stop(d->engine);
	if (d->is_open)
		saver_stop(&d->saver, on_saver_stopped, d);
	else
		d->is_saver_done = true;
	session_list_on_empty(d->service.sessions, on_sessions_gone, d);
	session_list_drain(d->service.sessions);
	if (!d->are_sessions_done)
		uv_timer_start(&d->grace, on_drain_over, STOP_DRAIN_MS, 0);
	close_if_done(d);
}

static void on_stop_signal(uv_signal_t *signal, int number)
{
	struct daemon *d = signal->data;

	log_info("%s: stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
	stop(d);
}

/* --- sockets ------------------------------------------------------------- */

static bool is_default_socket(const struct config *config)
{
	for (size_t i = 0; i < config->n_settings; i++)
		if (strcmp(config->settings[i].name, "tallyd.socket") == 0)
			return strcmp(config->settings[i].origin, "default") == 0;
	return false;
}

static int listener_claim(
	const struct config *config, const char *path, struct listener *listener, struct err *err)
{
	struct listener_options options = {.path = path,
		.mode = config->socket_mode,
		.group = config->socket_group,
		.must_have_group = config->is_socket_group_written,
		.makes_directory = is_default_socket(config)};

	return listener_open(listener, &options, err);
}

/* Another server's name is no reason not to serve the rest. */
static void postgres_claim(struct daemon *d)
{
	struct err err = ERR_INIT;

	if (d->config->postgres == NULL || protocol_postgres() == NULL)
		return;
	if (listener_claim(d->config, d->config->postgres, &d->postgres_listener, &err) != 0)
		log_warning("no PostgreSQL protocol: %s", err.text);
}

static int sockets_claim(struct daemon *d, struct err *err)
{
	struct notify_fds fds;

	notify_take_fds(&fds);
	if (fds.n_others > 0)
		log_warning("%d sockets from the service manager are neither named sql nor pg; "
			    "they are not used",
			fds.n_others);
	int rc = fds.sql >= 0 ? listener_adopt(&d->sql_listener, fds.sql, err)
			      : listener_claim(d->config, d->config->socket, &d->sql_listener, err);
	if (rc != 0)
		return rc;
	if (fds.postgres < 0)
		postgres_claim(d);
	else if (listener_adopt(&d->postgres_listener, fds.postgres, err) != 0)
		return err->code;
	return 0;
}

static int server_start(struct daemon *d, struct server *server, struct listener *listener,
	const struct session_ops *ops, struct err *err)
{
	if (listener->fd < 0 || ops == NULL)
		return 0;
	if (server_open(server, listener, &d->service, ops, err) != 0)
		return err->code;
	return server_accept(server, err);
}

static int http_start(struct daemon *d, struct err *err)
{
	const char *where = d->config->http_listen;
	const struct session_ops *ops = protocol_http();
	struct listener listener = LISTENER_NONE;

	if (where == NULL)
		return 0;
	if (ops == NULL)
		return err_set(err, ERR_CONFIG, "http.listen: not in this version; leave it empty");
	if (where[0] != '/') {
		if (server_open_tcp(&d->http_server, where, &d->service, ops, err) != 0)
			return err->code;
		return server_accept(&d->http_server, err);
	}
	if (listener_claim(d->config, where, &listener, err) != 0)
		return err->code;
	return server_start(d, &d->http_server, &listener, ops, err);
}

static int servers_start(struct daemon *d, struct err *err)
{
	if (server_start(d, &d->sql_server, &d->sql_listener, &text_session_ops, err) != 0 ||
		server_start(d, &d->postgres_server, &d->postgres_listener, protocol_postgres(),
			err) != 0)
		return err->code;
	return http_start(d, err);
}

/* --- starting ------------------------------------------------------------ */

static int sql_open(struct daemon *d, struct err *err)
{
	const struct config *config = d->config;

	d->control = (struct sql_control){.context = d,
		.start = control_start,
		.stop = control_stop,
		.process_all = control_process_all,
		.sessions = control_sessions,
		.pause = control_pause};
	struct sql_env_options options = {.snapshots = engine_snapshots(d->engine),
		.control = &d->control,
		.query_timeout_us = config->query_timeout_us,
		.query_memory_bytes = config->query_memory_bytes,
		.max_result_bytes = config->max_result_bytes,
		.timezone = config->timezone,
		.spec_ref = engine_spec_ref,
		.spec_unref = engine_spec_unref,
		.spec_context = d->engine,
		.daemon_uid = (unsigned)geteuid()};
	d->service.snapshots = options.snapshots;
	return sql_env_new(&d->service.env, &options, err);
}

static void on_loaded(void *context, const struct err *load_err)
{
	struct daemon *d = context;
	struct err err = *load_err;

	manager_loaded(&d->manager);
	if (d->is_stopping)
		return;
	if (err.code == 0 && sql_open(d, &err) == 0)
		(void)!servers_start(d, &err);
	if (err.code != 0) {
		*d->err = err;
		stop(d);
		return;
	}
	saver_init(&d->saver, &d->loop, d->service.snapshots);
	saver_configure(&d->saver, d->config);
	d->is_open = true;
	log_info("serving %s", d->config->socket);
	notify_ready();
}

static void on_published(void *context)
{
	struct daemon *d = context;
	uint64_t newest = snapshot_newest_number(engine_snapshots(d->engine));

	manager_tell_status(&d->manager);
	if (newest == d->published)
		return;
	d->published = newest;
	session_list_published(d->service.sessions);
}

/* --- reloading ----------------------------------------------------------- */

static void on_hangup(uv_signal_t *signal, int number)
{
	struct daemon *d = signal->data;

	(void)number;
	if (!d->is_open || d->is_stopping)
		return;
	log_info("SIGHUP: reading the configuration again");
	notify_reloading();
	engine_reload(d->engine, &d->options->config);
}

/* A protocol's socket that came, went or moved. */
static void sockets_reload(struct daemon *d, const struct config *before)
{
	struct err err = ERR_INIT;
	const char *was = before->postgres, *is = d->config->postgres;
	bool was_given = d->postgres_server.is_open && d->postgres_server.listener.path == NULL;

	if (!was_given && (was == NULL || is == NULL ? was != is : strcmp(was, is) != 0)) {
		server_close(&d->postgres_server);
		postgres_claim(d);
		if (server_start(d, &d->postgres_server, &d->postgres_listener, protocol_postgres(),
			    &err) != 0)
			log_warning("no PostgreSQL protocol: %s", err.text);
	}
	was = before->http_listen;
	is = d->config->http_listen;
	if (was == NULL || is == NULL ? was == is : strcmp(was, is) == 0)
		return;
	server_close(&d->http_server);
	err = (struct err)ERR_INIT;
	if (http_start(d, &err) != 0)
		log_warning("no HTTP: %s", err.text);
}

static void limits_set(struct daemon *d)
{
	int pool = threads_for_statements();
	int running = d->config->max_running_queries;

	if (running > pool) {
		log_warning("max_running_queries = %d: there are threads for %d until a restart",
			running, pool);
		running = pool;
	}
	executor_set_max_long(&d->executor, running);
	d->service.config = d->config;
	d->service.max_sessions = threads_sessions_limit(d->config->max_sessions);
	if (d->service.max_sessions < d->config->max_sessions)
		log_warning("max_sessions = %d: the limit of open files allows %d",
			d->config->max_sessions, d->service.max_sessions);
	log_set_level(d->options->verbose ? LOG_LEVEL_DEBUG : (enum log_level)d->config->log_level);
}

static void on_reloaded(void *context, struct config *fresh, const struct err *reload_err)
{
	struct daemon *d = context;
	struct config *before = d->config;
	struct err err = ERR_INIT;

	if (fresh == NULL) {
		log_error("reload: %s; the configuration stays as it was", reload_err->text);
		notify_ready();
		return;
	}
	d->config = config_ref(fresh);
	limits_set(d);
	if (sql_env_set_limits(d->service.env, fresh->query_timeout_us, fresh->query_memory_bytes,
		    fresh->max_result_bytes, fresh->timezone, &err) != 0)
		log_error("reload: %s", err.text);
	saver_configure(&d->saver, fresh);
	sockets_reload(d, before);
	config_unref(before);
	log_info("the configuration was read again");
	notify_ready();
}

/* --- the life ------------------------------------------------------------ */

static void timer_open(struct daemon *d, uv_timer_t *timer)
{
	uv_timer_init(&d->loop, timer);
	timer->data = d;
}

static void signal_open(struct daemon *d, uv_signal_t *signal, uv_signal_cb callback, int number)
{
	uv_signal_init(&d->loop, signal);
	signal->data = d;
	uv_signal_start(signal, callback, number);
}

static int parts_open(struct daemon *d, struct err *err)
{
	struct engine_hooks hooks = {.context = d,
		.on_loaded = on_loaded,
		.on_published = on_published,
		.on_reloaded = on_reloaded,
		.on_stopped = on_engine_stopped};

	if (executor_open(&d->executor, &d->loop, d->config->max_running_queries, err) != 0)
		return err->code;
	call_desk_open(&d->desk, &d->loop, on_call, d);
	d->service.loop = &d->loop;
	d->service.executor = &d->executor;
	d->service.cache = answer_cache_new();
	d->service.sessions = session_list_new(&d->service);
	d->engine = engine_new(&d->loop, d->config, &d->desk, &hooks);
	if (d->service.cache == NULL || d->service.sessions == NULL || d->engine == NULL)
		return err_nomem(err);
	d->service.engine = d->engine;
	limits_set(d);
	timer_open(d, &d->grace);
	signal_open(d, &d->sigterm, on_stop_signal, SIGTERM);
	signal_open(d, &d->sigint, on_stop_signal, SIGINT);
	signal_open(d, &d->sighup, on_hangup, SIGHUP);
	manager_open(&d->manager, &d->loop, d->engine);
	return 0;
}

static void daemon_free(struct daemon *d)
{
	sql_env_free(d->service.env);
	answer_cache_free(d->service.cache);
	call_desk_fini(&d->desk);
	engine_free(d->engine);
	config_unref(d->config);
	free(d);
}

int daemon_run(struct config *config, const struct options *options, struct err *err)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		config_unref(config);
		return err_nomem(err);
	}
	d->options = options;
	d->config = config;
	d->err = err;
	d->sql_listener = LISTENER_NONE;
	d->postgres_listener = LISTENER_NONE;
	int rc = threads_prepare(config->max_running_queries, err);
	if (rc == 0)
		rc = sockets_claim(d, err);
	if (rc != 0) {
		config_unref(config);
		free(d);
		return rc;
	}
	rc = uv_loop_init(&d->loop);
	assert(rc == 0);
	d->loop.data = d->read_buffer;
	/* Without memory for the parts there is nothing to end in order. */
	if (parts_open(d, err) != 0)
		return err->code;
	engine_load(d->engine, options->rebuild);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	rc = uv_loop_close(&d->loop);
	assert(rc == 0);
	daemon_free(d);
	return err->code;
}
