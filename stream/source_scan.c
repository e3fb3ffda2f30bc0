/*
 * Looking: at everything, or at single names.
 *
 * A full scan walks the directory, and what was not met is missing. A scan of
 * names looks at each of them with one stat: first those that are there, so
 * that a rename is understood before its old name is missed. What could not be
 * looked at stays as it was.
 */
#include "stream/source_private.h"

#include "base/mem.h"
#include "stream/file_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void look_fini(struct look *look)
{
	size_t i;

	for (i = 0; i < look->n_strangers; i++)
		free(look->strangers[i].path);
	free(look->strangers);
	free(look->fresh);
	free(look->displaced);
	buf_fini(&look->failed_dirs);
}

/* Another directory has the path: everything we know has to be found again in it. */
static void unconfirm_all(struct source *source)
{
	size_t slot;

	for (slot = 0; slot < source->n_slots; slot++) {
		if (file_at(source, slot)->path != NULL)
			file_at(source, slot)->flags |= FLAG_UNCONFIRMED;
	}
	source->is_matching = true;
	source->is_replaced_empty = true;
	source->wants_full = true;
}

/* Is the directory we hold still the one at the path? False: trouble. */
static bool check_dir(struct source *source)
{
	struct stat status;
	int failure = stat(source->spec->path, &status) == 0 ? 0 : errno;

	if (failure == 0 &&
		(status.st_dev != source->dir_device || status.st_ino != source->dir_inode)) {
		failure = source_open_dir(source);
		if (failure == 0) {
			note_say(source,
				"%s is another directory now; its files are looked up in it",
				source->spec->path);
			unconfirm_all(source);
		}
	}
	if (failure != 0) {
		source_set_trouble(source, "", failure);
		source->wants_full = true;
	}
	return failure == 0;
}

static bool is_below_failed_dir(const struct look *look, const char *path)
{
	size_t i = 0;
	size_t n;

	for (; i < look->failed_dirs.len; i += n + 1) {
		const char *dir = look->failed_dirs.data + i;

		n = strlen(dir);
		if (n == 0 || (strncmp(path, dir, n) == 0 && path[n] == '/'))
			return true;
	}
	return false;
}

/* Another file has the name; a displaced one may also have been rewritten where it is. */
static bool is_rewritten(const struct source *source, const struct file *file)
{
	size_t heir = table_find_path(source, file->path);

	return heir != NO_SLOT && file_at(source, heir)->identity.inode == file->identity.inode;
}

/* What of a file that is gone was there, as far as is known, and was not counted. */
static const char *name_gap(const struct file *file, char *text, size_t size)
{
	if (file->identity.fp_offset == 0)
		return "gone before it was read";
	(void)snprintf(text, size,
		"gone before it was read to its end: bytes %lld to %lld are not counted",
		(long long)file->identity.fp_offset, (long long)file->size);
	return text;
}

static void miss(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);
	const char *slash = strrchr(file->path, '/');
	const char *reason = "deleted or moved away";
	bool is_noteworthy = true;
	char gap[112];

	/* Another name of it may be there still; only a walk finds it. */
	if ((file->flags & FLAG_LINKED) != 0)
		source->wants_full = true;
	if ((file->flags & FLAG_DISPLACED) != 0 && is_rewritten(source, file)) {
		reason = "rewritten in place: read again as a new file";
		table_forget_inode(source, slot);
	} else if (file->state != FILE_DONE && file->size > file->identity.fp_offset) {
		reason = name_gap(file, gap, sizeof(gap));
	} else {
		is_noteworthy = false;
		if ((file->flags & FLAG_DISPLACED) != 0)
			reason = "another file has its name now";
		else if (!file_name_matches(
				 slash == NULL ? file->path : slash + 1, source->spec->glob))
			reason = "the glob leaves it out";
	}
	if (is_noteworthy)
		note_say(source, "%s: %s; what was counted stays", file->path, reason);
	table_mark_gone(source, slot, FILE_MISSING, reason);
}

/* After a full scan: who was not met is missing, unless it stands where we could not look. */
static void sweep(struct source *source, const struct look *look)
{
	bool keeps_all = source->is_replaced_empty && look->n_met == 0;
	bool is_whole = look->failed_dirs.len == 0 && !keeps_all;
	size_t slot;

	for (slot = 0; slot < source->n_slots; slot++) {
		struct file *file = file_at(source, slot);
		bool is_met = (file->flags & FLAG_SEEN) != 0;

		file->flags &= (uint8_t)~FLAG_SEEN;
		if (file->path == NULL)
			continue;
		if (!is_met && !file_is_gone(file) && !keeps_all &&
			!is_below_failed_dir(look, file->path))
			miss(source, slot);
		/*
		 * One that is gone may come back, and then
		 * its device number may be another still.
		 */
		if (is_whole && !file_is_gone(file))
			file->flags &= (uint8_t)~FLAG_UNCONFIRMED;
	}
	if (is_whole) {
		source->is_matching = false;
		source->is_replaced_empty = false;
	}
}

