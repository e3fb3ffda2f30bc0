/*
 * Which files have been counted, and which of them are gone: a small text file
 * beside the checkpoint, so that when the checkpoint is lost it can be said
 * honestly whether the counts can be made again from the files.
 *
 * One line a file, `KEY here PATH` or `KEY gone PATH`; the last line of a key
 * holds. Lines are appended with the batch that counts a file for the first
 * time, sees it under another name, or learns that it is gone, before that
 * batch is committed; before something is archived or deleted they are synced.
 * At each start with a good checkpoint the file is written anew from it. A
 * line too many makes the answer more careful, never less.
 *
 * Paths are absolute; `%`, control characters and newlines stand as %XX. One
 * thread at a time.
 */
#ifndef SQL_LEDGER_H
#define SQL_LEDGER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger;

/* Opens it for appending, made if need be. */
int ledger_open(struct ledger **ledger, const char *path, struct err *err)
	__attribute__((warn_unused_result));
void ledger_close(struct ledger *ledger); /* NULL is fine */

/* Gathers a line; `source_path` is the directory and `path` the file's below it. */
void ledger_add(struct ledger *ledger, int64_t key, const char *source_path, const char *path,
	bool is_gone);

/* Appends what was gathered with one write; nothing gathered costs nothing. */
int ledger_write(struct ledger *ledger, struct err *err) __attribute__((warn_unused_result));

/* What was appended survives a power cut. */
int ledger_sync(struct ledger *ledger, struct err *err) __attribute__((warn_unused_result));

/* Replaces the whole file by what was gathered. */
int ledger_replace(struct ledger *ledger, struct err *err) __attribute__((warn_unused_result));

/* Whether the checkpoint has the file of that key. */
typedef bool ledger_known_fn(void *context, int64_t key);

/*
 * Judges the file at `path`: 0 when every counted file is there, or is one
 * that `is_known` knows (NULL: none). ERR_CONFIG with a sentence that names the
 * first one missing and how many there are, or, when *n_missing is 0, that says
 * that the file itself is lost.
 */
int ledger_check(const char *path, ledger_known_fn *is_known, void *context, size_t *n_missing,
	struct err *err) __attribute__((warn_unused_result));

#endif
