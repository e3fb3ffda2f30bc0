/*
 * What an entry of the directory means.
 *
 * In a run a file is known by device, inode and birth time: under its own name
 * it may have grown or been rewritten; under another it was renamed, or is a
 * hard link; one that was gone is back. After a restart, or when the directory
 * itself was replaced, all known files are unconfirmed: whoever has the inode
 * and the fingerprints of one is that file, whatever the device; when all
 * entries have been met, whoever has the path and the fingerprints of one that
 * is left over is it. Everybody else is new. A remote file system may give a
 * file another inode at any time, so there each full scan ends that way, and
 * only a full scan finds new files.
 *
 * A file whose fingerprints cannot be read is neither confirmed nor taken for
 * another one: it is in error until they can be.
 */
#include "stream/source_private.h"

#include "base/mem.h"
#include "stream/natural_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two changes so near each other may carry the same change time. */
#define SAME_TICK_NS    INT64_C(50000000)
#define LONGEST_SCAN_NS INT64_C(60000000000)

#define BEST_RANK 4

enum fit { FIT_NO, FIT_YES, FIT_UNKNOWN };

static bool has_status(const struct file *file, const struct entry_status *status)
{
	return file->size == status->size && file->mtime_ns == status->mtime_ns &&
	       file->identity.change_mark == identity_change_mark(status);
}

/* Only a full scan, which asks for it at its end, leaves marks. */
static void mark_seen(const struct look *look, struct file *file)
{
	if (look->is_full)
		file->flags |= FLAG_SEEN;
}

static void take_status(
	struct file *file, const struct look *look, const struct entry_status *status)
{
	int64_t age_ns = look->now_us * 1000 - status->ctime_ns;

	file->size = status->size;
	file->mtime_ns = status->mtime_ns;
	file->identity.change_mark = identity_change_mark(status);
	file->flags &= (uint8_t) ~(FLAG_FRESH_TIME | FLAG_UNVERIFIED);
	/* A scan takes time, so what changed in it is a little newer than its now. */
	if (age_ns < SAME_TICK_NS && age_ns > -LONGEST_SCAN_NS)
		file->flags |= FLAG_FRESH_TIME;
}

/*
 * Does the entry hold the bytes that were read of the file? FIT_UNKNOWN: *err
 * says why that cannot be found out now.
 */
static enum fit fits(const struct source *source, const struct file *file, const char *path,
	const struct entry_status *status, struct err *err)
{
	struct entry_status opened;
	int fd;
	int rc;

	if (status->size < file->identity.fp_offset)
		return FIT_NO;
	if (file->identity.fp_offset == 0)
		return FIT_YES;
	fd = open_below(source->dir_fd, path, &opened, err);
	if (fd < 0)
		return FIT_UNKNOWN;
	if (opened.inode == status->inode)
		rc = identity_fits(fd, &file->identity, err);
	else
		rc = err_set(err, ERR_MISSING, "%s: is another file by now", path);
	(void)close(fd);
	if (rc < 0)
		return FIT_UNKNOWN;
	return rc == 1 ? FIT_YES : FIT_NO;
}

/* Somebody else has the name from now on. */
static int displace(struct source *source, struct look *look, const char *path, struct err *err)
{
	size_t slot = table_find_path(source, path);

	if (slot == NO_SLOT)
		return 0;
	if (!mem_grow(&look->displaced, &look->cap_displaced, look->n_displaced + 1,
		    sizeof(*look->displaced)))
		return err_nomem(err);
	look->displaced[look->n_displaced++] = slot;
	table_displace(source, slot);
	return 0;
}

static bool is_too_old(const struct source *source, int64_t mtime_ns)
{
	int64_t max_age_us = source->spec->max_file_age_us;

	return max_age_us >= 0 && source->newest_mtime_ns != INT64_MIN &&
	       mtime_ns / 1000 < source->newest_mtime_ns / 1000 - max_age_us;
}

