/*
 * Which files there are, in which order, and which of their bytes are new.
 *
 * A source watches one directory. It knows files by identity (device, inode,
 * birth time in a run; fingerprints always), not by name, so a rename is no
 * new data and a new file under an old name is. It never reads events. The
 * control plane tells it when to look; kernel notices say where. All calls
 * come from one thread at a time (the batch's), `now_us` is an argument.
 */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_BYTES 4096

enum file_state {
	FILE_WAITING,  /* seen, not read to its end */
	FILE_GROWING,  /* read but for an unfinished line or frame */
	FILE_DONE,     /* read to its end */
	FILE_ARCHIVED, /* moved away by clean_source */
	FILE_DELETED,  /* deleted by clean_source */
	FILE_MISSING,  /* gone otherwise */
	FILE_ERROR,    /* retried with backoff */
};

const char *file_state_name(enum file_state state);

/* Who a file is. Zero means "not known" everywhere but in the fingerprint hashes. */
struct file_identity {
	uint64_t device;
	uint64_t inode;
	int64_t birth_ns;      /* 0: the file system has none */
	int64_t fp_offset;     /* the fingerprints cover bytes before this offset */
	uint64_t fp_head;      /* hash of the first min(4096, fp_offset) bytes */
	uint64_t fp_tail;      /* hash of the last min(4096, fp_offset) bytes before fp_offset */
};

/*
 * One known file. The id is given once, never reused, and is what the
 * checkpoint refers to. Positions are per prefix (stream/prefix.h) and stand there.
 */
struct file {
	int64_t id;
	char *path;            /* relative to the source's directory */
	struct file_identity identity;
	int64_t size;          /* bytes, as last seen */
	int64_t mtime_ns;      /* as last seen */
	int64_t n_events;      /* counted from it, by the most advanced prefix */
	int64_t n_rejects;
	int64_t batch_id;      /* newest batch of the most advanced prefix that read it; -1: none */
	int64_t retry_at_us;   /* FILE_ERROR: not before; else 0 */
	uint32_t n_failures;   /* in a row, for the backoff */
	enum file_state state;
	bool is_compressed;
	bool is_changed;       /* since the last checkpoint: goes into the next changes */
	char *reason;          /* why missing, in error, or treated as new; NULL: none */
};

struct source;

/* ERR_CONFIG where the directory is missing or no directory (the sentence names the sandbox directive that may hide it). */
int source_open(struct source **source, const struct source_spec *spec, struct err *err)
	__attribute__((warn_unused_result));
void source_close(struct source *source);

/* A reload with the same definition: only limits, intervals and clean_source changed. */
void source_set_spec(struct source *source, const struct source_spec *spec);

/*
 * From the checkpoint, before the first scan: a file that was known. `at` is
 * the least advanced position, which its fingerprints were taken at. The
 * source copies what it keeps.
 */
int source_restore(struct source *source, const struct file *file, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Looks: a full scan lists the directory; otherwise only the names noticed
 * since (source_notice) and files known to be able to change unseen are looked
 * at. A directory that cannot be read is no failure: source_trouble() has the
 * sentence, the files stay as they are, and the next scan tries again.
 */
int source_scan(struct source *source, bool full, int64_t now_us, struct err *err)
	__attribute__((warn_unused_result));

/* A kernel notice about a path below the directory; NULL: anything may have changed (queue overflow). Thread-safe. */
void source_notice(struct source *source, const char *relative_path);

/* The sentence about a directory that cannot be read now, or NULL. */
const char *source_trouble(const struct source *source);

/* True where a cheap look is due every poll_interval although nobody noticed anything. */
bool source_wants_poll(const struct source *source);

int source_dir_fd(const struct source *source);
const struct source_spec *source_spec(const struct source *source);

/* Known files by slot (0 … n-1); a slot is freed only by source_forget. NULL: a free slot. */
size_t source_n_slots(const struct source *source);
struct file *source_file(struct source *source, size_t slot);
size_t source_find_id(const struct source *source, int64_t id); /* SIZE_MAX: none */

/*
 * Slots whose size, identity or state changed since the last call, in no
 * order; the caller frees the array. This is how prefixes learn what may be
 * pending without walking all files.
 */
int source_take_changed(struct source *source, size_t **slots, size_t *n, struct err *err)
	__attribute__((warn_unused_result));

/* The total and repeatable order: modification time, natural name order, bytes. <0, 0, >0. */
int source_compare(const struct source *source, size_t slot_a, size_t slot_b);

/*
 * After a batch was accepted: the file was read up to `at` by every prefix;
 * the new identity comes from source_fingerprint on the descriptor that was
 * read. Sets DONE, GROWING or WAITING.
 */
void source_consumed(struct source *source, size_t slot, const struct position *at,
	const struct file_identity *identity, bool is_finished);

/* Hashes the first and the last FINGERPRINT_BYTES before `offset` of an open file. */
int source_fingerprint(int fd, int64_t offset, struct file_identity *identity, struct err *err)
	__attribute__((warn_unused_result));

/* The file could not be read: `reason` is copied, retried after a backoff that doubles from 1 s to 5 min. */
void source_failed(struct source *source, size_t slot, const char *reason, int64_t now_us);
void source_gone(struct source *source, size_t slot);

/* The next time a file in error is due, or INT64_MAX. */
int64_t source_next_retry_us(const struct source *source);

/*
 * clean_source, for a DONE file whose checkpoint is synced and which every
 * query has read: archives or deletes it unless its size or time changed
 * since. 1: done (state ARCHIVED or DELETED); 0: not now, not an error.
 */
int source_clean(struct source *source, size_t slot, struct err *err)
	__attribute__((warn_unused_result));

/* Drops a file that is gone, beyond the newest 10,000 gone ones. */
void source_forget(struct source *source, size_t slot);

#endif
