/*
 * Which files there are, in which order, and which of their bytes are new.
 *
 * A source watches one directory. It knows files by identity (device, inode,
 * birth time in a run; fingerprints always), not by name, so a rename is no
 * new data and a new file under an old name is. It never reads events. The
 * control plane tells it when to look; kernel notices say where. All calls
 * come from one thread at a time (the batch's) but for source_notice and
 * source_set_noticed; `now_us` is an argument.
 */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/identity.h"
#include "stream/spec.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_GONE_FILES_KEPT 10000

enum file_state {
	FILE_WAITING,  /* seen, not read to its end: the one state with something to read */
	FILE_GROWING,  /* read but for an unfinished line or frame */
	FILE_DONE,     /* read to its end */
	FILE_ARCHIVED, /* moved away by clean_source */
	FILE_DELETED,  /* deleted by clean_source */
	FILE_MISSING,  /* gone otherwise, or closed because it was rewritten */
	FILE_ERROR,    /* could not be read; becomes FILE_WAITING when a retry is due */
};

const char *file_state_name(enum file_state state);

/*
 * One known file. The id is given once, never reused, and is what the
 * checkpoint refers to. Positions are per prefix (stream/prefix.h) and stand
 * there. There may be a million of these: every byte is argued. The address
 * of one does not change as long as its slot is not forgotten.
 */
struct file {
	int64_t id;
	char *path;      /* relative to the source's directory */
	struct file_identity identity; /* fingerprints: up to where the foremost prefix has read */
	int64_t size;     /* bytes, as last seen */
	int64_t mtime_ns; /* as last seen */
	int64_t n_events; /* counted from it, by the most advanced prefix */
	int64_t n_rejects;
	int64_t batch_id; /* newest batch of the most advanced prefix that read it; -1: none */
	char *reason;     /* why missing, in error, or treated as new; NULL: none */
	enum file_state state;
	uint8_t n_failures; /* in a row, for the backoff */
	bool is_compressed; /* the engine's, from reader_format */
	bool is_changed;    /* goes into the next changes; the engine clears it */
	uint8_t flags;      /* the source's own */
};

/* ARCHIVED, DELETED or MISSING. */
bool file_is_gone(const struct file *file);

struct source;

/*
 * ERR_CONFIG where the directory is missing, unreadable or no directory (the
 * sentence names the sandbox directive that may hide it), and where archive_dir
 * is inside it or on another file system. The spec must outlive the source or
 * the next source_set_spec.
 */
int source_open(struct source **source, const struct source_spec *spec, struct err *err)
	__attribute__((warn_unused_result));
void source_close(struct source *source);

/* Counts on with every batch of names that is looked at; it outlives the source. */
void source_set_pulse(struct source *source, atomic_uint *pulse);

/* A reload with the same definition: only limits, intervals and clean_source changed. */
void source_set_spec(struct source *source, const struct source_spec *spec);

/*
 * From the checkpoint, in the order of ids, before the first scan: a file that
 * was known. What the source keeps is copied.
 */
int source_restore(struct source *source, const struct file *file, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Looks: a full scan lists the directory; otherwise only the names noticed
 * since (source_notice) and files whose retry is due are looked at. A directory
 * that cannot be read is no failure: source_trouble() has the sentence, the
 * files stay as they are, and the next scan tries again. Fails only for lack
 * of memory; what was found until then stands, and the next scan is full.
 */
int source_scan(struct source *source, bool full, int64_t now_us, struct err *err)
	__attribute__((warn_unused_result));

/*
 * A kernel notice about a path below the directory; NULL: anything may have
 * changed (queue overflow). Thread-safe. False: a name that is never read, so
 * nothing to look at.
 */
bool source_notice(struct source *source, const char *relative_path);

/*
 * Whether kernel notices tell of every change (stream/notice.h); at first they
 * do not, and source_next_look_us asks for full scans. When they begin or cease
 * to, one more full scan is due. Thread-safe.
 */
void source_set_noticed(struct source *source, bool is_noticed);

/* The sentence about a directory that cannot be read now, or NULL. */
const char *source_trouble(const struct source *source);

/*
 * A sentence for the log (a file was rewritten, skipped, left out …), one line,
 * each thing said once; NULL: no more. The caller frees it.
 */
char *source_take_note(struct source *source);

/*
 * When source_scan is due although nobody noticed anything: a retry, or where
 * notices do not tell everything the next poll (every poll_interval, longer
 * where a scan would take more than a twentieth of it). *full says which scan.
 * INT64_MAX: only on notice.
 */
int64_t source_next_look_us(const struct source *source, bool *full);

/* The clock was set by so much: retries and the next poll are as far away as before. */
void source_move_clock(struct source *source, int64_t step_us);

int source_dir_fd(const struct source *source);
const struct source_spec *source_spec(const struct source *source);

/* Known files by slot (0 … n-1); a slot is freed only by source_forget. NULL: a free slot. */
size_t source_n_slots(const struct source *source);
struct file *source_file(const struct source *source, size_t slot);

/* How many of them are in error. */
size_t source_n_errors(const struct source *source);

/* SIZE_MAX: none. Fast while all files are restored ones, slow after it. */
size_t source_find_id(const struct source *source, int64_t id);

/*
 * Slots whose size, identity, path or state changed since the last call, each
 * once, in no order; the caller frees the array. This is how prefixes learn
 * what may be pending without walking all files.
 */
int source_take_changed(struct source *source, size_t **slots, size_t *n, struct err *err)
	__attribute__((warn_unused_result));

/* The total and repeatable order: modification time, natural name order, bytes. <0, 0, >0. */
int source_compare(const struct source *source, size_t slot_a, size_t slot_b);

/*
 * After a batch was accepted. `identity` holds the fingerprints that
 * identity_fingerprint took on the descriptor that was read, at the offset of
 * the most advanced prefix; `limit` is the size up to which there was
 * something to read then. Without more bytes than that, the file is DONE if
 * is_finished (no line or frame waits for its rest), else GROWING; with more
 * it is WAITING.
 */
void source_consumed(struct source *source, size_t slot, int64_t limit,
	const struct file_identity *identity, bool is_finished);

/* The file could not be read: `reason` is copied; retried after 1 s, 2 s … 5 min. */
void source_failed(struct source *source, size_t slot, const char *reason, int64_t now_us);

/*
 * reader_open said ERR_MISSING: the next scan (due at once) looks what became
 * of it. Until then it is in error, so that nobody tries it again.
 */
void source_gone(struct source *source, size_t slot);

/*
 * clean_source, for a DONE file whose checkpoint is synced and which every
 * query has read: archives or deletes it unless its size or time changed
 * since. 1: done (state ARCHIVED or DELETED); 0: not now, or clean_source is
 * off. A failure (another file system, no right) leaves the file where it is.
 */
int source_clean(struct source *source, size_t slot, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The slot of the file that has been gone longest, while more than
 * SOURCE_GONE_FILES_KEPT are; SIZE_MAX: none. source_forget frees the slot.
 */
size_t source_find_forgettable(struct source *source);
void source_forget(struct source *source, size_t slot);

#endif