static int add_new(struct source *source, struct look *look, const char *path,
	const struct entry_status *status, const char *reason, struct err *err)
{
	struct file like = {.id = source->next_id, .batch_id = -1, .state = FILE_WAITING};
	size_t slot;
	int rc;

	if (reason == NULL && is_too_old(source, status->mtime_ns)) {
		look->n_left_out++;
		/* It is not read, but whoever had the name has lost it. */
		return displace(source, look, path, err);
	}
	if (!mem_grow(&look->fresh, &look->cap_fresh, look->n_fresh + 1, sizeof(*look->fresh)))
		return err_nomem(err);
	rc = displace(source, look, path, err);
	if (rc != 0)
		return rc;
	/* Nobody writes through the path of `like`: it is copied. */
	like.path = (char *)(uintptr_t)path;
	like.identity.inode = status->inode;
	like.identity.device = status->device;
	like.identity.birth_ns = status->birth_ns;
	mark_seen(look, &like);
	take_status(&like, look, status);
	rc = table_add(source, &like, &slot, err);
	if (rc != 0)
		return rc;
	file_set_reason(file_at(source, slot), reason);
	look->fresh[look->n_fresh++] = slot;
	table_mark_changed(source, slot);
	return 0;
}

/*
 * The old record is closed for good, what was counted
 * of it stays, and a new one begins at byte 0.
 */
static int close_rewritten(struct source *source, struct look *look, size_t slot,
	const struct entry_status *status, struct err *err)
{
	struct file *file = file_at(source, slot);
	bool is_shorter = status->size < file->identity.fp_offset;
	char reason[160];
	char *path = mem_copy_text(file->path, strlen(file->path));
	int rc;

	if (path == NULL)
		return err_nomem(err);
	(void)snprintf(reason, sizeof(reason),
		is_shorter ? "rewritten in place: shorter than the %lld bytes read"
			   : "rewritten in place: the %lld bytes read are others now",
		(long long)file->identity.fp_offset);
	note_say(source, "%s: %s; what was counted stays, it is read again as a new file", path,
		reason);
	table_mark_gone(source, slot, FILE_MISSING, reason);
	table_forget_inode(source, slot);
	rc = add_new(source, look, path, status, "rewritten in place: read as a new file", err);
	free(path);
	return rc;
}

/* The file is the one we know; what of it may be new? */
static void take_growth(struct source *source, const struct look *look, size_t slot,
	const struct entry_status *status)
{
	struct file *file = file_at(source, slot);
	bool has_unread = status->size > file->identity.fp_offset;
	bool is_same_size = status->size == file->size;

	take_status(file, look, status);
	if (source->newest_mtime_ns < file->mtime_ns)
		source->newest_mtime_ns = file->mtime_ns;
	if (file->state == FILE_ERROR)
		table_set_state(source, file, FILE_WAITING);
	else if (!is_same_size || (file->state == FILE_GROWING && has_unread))
		table_set_state(source, file, FILE_WAITING);
	table_mark_changed(source, slot);
}

/* The file stays known, but nothing is read of it until its fingerprints are. */
static void hold_unverified(struct source *source, const struct look *look, size_t slot,
	const struct entry_status *status, const char *trouble)
{
	struct file *file = file_at(source, slot);

	take_status(file, look, status);
	file->identity.change_mark = 0;
	file->flags &= (uint8_t)~FLAG_FRESH_TIME;
	file->flags |= FLAG_UNVERIFIED;
	source_failed(source, slot, trouble, look->now_us);
}

/* A confirmed file was met; under which name is settled. */
static int update(struct source *source, struct look *look, size_t slot, const char *path,
	const struct entry_status *status, struct err *err)
{
	struct file *file = file_at(source, slot);
	bool is_same = has_status(file, status) ||
		       (look->is_full && (file->flags & FLAG_UNVERIFIED) != 0 &&
			       file->size == status->size && file->mtime_ns == status->mtime_ns);
	struct err trouble = ERR_INIT;

	mark_seen(look, file);
	if (is_same && (file->flags & FLAG_DOUBTED) != 0)
		source_failed(source, slot, "cannot be opened as the file that is seen there",
			look->now_us);
	file->flags &= (uint8_t)~FLAG_DOUBTED;
	if (is_same && (file->flags & FLAG_FRESH_TIME) == 0)
		return 0;
	switch (fits(source, file, path, status, &trouble)) {
	case FIT_YES:
		if (is_same)
			take_status(file, look, status);
		else
			take_growth(source, look, slot, status);
		return 0;
	case FIT_NO: return close_rewritten(source, look, slot, status, err);
	case FIT_UNKNOWN: hold_unverified(source, look, slot, status, trouble.text); return 0;
	}
	return 0;
}

