/*
 * Within the handler only what signal-safety(7) allows: no printf, no locks. The
 * notes of other threads are read while they may go on; what is read then
 * outlives the pass that it belongs to, and a second fault ends it at once.
 */
#include "base/last_words.h"

#include "base/utf8.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define MAX_NOTES  32
#define LINE_BYTES 1024

static _Atomic(const struct last_words_note *) notes[MAX_NOTES];
static volatile sig_atomic_t is_for_journal;

int last_words_begin(const struct last_words_note *note)
{
	int i;

	for (i = 0; i < MAX_NOTES; i++) {
		const struct last_words_note *none = NULL;

		if (atomic_compare_exchange_strong(&notes[i], &none, note))
			return i;
	}
	return -1;
}

void last_words_end(int number)
{
	if (number >= 0)
		atomic_store(&notes[number], NULL);
}

struct line {
	char text[LINE_BYTES];
	size_t n;
};

/* The length of a whole character that controls nothing, else 0. */
static size_t printable(const char *text)
{
	size_t rest = strnlen(text, 4);
	bool is_cut;
	size_t n = utf8_sequence(text, rest, &is_cut);
	bool is_c1 = n == 2 && (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0;

	return (unsigned char)*text < 0x20 || *text == 0x7f || is_c1 ? 0 : n;
}

/* One line of UTF-8, whatever a file's name holds; what does not fit is cut. */
static void add(struct line *line, const char *text)
{
	while (*text != '\0') {
		size_t n = printable(text), step = n > 0 ? n : 1;

		if (line->n + step > sizeof(line->text) - 1)
			return;
		memcpy(line->text + line->n, n > 0 ? text : "?", step);
		line->n += step;
		text += step;
	}
}

static void add_number(struct line *line, int64_t number)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	add(line, digits + at);
}

static const char *name_of(int number)
{
	switch (number) {
	case SIGSEGV: return "SIGSEGV";
	case SIGBUS: return "SIGBUS";
	case SIGFPE: return "SIGFPE";
	case SIGILL: return "SIGILL";
	case SIGSYS: return "SIGSYS";
	default: return "SIGABRT";
	}
}

/* A pipe that nobody reads must not keep a dead process from being started again. */
static void say(const struct line *line)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&room, 1, 0) == 1)
		(void)!write(STDERR_FILENO, line->text, line->n);
}

static void on_death(int number)
{
	struct line line;
	size_t i;
	const char *before = " while it read ";

	line.n = 0;
	add(&line, is_for_journal ? "<2>killed by " : "error: killed by ");
	add(&line, name_of(number));
	for (i = 0; i < MAX_NOTES; i++) {
		const struct last_words_note *note = atomic_load(&notes[i]);

		if (note == NULL)
			continue;
		add(&line, before);
		add(&line, note->path);
		add(&line, " from byte ");
		add_number(&line, note->offset);
		before = ", ";
	}
	line.text[line.n++] = '\n';
	say(&line);
	/* The handler is gone already: this kills, and leaves the core that was asked for. */
	(void)raise(number);
}

void last_words_install(bool for_journal)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGABRT};
	size_t i;

	is_for_journal = for_journal;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction action = {.sa_handler = on_death, .sa_flags = (int)SA_RESETHAND};
		struct sigaction old;

		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(numbers[i], &action, NULL);
	}
}
