/*
 * One line a message on standard error: with the journal's priority where the
 * journal reads it, with time and level elsewhere.
 *
 * Nothing in a message can break the line or forge a priority: control
 * characters are escaped, and so is what is no UTF-8, for the journal shows no
 * line that has it. A full pipe never holds the caller up: the line is
 * dropped and counted, and the count is said when there is room again; so is
 * what comes faster than anybody reads, but for errors and what is asked for
 * by the level debug. Any thread may log. Standard error belongs to this module
 * alone.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Bytes of one line, its newline included; a longer message is cut and ends in "...". */
#define LOG_LINE_BYTES 2048

/* Of warnings and information so many lines pass in so many seconds; the others are counted. */
#define LOG_FLOOD_LINES   1000
#define LOG_FLOOD_SECONDS 10

/*
 * Looks whether standard error is the journal's ($JOURNAL_STREAM). From then on
 * a signal that kills leaves a line too (base/last_words.h).
 */
void log_init(void);

void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A limiter lets the first messages of a kind through and then one an
 * interval, which says how many were left out. Zero initialisation, static or
 * in the object that repeats itself; one thread at a time.
 */
struct log_limiter {
	int64_t interval_start_us; /* monotonic; 0: none begun */
	uint32_t n_passed;         /* in this interval */
	uint32_t n_held;           /* left out in this interval */
};

#define LOG_LIMITER_BURST       5
#define LOG_LIMITER_INTERVAL_US INT64_C(60000000)

/* True when the message may go; *n_left_out then says how many did not since the last one. */
bool log_limiter_pass(struct log_limiter *limiter, int64_t now_monotonic_us, uint32_t *n_left_out);

/*
 * Says how many messages of a kind a limiter has held back, if any: "12 more
 * of: refused connections".
 */
void log_left_out(uint32_t n, const char *kind);

/* The line without its prefix, escaped, for tests: returns its length, the newline included. */
size_t log_escape(char line[LOG_LINE_BYTES], size_t used, const char *text, size_t len);

#endif