/* Does the file's own name still lead to it? */
static bool is_under_own_name(const struct source *source, const struct file *file)
{
	struct entry_status status;

	return (file->flags & FLAG_DISPLACED) == 0 &&
	       entry_stat(source->dir_fd, file->path, &status) == 0 &&
	       identity_is_at(&file->identity, &status);
}

/* A live file was met under another name than its own: a hard link of it, or it was renamed. */
static int meet_elsewhere(struct source *source, struct look *look, size_t slot, const char *path,
	const struct entry_status *status, struct err *err)
{
	struct file *file = file_at(source, slot);
	bool is_link = status->n_links > 1 && is_under_own_name(source, file);
	/* Of names that are new together the first in order is kept, whatever the directory's
	 * order. */
	bool keeps_name = is_link && (file->id < look->first_id ||
					     natural_order_compare(path, file->path) > 0);
	int rc;

	if (is_link) {
		file->flags |= FLAG_LINKED;
		note_say_once(source, keeps_name ? path : file->path,
			"another name (hard link) of a file that is read");
	}
	if (keeps_name)
		return update(source, look, slot, path, status, err);
	rc = displace(source, look, path, err);
	if (rc == 0)
		rc = table_rename(source, slot, path, err);
	return rc == 0 ? update(source, look, slot, path, status, err) : rc;
}

/* The entry takes the place of the remembered file: from now on it is known as in a run. */
static int adopt(struct source *source, struct look *look, size_t slot, const char *path,
	const struct entry_status *status, struct err *err)
{
	struct file *file = file_at(source, slot);
	bool has_name = !file_is_gone(file) && (file->flags & FLAG_DISPLACED) == 0 &&
			strcmp(file->path, path) == 0;
	int rc = 0;

	if (!has_name) {
		rc = displace(source, look, path, err);
		if (rc == 0 && file_is_gone(file))
			rc = table_mark_back(source, slot, path, err);
		else if (rc == 0)
			rc = table_rename(source, slot, path, err);
	}
	if (rc == 0)
		rc = table_relocate(source, slot, status, err);
	table_trust(source, slot);
	file->flags &= (uint8_t)~FLAG_UNCONFIRMED;
	mark_seen(look, file);
	return rc;
}

/* What a whole match of places and times proves need not be read. */
static bool is_untouched(const struct file *file, const struct entry_status *status)
{
	return file->identity.inode == status->inode && file->identity.birth_ns != 0 &&
	       file->identity.birth_ns == status->birth_ns && file->identity.change_mark != 0 &&
	       has_status(file, status);
}

/* Tries one remembered file. *is_met: the entry is accounted for. */
static int try_remembered(struct source *source, struct look *look, size_t slot, const char *path,
	const struct entry_status *status, bool *is_met, struct err *err)
{
	struct file *file = file_at(source, slot);
	struct err trouble = ERR_INIT;
	enum fit fit = FIT_YES;
	int rc = 0;

	if (!is_untouched(file, status))
		fit = fits(source, file, path, status, &trouble);

	*is_met = fit != FIT_NO;
	if (*is_met)
		rc = adopt(source, look, slot, path, status, err);
	if (rc == 0 && fit == FIT_YES && !has_status(file, status))
		take_growth(source, look, slot, status);
	if (rc == 0 && fit == FIT_UNKNOWN)
		hold_unverified(source, look, slot, status, trouble.text);
	return rc;
}

/* Of a gone file of another run the device may have another number, but the rest must fit. */
static bool may_be_back(const struct file *file, const struct entry_status *status)
{
	if (identity_is_at(&file->identity, status))
		return true;
	return (file->flags & FLAG_UNCONFIRMED) != 0 && file->identity.fp_offset > 0 &&
	       (file->identity.birth_ns == status->birth_ns || file->identity.birth_ns == 0);
}

/* How good a candidate a file with the entry's inode is; 0: none. */
static int rank(const struct file *file, const char *path, const struct entry_status *status)
{
	if (file_is_gone(file))
		return may_be_back(file, status) ? 1 : 0;
	if ((file->flags & FLAG_UNCONFIRMED) == 0)
		return identity_is_at(&file->identity, status) ? BEST_RANK : 0;
	return strcmp(file->path, path) == 0 ? 3 : 2;
}