/* Whoever lost its name and was not met under another one. */
static void miss_displaced(struct source *source, const struct look *look)
{
	size_t i;

	for (i = 0; i < look->n_displaced; i++) {
		struct file *file = file_at(source, look->displaced[i]);

		if (file->path != NULL && (file->flags & FLAG_DISPLACED) != 0)
			miss(source, look->displaced[i]);
	}
}

/* max_file_age counts from the newest file, which may have been met last. */
static void leave_out_old(struct source *source, struct look *look)
{
	int64_t max_age_us = source->spec->max_file_age_us;
	size_t i;

	for (i = 0; max_age_us >= 0 && i < look->n_fresh; i++) {
		const struct file *file = file_at(source, look->fresh[i]);

		if (file->path == NULL || file->reason != NULL || file_is_gone(file) ||
			file->mtime_ns / 1000 >= source->newest_mtime_ns / 1000 - max_age_us)
			continue;
		table_remove(source, look->fresh[i]);
		look->n_left_out++;
	}
	if (look->n_left_out > 0 && (!look->is_full || look->n_left_out > source->n_left_out_said))
		note_say(source,
			"%zu new files are left out, they are older than max_file_age before the "
			"newest file",
			look->n_left_out);
	if (look->is_full)
		source->n_left_out_said = look->n_left_out;
}

static int compare_slots(const void *a, const void *b, void *source)
{
	return source_compare(source, *(const size_t *)a, *(const size_t *)b);
}

/*
 * New files get their ids in the source's order, which is the order they are
 * read in: each batch then writes rows that are neighbours, wherever the
 * directory's listing had them. Nobody has heard of these ids yet.
 */
static int order_fresh_ids(struct source *source, struct look *look, struct err *err)
{
	int64_t *ids = mem_new_array(look->n_fresh, sizeof(*ids));
	size_t n = 0;
	size_t i;

	if (ids == NULL)
		return err_nomem(err);
	for (i = 0; i < look->n_fresh; i++) {
		const struct file *file = file_at(source, look->fresh[i]);

		/* Appointments and farewells know a file by its id. */
		if (file->path == NULL || file->state != FILE_WAITING)
			continue;
		ids[n] = file->id;
		look->fresh[n++] = look->fresh[i];
	}
	look->n_fresh = n;
	qsort_r(look->fresh, n, sizeof(*look->fresh), compare_slots, source);
	for (i = 0; i < n; i++) {
		source->has_holes |= file_at(source, look->fresh[i])->id != ids[i];
		file_at(source, look->fresh[i])->id = ids[i];
	}
	free(ids);
	return 0;
}

/* *is_gone: nothing has that name. */
static int look_at(
	struct source *source, struct look *look, const char *path, bool *is_gone, struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct entry_status status;
	int failure = entry_stat(source->dir_fd, path, &status);

	*is_gone = failure == ENOENT || failure == ENOTDIR;
	if (*is_gone)
		return 0;
	if (failure != 0) {
		walk_pass_unseen(source, look, path, failure);
		return 0;
	}
	if (S_ISDIR(status.mode))
		return source->spec->recursive ? walk_below(source, look, path, err) : 0;
	if (!file_name_matches(slash == NULL ? path : slash + 1, source->spec->glob))
		return 0;
	if (S_ISREG(status.mode))
		return meet_entry(source, look, path, &status, err);
	walk_pass_over(source, path, status.mode);
	/* A link or device may have taken a file's place. */
	*is_gone = true;
	return 0;
}

static int look_at_names(struct source *source, struct look *look,
	const struct noticed_names *names, struct err *err)
{
	bool is_gone;
	size_t slot;
	size_t i;
	int rc;

	for (i = 0; i < names->n; i++) {
		rc = look_at(source, look, names->paths[i], &is_gone, err);
		if (rc != 0)
			return rc;
		if (!is_gone) {
			free(names->paths[i]);
			names->paths[i] = NULL;
		}
	}
	for (i = 0; i < names->n; i++) {
		slot = names->paths[i] == NULL ? NO_SLOT : table_find_path(source, names->paths[i]);
		if (slot != NO_SLOT)
			miss(source, slot);
	}
	return 0;
}

