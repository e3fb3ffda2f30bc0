/*
 * What the process is reading, for the line that it leaves behind when a signal
 * kills it: who finds it dead, again and again, learns which file does it.
 *
 * The one table of the process, for a signal's handler can be given nothing.
 * Files are noted by those who read them, on any thread; one note more than
 * there is room for is left out.
 */
#ifndef BASE_LAST_WORDS_H
#define BASE_LAST_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* The text stays until last_words_end(). */
struct last_words_note {
	const char *path;
	int64_t offset;
};

/* The caller's, until last_words_end() with the number returned; -1: no room, and fine there. */
int last_words_begin(const struct last_words_note *note);
void last_words_end(int number);

/*
 * From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS and SIGABRT write what is noted on
 * standard error before they kill as ever; one that somebody else handles (a
 * sanitizer) is left to him. `for_journal`: with its priority in front.
 */
void last_words_install(bool for_journal);

#endif