/* The best candidate of a rank below `*below`, or NO_SLOT; *below becomes its rank. */
static size_t find_candidate(const struct source *source, const char *path,
	const struct entry_status *status, size_t after, int *below)
{
	struct file_index_walk walk = {.hash = table_inode_hash(status->inode)};
	size_t best = NO_SLOT;
	int best_rank = 0;
	size_t slot;
	int r;

	/* Candidates come by rank, those of one rank by slot. */
	while ((slot = table_next_inode(source, status->inode, &walk)) != NO_SLOT) {
		r = rank(file_at(source, slot), path, status);
		if (r == 0 || r > *below || (r == *below && after != NO_SLOT && slot <= after))
			continue;
		if (r > best_rank || (r == best_rank && slot < best)) {
			best = slot;
			best_rank = r;
		}
	}
	*below = best_rank;
	return best;
}

static int keep_stranger(
	struct look *look, const char *path, const struct entry_status *status, struct err *err)
{
	struct stranger *stranger;

	if (!mem_grow(&look->strangers, &look->cap_strangers, look->n_strangers + 1,
		    sizeof(*look->strangers)))
		return err_nomem(err);
	stranger = &look->strangers[look->n_strangers];
	stranger->path = mem_copy_text(path, strlen(path));
	if (stranger->path == NULL)
		return err_nomem(err);
	stranger->status = *status;
	stranger->is_met = false;
	look->n_strangers++;
	return 0;
}

/* Nobody live in this run is the entry: a remembered file, one that was gone, or a new one. */
static int meet_unknown(struct source *source, struct look *look, const char *path,
	const struct entry_status *status, struct err *err)
{
	bool is_met = false;
	size_t slot = NO_SLOT;
	int below = BEST_RANK;
	int rc;

	while ((slot = find_candidate(source, path, status, slot, &below)) != NO_SLOT) {
		rc = try_remembered(source, look, slot, path, status, &is_met, err);
		if (rc != 0 || is_met)
			return rc;
	}
	if (source->is_matching || (source->is_remote && look->is_full))
		return keep_stranger(look, path, status, err);
	if (source->is_remote) {
		source->wants_full = true;
		return 0;
	}
	return add_new(source, look, path, status, NULL, err);
}

int meet_entry(struct source *source, struct look *look, const char *path,
	const struct entry_status *status, struct err *err)
{
	size_t slot = table_find_path(source, path);
	int below = BEST_RANK;
	const struct file *file;

	look->n_met++;
	if (slot != NO_SLOT) {
		file = file_at(source, slot);
		if ((file->flags & FLAG_UNCONFIRMED) == 0 &&
			identity_is_at(&file->identity, status))
			return update(source, look, slot, path, status, err);
	}
	slot = find_candidate(source, path, status, NO_SLOT, &below);
	if (slot != NO_SLOT) {
		file = file_at(source, slot);
		if (!file_is_gone(file) && (file->flags & FLAG_UNCONFIRMED) == 0)
			return meet_elsewhere(source, look, slot, path, status, err);
	}
	return meet_unknown(source, look, path, status, err);
}

/* Is the path's owner somebody who was not met by his inode? */
static bool may_be_stranger(const struct source *source, const struct file *file)
{
	if ((file->flags & FLAG_UNCONFIRMED) != 0)
		return true;
	return source->is_remote && (file->flags & FLAG_SEEN) == 0;
}

/* Another name of it may have been a stranger too, and be known by now. */
static int add_stranger(
	struct source *source, struct look *look, const struct stranger *stranger, struct err *err)
{
	int below = BEST_RANK;
	size_t slot = find_candidate(source, stranger->path, &stranger->status, NO_SLOT, &below);
	int rc;

	if (slot == NO_SLOT || below < BEST_RANK)
		return add_new(source, look, stranger->path, &stranger->status, NULL, err);
	rc = displace(source, look, stranger->path, err);
	return rc == 0 ? meet_elsewhere(source, look, slot, stranger->path, &stranger->status, err)
		       : rc;
}

int meet_strangers(struct source *source, struct look *look, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < look->n_strangers && rc == 0; i++) {
		struct stranger *stranger = &look->strangers[i];
		size_t slot = table_find_path(source, stranger->path);

		if (slot != NO_SLOT && may_be_stranger(source, file_at(source, slot)))
			rc = try_remembered(source, look, slot, stranger->path, &stranger->status,
				&stranger->is_met, err);
	}
	/* Who is known by one of his names is no stranger under another. */
	for (i = 0; i < look->n_strangers && rc == 0; i++) {
		if (!look->strangers[i].is_met)
			rc = add_stranger(source, look, &look->strangers[i], err);
	}
	return rc;
}