/* One file in error whose time has come: if it is still there it waits again. */
static int retry_file(struct source *source, struct look *look, size_t slot, struct err *err)
{
	struct file *file = file_at(source, slot);
	/* Looking may give the file another path, and frees this one then. */
	char *path = mem_copy_text(file->path, strlen(file->path));
	unsigned n_failures = file->n_failures;
	bool is_gone = false;
	int rc = path != NULL ? look_at(source, look, path, &is_gone, err) : err_nomem(err);

	free(path);
	if (rc != 0)
		return rc;
	if (file->state == FILE_ERROR && is_gone)
		miss(source, slot);
	if (file->state == FILE_ERROR && file->n_failures == n_failures) {
		table_set_state(source, file, FILE_WAITING);
		table_mark_changed(source, slot);
	}
	return 0;
}

static int retry_due(struct source *source, struct look *look, struct err *err)
{
	struct retry *retries = source->retries;
	const size_t n = source->n_retries;
	size_t i;
	int rc = 0;

	for (i = 0; i < n && retries[i].due_us > look->now_us;)
		i++;
	if (i == n)
		return 0;
	/* Looking makes new appointments, so the list is taken out and what is not due put back. */
	source->retries = NULL;
	source->n_retries = 0;
	source->cap_retries = 0;
	for (i = 0; i < n; i++) {
		const struct file *file = file_at(source, retries[i].slot);
		bool is_due = rc == 0 && retries[i].due_us <= look->now_us;

		if (file->path == NULL || file->id != retries[i].id || file->state != FILE_ERROR)
			continue;
		if (is_due)
			rc = retry_file(source, look, retries[i].slot, err);
		/* A look that broke off leaves its appointments, this one too, to the next. */
		if (!is_due || rc != 0)
			source_add_retry(source, retries[i].slot, retries[i].due_us);
	}
	free(retries);
	return rc;
}

/* At a start: what a kill has left between the source and its archive. */
static int meet_archived(struct source *source, struct look *look, struct err *err)
{
	size_t n = source->is_matching ? source->n_slots : 0;
	bool is_gone;
	int rc = 0;

	for (size_t slot = 0; slot < n && rc == 0; slot++) {
		const struct file *file = file_at(source, slot);
		char *path;

		if (file->path == NULL || file_is_gone(file) || (file->flags & FLAG_SEEN) != 0 ||
			!clean_undo_archived(source, slot))
			continue;
		path = mem_copy_text(file->path, strlen(file->path));
		rc = path != NULL ? look_at(source, look, path, &is_gone, err) : err_nomem(err);
		free(path);
	}
	return rc;
}

static int look_everywhere(struct source *source, struct look *look,
	const struct noticed_names *names, struct err *err)
{
	int rc;

	if (look->is_full) {
		rc = walk_below(source, look, "", err);
		if (rc == 0)
			rc = meet_archived(source, look, err);
		if (rc == 0)
			rc = meet_strangers(source, look, err);
	} else {
		rc = look_at_names(source, look, names, err);
	}
	if (rc == 0)
		rc = retry_due(source, look, err);
	if (rc != 0)
		return rc;
	if (look->is_full)
		sweep(source, look);
	miss_displaced(source, look);
	leave_out_old(source, look);
	return look->n_fresh > 1 ? order_fresh_ids(source, look, err) : 0;
}

/* A scan that broke off has met some files; the next one must not believe that. */
static void forget_seen(struct source *source)
{
	size_t slot;

	for (slot = 0; slot < source->n_slots; slot++)
		file_at(source, slot)->flags &= (uint8_t)~FLAG_SEEN;
	source->wants_full = true;
}

int source_scan(struct source *source, bool full, int64_t now_us, struct err *err)
{
	struct look look = {.now_us = now_us, .first_id = source->next_id};
	struct noticed_names names;
	bool is_there;
	int rc = 0;

	noticed_take(source->noticed, &names);
	is_there = check_dir(source);
	look.is_full = full || names.is_all || source->wants_full || source->is_matching ||
		       source->looked_us == INT64_MIN;
	if (look.is_full)
		source->looked_us = now_us;
	if (is_there) {
		if (look.is_full)
			source->trouble[0] = '\0';
		source->wants_full = false;
		rc = look_everywhere(source, &look, &names, err);
	}
	if (rc != 0)
		forget_seen(source);
	note_say_trouble(source);
	noticed_names_fini(&names);
	look_fini(&look);
	return rc;
}
