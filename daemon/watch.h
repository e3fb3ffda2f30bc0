/*
 * The kernel's notices of one source on the loop: what is noticed goes to the
 * stream at once, and the directory itself is looked after every
 * poll_interval, on a worker, since a server that does not answer holds up
 * whoever looks. Knows when something may be new, not what.
 */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include "base/err.h"
#include "stream/notice.h"
#include "stream/spec.h"
#include "stream/stream.h"

#include <stddef.h>
#include <uv.h>

struct watch;

/* One worker is enough for all watches: who comes while it is out waits behind the others. */
struct watch_worker {
	bool is_out;
	struct watch *first_waiting, *last_waiting;
};

struct watch_options {
	uv_loop_t *loop;
	struct stream *stream;
	const struct source_spec *spec; /* outlives the watch */
	size_t source;
	struct notice *notice; /* open; the watch's from now on, unless watch_open fails */
	struct watch_worker *worker; /* shared by all watches, zero at first; outlives the loop */
	/* Something may be new, or has to be looked for as a whole. */
	void (*on_change)(void *context, size_t source);
	void *context;
};

int watch_open(struct watch **watch, const struct watch_options *options, struct err *err)
	__attribute__((warn_unused_result));
/*
 * No callback follows; the stream may be changed after it. The memory goes when the loop has closed
 * the handles and the worker is back. NULL is accepted.
 */
void watch_close(struct watch *watch);

#endif
