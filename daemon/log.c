/*
 * The log: one write() a line, so that lines of several threads never mix.
 *
 * Standard error may be a terminal, a file, a pipe or the journal's socket,
 * and its file description is often shared with other processes: it is never
 * switched to non-blocking mode. poll() asks for room first; a pipe that
 * reports room takes a line of LOG_LINE_BYTES (less than PIPE_BUF) whole.
 */
#include "daemon/log.h"

#include "base/last_words.h"
#include "base/utf8.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(LOG_LINE_BYTES <= PIPE_BUF, "a line must fit an atomic write to a pipe");

static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_bool is_journal;
static atomic_uint n_dropped;

/* The flood's interval: since when, how many lines passed and how many did not. */
static _Atomic int64_t flood_since_s;
static atomic_uint n_flood, n_held_back;

void log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;

	if (stream != NULL && fstat(STDERR_FILENO, &st) == 0) {
		char expected[64];
		snprintf(expected, sizeof(expected), "%llu:%llu", (unsigned long long)st.st_dev,
			(unsigned long long)st.st_ino);
		atomic_store(&is_journal, strcmp(stream, expected) == 0);
	}
	last_words_install(atomic_load(&is_journal));
}

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, (int)level);
}

static bool is_wanted(enum log_level level)
{
	return (int)level <= atomic_load(&current_level);
}

/* Bytes that may stand as they are: a whole character that controls nothing. 0: escape the byte. */
static size_t printable(const char *text, size_t len)
{
	unsigned char c = (unsigned char)text[0];
	bool is_cut;

	if (c < 0x20 || c == 0x7f)
		return 0;
	size_t n = utf8_sequence(text, len, &is_cut);
	/* U+0080 to U+009F are controls of terminals too. */
	return n == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0 ? 0 : n;
}

size_t log_escape(char line[LOG_LINE_BYTES], size_t used, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const size_t limit =
		LOG_LINE_BYTES - 8; /* room for one more escape, "..." and the newline */

	for (size_t i = 0; i < len;) {
		size_t n = printable(text + i, len - i);

		if (used >= limit) {
			memcpy(line + used, "...", 3);
			used += 3;
			break;
		}
		if (n > 0) {
			memcpy(line + used, text + i, n);
			used += n;
			i += n;
			continue;
		}
		line[used++] = '\\';
		line[used++] = 'x';
		line[used++] = hex[(unsigned char)text[i] >> 4];
		line[used++] = hex[text[i] & 15];
		i++;
	}
	line[used++] = '\n';
	return used;
}

static size_t prefix_write(char line[LOG_LINE_BYTES], enum log_level level)
{
	static const struct {
		int priority; /* of syslog(3) */
		const char *name;
	} levels[] = {
		[LOG_LEVEL_ERROR] = {3, "error"},
		[LOG_LEVEL_WARNING] = {4, "warning"},
		[LOG_LEVEL_INFO] = {6, "info"},
		[LOG_LEVEL_DEBUG] = {7, "debug"},
	};
	struct timespec now;
	struct tm tm;

	if (atomic_load(&is_journal))
		return (size_t)snprintf(line, LOG_LINE_BYTES, "<%d>", levels[level].priority);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(line, LOG_LINE_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	return n + (size_t)snprintf(line + n, LOG_LINE_BYTES - n,
			   ".%03d %s: ", (int)(now.tv_nsec / 1000000), levels[level].name);
}

static bool line_write(const char *line, size_t len)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)
		return false;
	return write(STDERR_FILENO, line, len) == (ssize_t)len;
}

static void __attribute__((format(printf, 2, 3)))
sentence_write(enum log_level level, const char *format, ...)
{
	char text[256], line[LOG_LINE_BYTES];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t n = prefix_write(line, level);
	if (len > 0 && !line_write(line, log_escape(line, n, text, (size_t)len)))
		atomic_fetch_add(&n_dropped, 1);
}

/* Two threads at an interval's end may count a line twice or not at all: it is no ledger. */
static bool flood_pass(enum log_level level)
{
	struct timespec now;

	if (level == LOG_LEVEL_ERROR || level == LOG_LEVEL_DEBUG)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t since_s = atomic_load(&flood_since_s);
	if (now.tv_sec - since_s >= LOG_FLOOD_SECONDS &&
		atomic_compare_exchange_strong(&flood_since_s, &since_s, now.tv_sec)) {
		atomic_store(&n_flood, 0);
		unsigned held = atomic_exchange(&n_held_back, 0);
		if (held > 0)
			sentence_write(LOG_LEVEL_WARNING,
				"%u messages were held back: more than %d came in %d seconds", held,
				LOG_FLOOD_LINES, LOG_FLOOD_SECONDS);
	}
	if (atomic_fetch_add(&n_flood, 1) < LOG_FLOOD_LINES)
		return true;
	atomic_fetch_add(&n_held_back, 1);
	return false;
}

static void __attribute__((format(printf, 2, 0)))
message_write(enum log_level level, const char *format, va_list args)
{
	char text[LOG_LINE_BYTES];
	char line[LOG_LINE_BYTES];

	if (!is_wanted(level) || !flood_pass(level))
		return;
	unsigned lost = atomic_exchange(&n_dropped, 0);
	if (lost > 0) {
		size_t n = prefix_write(line, LOG_LEVEL_WARNING);
		int len = snprintf(text, sizeof(text),
			"%u messages were lost because nobody read standard error", lost);
		if (!line_write(line, log_escape(line, n, text, (size_t)len))) {
			atomic_fetch_add(&n_dropped, lost + 1);
			return;
		}
	}
	int len = vsnprintf(text, sizeof(text), format, args);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text))
		len = (int)sizeof(text) - 1;
	size_t n = prefix_write(line, level);
	if (!line_write(line, log_escape(line, n, text, (size_t)len)))
		atomic_fetch_add(&n_dropped, 1);
}

#define DEFINE_LOG(name, level)                                                                    \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		message_write(level, format, args);                                                \
		va_end(args);                                                                      \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warning, LOG_LEVEL_WARNING)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

bool log_limiter_pass(struct log_limiter *limiter, int64_t now_monotonic_us, uint32_t *n_left_out)
{
	*n_left_out = 0;
	if (limiter->interval_start_us == 0 ||
		now_monotonic_us - limiter->interval_start_us >= LOG_LIMITER_INTERVAL_US) {
		*n_left_out = limiter->n_held;
		limiter->interval_start_us = now_monotonic_us;
		limiter->n_passed = 0;
		limiter->n_held = 0;
	}
	if (limiter->n_passed >= LOG_LIMITER_BURST) {
		limiter->n_held++;
		return false;
	}
	limiter->n_passed++;
	return true;
}

void log_left_out(uint32_t n, const char *kind)
{
	if (n > 0)
		log_info("%u more of: %s", (unsigned)n, kind);
}
