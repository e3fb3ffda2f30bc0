/*
 * The inside of a source, shared by its files:
 *   source.c        its life, its directory, when to look again
 *   source_table.c  the known files by slot, path and inode; states
 *   source_meet.c   what an entry of the directory means: known, renamed, new …
 *   source_walk.c   walking the directory
 *   source_scan.c   looking: at everything or at single names
 *   source_clean.c  archive and delete
 *   source_notes.c  sentences for the log
 */
#ifndef STREAM_SOURCE_PRIVATE_H
#define STREAM_SOURCE_PRIVATE_H

#include "base/buf.h"
#include "stream/file_index.h"
#include "stream/noticed.h"
#include "stream/source.h"

#include <stdatomic.h>

#define NO_SLOT         SIZE_MAX
#define FILES_PER_CHUNK 1024

/* struct file.flags */
enum {
	FLAG_SEEN = 1,         /* met in the running full look */
	FLAG_LISTED = 2,       /* stands in `changed` */
	FLAG_UNCONFIRMED = 4,  /* remembered from another run or directory, not met here yet */
	FLAG_DISPLACED = 8,    /* live, but another file has its name; it is not in by_path */
	FLAG_LINKED = 16,      /* other names of it were seen */
	FLAG_FRESH_TIME = 32,  /* changed so shortly before the look that more may hide there */
	FLAG_UNVERIFIED = 64,  /* changed, but its fingerprints could not be read yet */
	FLAG_DOUBTED = 128,    /* a reader did not find it under its name */
};

/* A file in error: when to try again. Void when the slot has another id or is not in error. */
struct retry {
	size_t slot;
	int64_t id;
	int64_t due_us;
};

/* A file that went, in the order of going. Void when the slot has another id or is not gone. */
struct gone {
	size_t slot;
	int64_t id;
};

/* Sentences waiting for the log. */
struct notes {
	char **texts; /* n, the first of them at `first` */
	size_t first, n, cap;
	size_t n_left_out; /* beyond NOTES_MAX */
	uint64_t *said;    /* hashes of what is said only once; open addressing, 0 is free */
	size_t n_said;
};

/* An entry that no known inode fits, kept until all inodes have been met. */
struct stranger {
	char *path;
	struct entry_status status;
	bool is_met; /* the path's owner was the file */
};

/* One run of source_scan. */
struct look {
	bool is_full;
	int64_t now_us;
	struct buf failed_dirs; /* could not be read; each with a NUL, "" is the source's own */
	struct stranger *strangers;
	size_t n_strangers, cap_strangers;
	size_t *fresh; /* slots of files met for the first time */
	size_t n_fresh, cap_fresh;
	size_t *displaced; /* slots that lost their name */
	size_t n_displaced, cap_displaced;
	size_t n_met;      /* wanted files met */
	size_t n_left_out; /* too old for max_file_age */
	int64_t first_id;  /* ids from here on are new in this look */
};

struct source {
	const struct source_spec *spec;
	int dir_fd;
	uint64_t dir_device, dir_inode; /* of dir_fd, as fstat says */
	bool is_remote;                 /* a file system that does not notice what others write */
	bool is_replaced_empty;         /* the directory is a new one, no file was met in it yet */
	bool is_matching;               /* unconfirmed files are being looked for */
	bool wants_full;
	atomic_bool is_noticed;
	atomic_uint *pulse; /* NULL: nobody looks */
	int64_t looked_us; /* of the last full look */
	char trouble[ERR_TEXT_BYTES]; /* "": none */
	char said_trouble[ERR_TEXT_BYTES]; /* as the log has it */

	struct file **chunks; /* FILES_PER_CHUNK each, so that addresses stay */
	size_t n_chunks, cap_chunks;
	size_t n_slots;
	size_t free_slot; /* the first of a list that goes on in file.size; NO_SLOT: none */
	bool has_holes;   /* ids do not ascend by slot, or a slot was freed once */
	size_t n_live;
	size_t n_gone;
	size_t n_errors; /* of the live ones */
	int64_t next_id;
	int64_t newest_mtime_ns; /* of all known files; max_file_age counts from it */
	struct file_index by_path;  /* live files that have their name */
	struct file_index by_inode; /* all files whose inode is known */

	size_t *changed;
	size_t n_changed, cap_changed;
	bool is_changed_cut; /* no memory for the list: the flags alone tell */
	struct retry *retries;
	size_t n_retries, cap_retries;
	struct gone *gone;
	size_t first_gone, n_gone_queue, cap_gone;
	size_t n_left_out_said;
	struct notes notes;
	struct noticed *noticed;
};

