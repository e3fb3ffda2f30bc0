/*
 * One job of the engine's lane, as the worker sees it: what to do, and what
 * came of it. Private to the engine.
 */
#ifndef DAEMON_ENGINE_JOB_H
#define DAEMON_ENGINE_JOB_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/call.h"
#include "daemon/config.h"
#include "sql/cycle.h"
#include "sql/store.h"
#include "stream/mark.h"
#include "stream/notice.h"
#include "stream/stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum job_kind { JOB_LOAD, JOB_CYCLE, JOB_QUERY, JOB_RELOAD, JOB_FINISH };

/* A query after a job. */
struct query_brief {
	struct query_totals totals;
	int64_t n_files_behind;
	bool is_data_available;
};

/* A source after a job. */
struct source_brief {
	int64_t next_look_us;
	bool next_look_is_full;
	bool has_trouble;
};

struct job {
	uv_work_t request; /* first */
	enum job_kind kind;
	/* The engine's, which the worker owns meanwhile. */
	struct stream *stream;
	struct store *store;
	struct config *config; /* the running one */
	bool is_loaded;        /* the LOAD has succeeded: stream and store agree */
	int64_t now_us;
	bool is_heated;    /* much was counted since the heap was last handed back */
	bool is_warm;      /* something was */
	int64_t cooled_us; /* when that was; of the monotonic clock */

	/* What is asked. */
	bool rebuild;                  /* LOAD */
	size_t source;                 /* CYCLE */
	bool full;                     /* CYCLE */
	bool wants_mark;               /* CYCLE */
	struct call *call;             /* QUERY */
	size_t query;                  /* QUERY */
	struct config_request config_request; /* RELOAD; a copy, its texts outlive the engine */

	/* What came of it. */
	struct err err;
	struct cycle_outcome outcome;  /* CYCLE */
	struct mark *mark;             /* CYCLE: of its source, after the batch; NULL: none */
	struct config *fresh;          /* RELOAD; a reference, or NULL */
	/* LOAD, RELOAD: of each source that is read now; NULL: no memory, or somebody took it. */
	struct notice **notices;
	size_t n_notices;
	struct buf waiting_keys;       /* RELOAD: names of what waits for a restart */
	struct buf warnings;           /* the store's sentences for the log, each ends with a NUL */
	struct buf notes;              /* the stream's sentences, and what else went amiss */
	struct query_brief *queries;   /* of the running config's spec; NULL: no memory for it */
	struct source_brief *sources;
	int64_t took_us;
};

/* Does it; on a worker. */
void job_run(struct job *job);

/* The results are taken; what is asked stays. */
void job_clear(struct job *job);

#endif
