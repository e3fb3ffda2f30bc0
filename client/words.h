/*
 * A dot-command's line as words, and words as numbers and yes or no, read the
 * way sqlite3's shell reads them.
 */
#ifndef CLIENT_WORDS_H
#define CLIENT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 51

struct words {
	char *text; /* a copy of the line; the words stand in it */
	int n;
	char *word[WORDS_MAX + 1]; /* then NULL */
	const char *from[WORDS_MAX + 1]; /* where each begins in the caller's line, at its quote */
};

/* Splits `line` behind its leading dot. False: no memory. */
bool words_split(struct words *words, const char *line) __attribute__((warn_unused_result));
void words_fini(struct words *words);

/* The words from `from` on with a blank between, malloc'd; NULL: no memory. */
char *words_join(const struct words *words, int from);

/* Turns \n, \t, \\, \", \012 … into what they stand for, in place. */
void words_resolve_backslashes(char *text);

/* Decimal or 0x…, with KB, KiB, M, … behind it; what is no number counts as far as it is one. */
int64_t words_integer(const char *word);

/* Digits and nothing else. */
bool words_is_number(const char *word);

/*
 * on, yes, off, no, any case, or a number; anything else is reported on
 * standard error and taken as no.
 */
int words_boolean(const char *word);

/* -name or --name */
bool words_is_option(const char *word, const char *name);

#endif
