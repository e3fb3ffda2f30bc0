/*
 * The engine's lane: everything that touches the stream and the store, one job
 * at a time on a pool thread, and the decision which one is next.
 *
 * Jobs: load, a turn of one source (cycle_run), start and stop of a query, a
 * reload, the end. Between jobs the loop owns the engine; during one the worker
 * does, and the loop only notes what is to be done next. The stream's notices
 * and stream_stop_batch are the exceptions, which any thread may call.
 */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

#include "base/err.h"
#include "daemon/call.h"
#include "daemon/config.h"
#include "sql/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct engine;

/* On the loop. */
struct engine_hooks {
	void *context;
	void (*on_loaded)(void *context, const struct err *err); /* code 0: all tables are there */
	void (*on_published)(void *context);                      /* there may be a new snapshot */
	/* `config` is the new one, or NULL with the error: then nothing has changed. */
	void (*on_reloaded)(void *context, struct config *config, const struct err *err);
	void (*on_stopped)(void *context);
};

/*
 * What `queries` says, as of the last job; for the service manager. No padding:
 * compared as bytes.
 */
struct engine_status {
	int64_t n_files, n_files_behind, n_events, n_rejects; /* over all queries */
	int64_t max_time_us; /* newest event; INT64_MIN: none yet */
	int64_t is_idle; /* 0, 1 */
};

/* Holds a reference to `config`. NULL: no memory. */
struct engine *engine_new(uv_loop_t *loop, struct config *config, struct call_desk *desk,
	const struct engine_hooks *hooks);

/* Opens store and stream and restores what the checkpoint remembers; on_loaded. */
void engine_load(struct engine *engine, bool rebuild);

/* After on_loaded with success. */
struct snapshot_store *engine_snapshots(struct engine *engine);

/*
 * Reads the configuration again and takes what has changed; on_reloaded. What
 * is asked while one waits is one. The request's texts outlive the engine.
 */
void engine_reload(struct engine *engine, const struct config_request *request);

/* Takes the call (desk's on_call). */
void engine_take_call(struct engine *engine, struct call *call);

void engine_status(const struct engine *engine, struct engine_status *status);

/* False: a job is under way that has not moved since the last call. */
bool engine_has_moved(struct engine *engine);

/*
 * The running slice ends, the last state is made durable; on_stopped. After it
 * nothing is armed on the loop.
 */
void engine_stop(struct engine *engine);

/*
 * After on_stopped, or before a load; no reader of the snapshots is left. Logs
 * how each query ended, as the last lines.
 */
void engine_free(struct engine *engine);

/* The spec of the running configuration, for statements on any thread; each ref needs its unref. */
bool engine_spec_ref(void *engine, const struct spec **spec);
void engine_spec_unref(void *engine, const struct spec *spec);

#endif