/* source.c */

/* Opens the directory (anew); what was open before stays on failure. 0 or an errno. */
int source_open_dir(struct source *source);

/* A file in error: an appointment. */
void source_add_retry(struct source *source, size_t slot, int64_t due_us);

/* source_table.c */

void source_table_init(struct source *source);
void source_table_fini(struct source *source);

static inline struct file *file_at(const struct source *source, size_t slot)
{
	return &source->chunks[slot / FILES_PER_CHUNK][slot % FILES_PER_CHUNK];
}

/* A live file by its name; NO_SLOT: none. */
size_t table_find_path(const struct source *source, const char *path);

/* The next file with the inode, live or gone; set walk->hash by table_inode_hash. */
size_t table_next_inode(const struct source *source, uint64_t inode, struct file_index_walk *walk);
uint64_t table_inode_hash(uint64_t inode);

/*
 * Adds a file: *slot has id, path (copied), identity and state of `like`; it is
 * findable. Nothing else is done about it.
 */
int table_add(struct source *source, const struct file *like, size_t *slot, struct err *err)
	__attribute__((warn_unused_result));
void table_remove(struct source *source, size_t slot);

static inline void table_set_state(
	struct source *source, struct file *file, enum file_state state)
{
	source->n_errors -= file->state == FILE_ERROR;
	source->n_errors += state == FILE_ERROR;
	file->state = state;
}

/* Gives a live file another name; whoever is findable under it must have been displaced. */
int table_rename(struct source *source, size_t slot, const char *path, struct err *err)
	__attribute__((warn_unused_result));

/* The doubt about the file is over: there is something to read again. */
void table_trust(struct source *source, size_t slot);

/* Takes a live file's name away: somebody else has it now. */
void table_displace(struct source *source, size_t slot);

/* Where it lies: takes over inode, device and birth time. */
int table_relocate(struct source *source, size_t slot, const struct entry_status *status,
	struct err *err) __attribute__((warn_unused_result));

/* The file has changed in a way that others must hear of. */
void table_mark_changed(struct source *source, size_t slot);

/* ARCHIVED, DELETED, MISSING; a NULL reason is none. */
void table_mark_gone(struct source *source, size_t slot, enum file_state state, const char *reason);

/* A gone file is there again, under `path`. */
int table_mark_back(struct source *source, size_t slot, const char *path, struct err *err)
	__attribute__((warn_unused_result));

/* The identity of a closed record never matches again. */
void table_forget_inode(struct source *source, size_t slot);

void file_set_reason(struct file *file, const char *reason);

/* source_meet.c */

/* What a wanted regular file that was met at `path` means. Fails only for lack of memory. */
int meet_entry(struct source *source, struct look *look, const char *path,
	const struct entry_status *status, struct err *err) __attribute__((warn_unused_result));

/* After all entries: who is left over is known by its path, or new. */
int meet_strangers(struct source *source, struct look *look, struct err *err)
	__attribute__((warn_unused_result));

/* source_walk.c */

/* Meets every wanted entry below `dir_path` ("" is the source's). Fails only for lack of memory. */
int walk_below(struct source *source, struct look *look, const char *dir_path, struct err *err)
	__attribute__((warn_unused_result));

/* An entry that is neither a file nor a directory. */
void walk_pass_over(struct source *source, const char *path, mode_t mode);

/* A stat that failed: gone is nothing, anything else leaves the file as it is. */
void walk_pass_unseen(
	struct source *source, const struct look *look, const char *path, int failure);

void source_set_trouble(struct source *source, const char *path, int failure);

/* source_clean.c */

/* ERR_CONFIG where archive_dir cannot be right. */
int clean_check(const struct source *source, struct err *err) __attribute__((warn_unused_result));

/* Whether an entry's name is one that a file has while it is deleted. */
bool clean_is_deleted_name(const char *name);

/*
 * A kill may have left `path`, of such a name, in the middle of a deletion: it gets back the name
 * that it had, which is returned. NULL: it stays, and that is said.
 */
const char *clean_undo(struct source *source, const char *path);

/* The same of a remembered file that was not met: whether it was in the middle of being archived. */
bool clean_undo_archived(struct source *source, size_t slot);

/* source_notes.c */

/* The sentence after "source NAME: "; control characters (file names have them) become \xNN. */
void note_say(struct source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* `path: what`, but never again for this path and text. */
void note_say_once(struct source *source, const char *path, const char *what);

/* The source's trouble, or that it is over, if that is news. */
void note_say_trouble(struct source *source);

void notes_fini(struct notes *notes);

#endif
