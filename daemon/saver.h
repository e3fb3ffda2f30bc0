/*
 * snapshot_file: the newest snapshot as a plain SQLite file, replaced every
 * snapshot_interval if there is a newer one. Written on a pool thread; one at
 * a time.
 */
#ifndef DAEMON_SAVER_H
#define DAEMON_SAVER_H

#include "daemon/config.h"
#include "sql/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct saver {
	uv_timer_t timer;
	uv_work_t request;
	struct snapshot_store *snapshots;
	char *path; /* NULL: off */
	mode_t readers; /* who may ask the socket may read the file, whatever the umask */
	uint64_t interval_ms;
	uint64_t saved;  /* number of the snapshot in the file; 0: none */
	uint64_t saving; /* of the one under way */
	struct err err;  /* of the one under way */
	struct config *next; /* a reference: configured while one was under way; NULL: none */
	bool is_busy, is_stopping;
	void (*on_stopped)(void *context);
	void *context;
};

void saver_init(struct saver *saver, uv_loop_t *loop, struct snapshot_store *snapshots);

/* The first file is written at once. Without memory for the path it stays off. */
void saver_configure(struct saver *saver, const struct config *config);

/* The last snapshot is still written; then `on_stopped`, and nothing is armed any more. */
void saver_stop(struct saver *saver, void (*on_stopped)(void *context), void *context);

#endif
