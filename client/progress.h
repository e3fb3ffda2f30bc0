/*
 * The line on standard error that says how far a long answer is. Only on a
 * terminal, only while nothing of the answer itself is written there, and only
 * after half a second.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_wanted;
	bool is_shown;
	int64_t started_ms, shown_ms; /* monotonic */
	uint64_t bytes_before;
	bool has_bytes_before;
};

/* The answer is looked at so often while nothing comes. */
#define PROGRESS_IDLE_MS 200

/* `is_quiet`: nothing is written to the terminal until progress_hide. */
void progress_start(struct progress *progress, bool is_quiet);
void progress_show(struct progress *progress, uint64_t n_bytes, uint64_t n_rows);
void progress_hide(struct progress *progress);

#endif
