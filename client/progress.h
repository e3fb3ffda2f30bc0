/*
 * The line on standard error that says how far a long answer is. Only on a
 * terminal, only while the answer itself does not go there, and only after
 * half a second.
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

void progress_start(struct progress *progress);
void progress_show(struct progress *progress, uint64_t n_bytes, uint64_t n_rows);
void progress_hide(struct progress *progress);

#endif
