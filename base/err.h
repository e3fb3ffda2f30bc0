/*
 * An error is a value: a code for the program, a sentence for the person.
 *
 * It lives on the caller's stack and needs no memory, so it works when memory
 * is gone and on any thread. The site that fails writes the sentence, with the
 * file, the line and the value; whoever decides what happens next reports it.
 * This module knows nothing of logs, exits or standard error.
 *
 * Convention of the house: a function that can fail returns 0 or a negative
 * code from this list and takes `struct err *` as its last parameter, never
 * NULL. On success *err is left alone. On failure nothing the caller owns has
 * changed unless the function's header says so.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

enum err_code {
	ERR_NONE = 0,
	ERR_NOMEM = -1,       /* out of memory, or over a memory budget */
	ERR_IO = -2,          /* the operating system said no; sys_errno has its number */
	ERR_INVALID = -3,     /* text or data that breaks a rule */
	ERR_CONFIG = -4,      /* only a person can mend it: exit status 78 */
	ERR_CORRUPT = -5,     /* a file of ours is damaged */
	ERR_VERSION = -6,     /* a file of ours is from a newer release */
	ERR_LIMIT = -7,       /* over a documented limit */
	ERR_BUSY = -8,        /* somebody else holds it; the sentence says who */
	ERR_DENIED = -9,      /* this caller may not */
	ERR_INTERRUPTED = -10, /* cancelled, or past its deadline */
	ERR_MISSING = -11,    /* no such thing */
	ERR_PROTOCOL = -12,   /* the peer broke the protocol */
	ERR_USAGE = -13,      /* the command line's form: exit status 64 */
	ERR_SQL = -14,        /* a statement is wrong; the sentence is SQLite's or ours */
};

/* Long enough for a sentence with a path; a longer one is cut, never overrun. */
#define ERR_TEXT_BYTES 512

struct err {
	int code;      /* an err_code */
	int sys_errno; /* errno behind an ERR_IO, else 0 */
	char text[ERR_TEXT_BYTES];
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		.code = ERR_NONE                                                                   \
	}

/* Writes the sentence and returns `code`, so that a failing site is one line. */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4), nonnull(1, 3)));

/*
 * The same, followed by ": " and the text of `sys_errno`; the code is ERR_NOMEM
 * for ENOMEM, else ERR_IO.
 */
int err_set_errno(struct err *err, int sys_errno, const char *format, ...)
	__attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* Puts "prefix: " in front of a sentence that a lower floor wrote. Returns err->code. */
int err_prefix(struct err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3), nonnull(1, 2)));

/* "out of memory", without an allocation. Returns ERR_NOMEM. */
int err_nomem(struct err *err) __attribute__((nonnull));

#endif
