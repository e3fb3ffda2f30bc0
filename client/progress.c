/* One line, drawn over itself ten times a second. */
#include "client/progress.h"

#include "client/clock.h"

#include <stdio.h>
#include <unistd.h>

#define QUIET_MS  500
#define REDRAW_MS 100

void progress_start(struct progress *progress, bool is_quiet)
{
	*progress = (struct progress){.started_ms = clock_now_ms()};
	progress->is_wanted = is_quiet && isatty(STDERR_FILENO) != 0;
}

void progress_show(struct progress *progress, uint64_t n_bytes, uint64_t n_rows)
{
	static const char moving[] = "|/-\\";
	int64_t now;
	int64_t elapsed;

	if (!progress->is_wanted)
		return;
	if (!progress->has_bytes_before) {
		progress->has_bytes_before = true;
		progress->bytes_before = n_bytes;
	}
	now = clock_now_ms();
	elapsed = now - progress->started_ms;
	if (elapsed < QUIET_MS || now - progress->shown_ms < REDRAW_MS)
		return;
	progress->shown_ms = now;
	progress->is_shown = true;
	(void)fprintf(stderr, "\r%c %llu rows, %.1f MB, %.1f s\033[K",
		moving[elapsed / REDRAW_MS % 4], (unsigned long long)n_rows,
		(double)(n_bytes - progress->bytes_before) / 1e6, (double)elapsed / 1000.0);
}

void progress_hide(struct progress *progress)
{
	if (progress->is_shown)
		(void)fputs("\r\033[K", stderr);
	progress->is_shown = false;
}
