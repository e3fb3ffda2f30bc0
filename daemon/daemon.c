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
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/notify.h"
#include "daemon/saver.h"
#include "daemon/session_drain.h"
#include "daemon/session_list.h"
#include "daemon/session_watch.h"
#include "daemon/sockets.h"
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

/*
 *   LOADING ──loaded──▶ SERVING ──stop──▶ STOPPING ──no part left──▶ CLOSED
 *      └──────────────stop, a failed load─────┘
 */
enum state {
	STATE_LOADING, /* clients wait in the kernel */
	STATE_SERVING,
	STATE_STOPPING,
	STATE_CLOSED, /* the loop runs dry */
};

/* What ends on a turn of its own once it was asked to. */
enum part { PART_ENGINE = 1, PART_SESSIONS = 2, PART_SAVER = 4 };

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
	struct sockets sockets;
	uv_signal_t sigterm, sigint, sighup;
	uv_timer_t grace;
	struct manager manager;
	struct err *err;    /* of daemon_run */
	uint64_t published; /* number of the snapshot that sessions heard of */
	enum state state;
	unsigned parts; /* enum part: those that run */
};

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

static void handle_close(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* When no part is left the last handles go, and the loop runs dry. */
static void part_ended(struct daemon *d, enum part part)
{
	d->parts &= ~(unsigned)part;
	if (d->parts != 0 || d->state == STATE_CLOSED)
		return;
	d->state = STATE_CLOSED;
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
	part_ended(context, PART_ENGINE);
}

static void on_saver_stopped(void *context)
{
	part_ended(context, PART_SAVER);
}

static void on_sessions_gone(void *context)
{
	part_ended(context, PART_SESSIONS);
}

static void on_grace_over(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	session_stop_all(d->service.sessions, true);
}

static void on_drain_over(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	d->service.is_stopping = true;
	uv_timer_start(&d->grace, on_grace_over, STOP_GRACE_MS, 0);
	session_stop_all(d->service.sessions, false);
}

static void stop(struct daemon *d)
{
	if (d->state >= STATE_STOPPING) {
		d->service.is_stopping = true;
		session_stop_all(d->service.sessions, true);
		return;
	}
	d->state = STATE_STOPPING;
	notify_stopping();
	sockets_close(&d->sockets);
	manager_loaded(&d->manager);
	engine_stop(d->engine);
	if ((d->parts & PART_SAVER) != 0)
		saver_stop(&d->saver, on_saver_stopped, d);
	session_list_on_empty(d->service.sessions, on_sessions_gone, d);
	session_drain_all(d->service.sessions);
	if ((d->parts & PART_SESSIONS) != 0)
		uv_timer_start(&d->grace, on_drain_over, STOP_DRAIN_MS, 0);
}

static void on_stop_signal(uv_signal_t *signal, int number)
{
	struct daemon *d = signal->data;

	log_info("%s: stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
	stop(d);
}

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
	if (d->state != STATE_LOADING)
		return;
	if (err.code == 0 && sql_open(d, &err) == 0)
		(void)!sockets_serve(&d->sockets, &d->service, &err);
	if (err.code != 0) {
		*d->err = err;
		stop(d);
		return;
	}
	saver_init(&d->saver, &d->loop, d->service.snapshots);
	saver_configure(&d->saver, d->config);
	d->state = STATE_SERVING;
	d->parts |= PART_SAVER;
	log_info("serving %s", d->sockets.path);
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

static void on_hangup(uv_signal_t *signal, int number)
{
	struct daemon *d = signal->data;

	(void)number;
	if (d->state >= STATE_STOPPING)
		return;
	log_info("SIGHUP: reading the configuration again");
	/* Before READY there is nothing that the service manager could call a reload. */
	if (d->state == STATE_SERVING)
		notify_reloading();
	engine_reload(d->engine, &d->options->config);
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

	/* Sockets and saver are on their way out: what was read is for the next start. */
	if (d->state != STATE_SERVING)
		return;
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
	sockets_reload(&d->sockets, &d->service, before);
	config_unref(before);
	log_info("the configuration was read again");
	notify_ready();
}

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

static void hangup_mask(int how)
{
	sigset_t hangup;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	(void)pthread_sigmask(how, &hangup, NULL);
}

void daemon_keep_hangup(void)
{
	hangup_mask(SIG_BLOCK);
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
	d->service.sessions = session_list_new(&d->service, session_watch_look);
	d->engine = engine_new(&d->loop, d->config, &d->desk, &hooks);
	if (d->service.cache == NULL || d->service.sessions == NULL || d->engine == NULL)
		return err_nomem(err);
	d->service.engine = d->engine;
	limits_set(d);
	timer_open(d, &d->grace);
	signal_open(d, &d->sigterm, on_stop_signal, SIGTERM);
	signal_open(d, &d->sigint, on_stop_signal, SIGINT);
	signal_open(d, &d->sighup, on_hangup, SIGHUP);
	hangup_mask(SIG_UNBLOCK);
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
	d->parts = PART_ENGINE | PART_SESSIONS;
	sockets_init(&d->sockets);
	int rc = threads_prepare(config->max_running_queries, err);
	if (rc == 0)
		rc = sockets_claim(&d->sockets, config, err);
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
