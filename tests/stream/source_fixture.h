/*
 * A source on a real directory, and a small engine that reads what it finds:
 * every byte that is delivered is appended to `got`, so a test compares what
 * was read with what was written, in order and exactly once.
 */
#ifndef TESTS_SOURCE_FIXTURE_H
#define TESTS_SOURCE_FIXTURE_H

#include "base/buf.h"
#include "stream/reader.h"
#include "stream/source.h"

#include <check.h>

#define FIXTURE_MAX_FILES 4096

struct fixture {
	char root[64];     /* a temporary directory of our own */
	char dir[80];      /* root/events */
	char archive[80];  /* root/archive */
	struct source_spec spec;
	struct source *source;
	struct reader *reader;
	int64_t now_us;
	struct position at[FIXTURE_MAX_FILES]; /* by file id */
	struct buf got;    /* what was read since fixture_got */
	char notes[4096];  /* what was said since fixture_notes */
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* Files below the directory; a name may hold slashes. */
const char *fixture_path(struct fixture *f, const char *name);
void fixture_write(struct fixture *f, const char *name, const char *text);  /* truncates in place */
void fixture_append(struct fixture *f, const char *name, const char *text);
void fixture_write_bytes(struct fixture *f, const char *name, const void *bytes, size_t len);
void fixture_rename(struct fixture *f, const char *from, const char *to);
void fixture_remove(struct fixture *f, const char *name);
void fixture_mkdir(struct fixture *f, const char *name);
void fixture_set_mtime(struct fixture *f, const char *name, int64_t seconds);

/* Looks at everything, or at one name; reads nothing. */
void fixture_scan(struct fixture *f);
void fixture_look(struct fixture *f, const char *name);

/* Reads all waiting files in the source's order, to their end. */
void fixture_read(struct fixture *f);

/* A full scan and a reading; then what was read, which must be `expected`. */
void fixture_expect(struct fixture *f, const char *expected);

/* What was read since the last call must be this. */
void fixture_got(struct fixture *f, const char *expected);

/* The live file under a name, or NULL. */
struct file *fixture_file(struct fixture *f, const char *name);
/* The newest gone file that had a name, or NULL. */
struct file *fixture_gone(struct fixture *f, const char *name);
size_t fixture_slot(struct fixture *f, const struct file *file);
size_t fixture_n_live(struct fixture *f);

/* All notes so far hold `part`; forgets them. */
void fixture_noted(struct fixture *f, const char *part);
void fixture_noted_nothing(struct fixture *f);

/* Closes and opens with what a checkpoint would hold; `device_shift` makes all device numbers others. */
void fixture_restart(struct fixture *f, uint32_t device_shift);

#endif
