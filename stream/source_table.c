/*
 * The known files: slots in chunks, an index by path and one by inode, the
 * list of what changed, the queue of what is gone. Who calls here has decided
 * what happened to a file; this keeps the structures in agreement.
 */
#include "stream/source_private.h"

#include "base/mem.h"
#include "stream/natural_order.h"
#include "stream/xxh64.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* So many void entries more than others are borne in the queue of what is gone. */
#define GONE_SPARE 1024

const char *file_state_name(enum file_state state)
{
	static const char *const names[] = {
		[FILE_WAITING] = "waiting",
		[FILE_GROWING] = "growing",
		[FILE_DONE] = "done",
		[FILE_ARCHIVED] = "archived",
		[FILE_DELETED] = "deleted",
		[FILE_MISSING] = "missing",
		[FILE_ERROR] = "error",
	};

	return names[state];
}

bool file_is_gone(const struct file *file)
{
	return file->state == FILE_ARCHIVED || file->state == FILE_DELETED ||
	       file->state == FILE_MISSING;
}

static uint64_t hash_path(const char *path)
{
	return xxh64(path, strlen(path), 0);
}

static uint64_t path_hash_of(const void *owner, size_t slot)
{
	return hash_path(file_at(owner, slot)->path);
}

uint64_t table_inode_hash(uint64_t inode)
{
	return xxh64_mix(inode);
}

static uint64_t inode_hash_of(const void *owner, size_t slot)
{
	return table_inode_hash(file_at(owner, slot)->identity.inode);
}

void source_table_init(struct source *source)
{
	source->free_slot = NO_SLOT;
	source->next_id = 1;
	source->newest_mtime_ns = INT64_MIN;
	file_index_init(&source->by_path, path_hash_of, source);
	file_index_init(&source->by_inode, inode_hash_of, source);
}

void source_table_fini(struct source *source)
{
	size_t i;

	for (i = 0; i < source->n_slots; i++) {
		free(file_at(source, i)->path);
		free(file_at(source, i)->reason);
	}
	for (i = 0; i < source->n_chunks; i++)
		free(source->chunks[i]);
	free(source->chunks);
	file_index_fini(&source->by_path);
	file_index_fini(&source->by_inode);
	free(source->changed);
	free(source->retries);
	free(source->gone);
}

size_t source_n_slots(const struct source *source)
{
	return source->n_slots;
}

struct file *source_file(const struct source *source, size_t slot)
{
	assert(slot < source->n_slots);
	return file_at(source, slot)->path == NULL ? NULL : file_at(source, slot);
}

size_t table_find_path(const struct source *source, const char *path)
{
	struct file_index_walk walk = {.hash = hash_path(path)};
	size_t slot;

	while ((slot = file_index_next(&source->by_path, &walk)) != NO_SLOT) {
		if (strcmp(file_at(source, slot)->path, path) == 0)
			break;
	}
	return slot;
}

size_t table_next_inode(const struct source *source, uint64_t inode, struct file_index_walk *walk)
{
	size_t slot;

	while ((slot = file_index_next(&source->by_inode, walk)) != NO_SLOT) {
		if (file_at(source, slot)->identity.inode == inode)
			break;
	}
	return slot;
}

size_t source_find_id(const struct source *source, int64_t id)
{
	size_t low = 0;
	size_t high = source->n_slots;
	size_t middle;

	while (!source->has_holes && low < high) {
		middle = low + (high - low) / 2;
		if (file_at(source, middle)->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < source->n_slots; low++) {
		const struct file *file = file_at(source, low);

		if (file->path != NULL && file->id == id)
			return low;
		if (!source->has_holes)
			break;
	}
	return NO_SLOT;
}

static bool is_findable_by_path(const struct file *file)
{
	return !file_is_gone(file) && (file->flags & FLAG_DISPLACED) == 0;
}

/* A free slot, zeroed but for FLAG_LISTED, which tells whether it stands in `changed`. */
static int take_slot(struct source *source, size_t *slot, struct err *err)
{
	struct file *chunk;

	if (source->free_slot != NO_SLOT) {
		*slot = source->free_slot;
		source->free_slot = (size_t)file_at(source, *slot)->size;
		return 0;
	}
	if (source->n_slots == source->n_chunks * FILES_PER_CHUNK) {
		if (!mem_grow(&source->chunks, &source->cap_chunks, source->n_chunks + 1,
			    sizeof(struct file *)))
			return err_nomem(err);
		chunk = mem_new_array(FILES_PER_CHUNK, sizeof(*chunk));
		if (chunk == NULL)
			return err_nomem(err);
		source->chunks[source->n_chunks++] = chunk;
	}
	*slot = source->n_slots++;
	return 0;
}

static void give_slot_back(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);
	uint8_t listed = file->flags & FLAG_LISTED;

	free(file->path);
	free(file->reason);
	*file = (struct file){.size = (int64_t)source->free_slot, .flags = listed};
	source->free_slot = slot;
	source->has_holes = true;
}

/* Forgotten, or there again. */
static bool is_void(const struct source *source, const struct gone *gone)
{
	const struct file *file = file_at(source, gone->slot);

	return file->path == NULL || file->id != gone->id || !file_is_gone(file);
}

/* Of each file that is gone the newest entry stays: a file may go and come back for ever. */
static void drop_void(struct source *source)
{
	uint64_t *is_kept = mem_new_array(source->n_slots / 64 + 1, sizeof(*is_kept));
	size_t first = source->n_gone_queue;
	size_t i;

	/* Without memory the void ones wait for the next time. */
	for (i = source->n_gone_queue; is_kept != NULL && i-- > source->first_gone;) {
		const struct gone gone = source->gone[i];
		uint64_t bit = UINT64_C(1) << gone.slot % 64;

		if (is_void(source, &gone) || (is_kept[gone.slot / 64] & bit) != 0)
			continue;
		is_kept[gone.slot / 64] |= bit;
		source->gone[--first] = gone;
	}
	if (is_kept != NULL)
		source->first_gone = first;
	free(is_kept);
}

static void queue_gone(struct source *source, size_t slot)
{
	if (source->n_gone_queue - source->first_gone > 2 * source->n_gone + GONE_SPARE)
		drop_void(source);
	if (source->first_gone > source->n_gone_queue / 2) {
		source->n_gone_queue -= source->first_gone;
		memmove(source->gone, source->gone + source->first_gone,
			source->n_gone_queue * sizeof(*source->gone));
		source->first_gone = 0;
	}
	/* Without memory the file is only never forgotten. */
	if (mem_grow(&source->gone, &source->cap_gone, source->n_gone_queue + 1,
		    sizeof(*source->gone)))
		source->gone[source->n_gone_queue++] =
			(struct gone){slot, file_at(source, slot)->id};
}

int table_add(struct source *source, const struct file *like, size_t *slot, struct err *err)
{
	struct file *file;
	int rc = take_slot(source, slot, err);
	uint8_t listed;

	if (rc != 0)
		return rc;
	file = file_at(source, *slot);
	listed = file->flags & FLAG_LISTED;
	*file = *like;
	file->flags = (uint8_t)(like->flags | listed);
	file->reason = NULL;
	file->path = mem_copy_text(like->path, strlen(like->path));
	if (file->path == NULL)
		goto no_memory;
	if (is_findable_by_path(file) && !file_index_put(&source->by_path, *slot))
		goto no_memory;
	if (file->identity.inode != 0 && !file_index_put(&source->by_inode, *slot)) {
		if (is_findable_by_path(file))
			file_index_drop(&source->by_path, *slot);
		goto no_memory;
	}
	if (source->next_id <= file->id)
		source->next_id = file->id + 1;
	if (source->newest_mtime_ns < file->mtime_ns)
		source->newest_mtime_ns = file->mtime_ns;
	/* Ids ascend by slot as long as nobody restores them in another order. */
	if (*slot > 0 && file_at(source, *slot - 1)->id >= file->id)
		source->has_holes = true;
	source->n_errors += file->state == FILE_ERROR;
	if (file_is_gone(file)) {
		source->n_gone++;
		queue_gone(source, *slot);
	} else {
		source->n_live++;
	}
	return 0;
no_memory:
	give_slot_back(source, *slot);
	return err_nomem(err);
}

void table_forget_inode(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);

	if (file->identity.inode != 0)
		file_index_drop(&source->by_inode, slot);
	file->identity.inode = 0;
}

void table_remove(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);

	table_forget_inode(source, slot);
	if (is_findable_by_path(file))
		file_index_drop(&source->by_path, slot);
	source->n_errors -= file->state == FILE_ERROR;
	if (file_is_gone(file))
		source->n_gone--;
	else
		source->n_live--;
	give_slot_back(source, slot);
}

void table_displace(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);

	assert(is_findable_by_path(file));
	file_index_drop(&source->by_path, slot);
	file->flags |= FLAG_DISPLACED;
}

/* Takes over `path` and makes the file findable by it. */
static void adopt_path(struct source *source, size_t slot, char *path)
{
	struct file *file = file_at(source, slot);
	bool has_room;

	free(file->path);
	file->path = path;
	file->flags &= (uint8_t)~FLAG_DISPLACED;
	has_room = file_index_put(&source->by_path, slot);
	/* Its callers made room by a trial, or it has just left the index. */
	assert(has_room);
}

void table_trust(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);

	if ((file->flags & FLAG_DOUBTED) == 0)
		return;
	file->flags &= (uint8_t)~FLAG_DOUBTED;
	if (file->state == FILE_ERROR)
		table_set_state(source, file, FILE_WAITING);
	table_mark_changed(source, slot);
}

int table_rename(struct source *source, size_t slot, const char *path, struct err *err)
{
	struct file *file = file_at(source, slot);
	char *copy = mem_copy_text(path, strlen(path));

	if (copy == NULL)
		return err_nomem(err);
	if (is_findable_by_path(file)) {
		file_index_drop(&source->by_path, slot);
	} else if (file_index_put(&source->by_path, slot)) {
		file_index_drop(&source->by_path, slot);
	} else {
		free(copy);
		return err_nomem(err);
	}
	adopt_path(source, slot, copy);
	/* Who did not find it under its old name was right. */
	table_trust(source, slot);
	table_mark_changed(source, slot);
	return 0;
}

int table_relocate(
	struct source *source, size_t slot, const struct entry_status *status, struct err *err)
{
	struct file_identity *identity = &file_at(source, slot)->identity;

	if (identity->inode != status->inode) {
		table_forget_inode(source, slot);
		identity->inode = status->inode;
		if (!file_index_put(&source->by_inode, slot)) {
			identity->inode = 0;
			return err_nomem(err);
		}
	}
	identity->device = status->device;
	identity->birth_ns = status->birth_ns;
	return 0;
}

void file_set_reason(struct file *file, const char *reason)
{
	free(file->reason);
	file->reason = reason == NULL ? NULL : mem_copy_text(reason, strlen(reason));
}

void table_mark_changed(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);

	file->is_changed = true;
	if ((file->flags & FLAG_LISTED) != 0)
		return;
	file->flags |= FLAG_LISTED;
	if (mem_grow(&source->changed, &source->cap_changed, source->n_changed + 1,
		    sizeof(*source->changed)))
		source->changed[source->n_changed++] = slot;
	else
		source->is_changed_cut = true;
}

/* The list again, from the flags. */
static int list_flagged(struct source *source, struct err *err)
{
	size_t n = 0;
	size_t slot;

	if (!mem_grow(&source->changed, &source->cap_changed, source->n_slots,
		    sizeof(*source->changed)))
		return err_nomem(err);
	for (slot = 0; slot < source->n_slots; slot++) {
		if ((file_at(source, slot)->flags & FLAG_LISTED) != 0)
			source->changed[n++] = slot;
	}
	source->n_changed = n;
	source->is_changed_cut = false;
	return 0;
}

int source_take_changed(struct source *source, size_t **slots, size_t *n, struct err *err)
{
	size_t kept = 0;
	size_t i;
	int rc;

	if (source->is_changed_cut) {
		rc = list_flagged(source, err);
		if (rc != 0)
			return rc;
	}
	for (i = 0; i < source->n_changed; i++) {
		struct file *file = file_at(source, source->changed[i]);

		file->flags &= (uint8_t)~FLAG_LISTED;
		if (file->path != NULL)
			source->changed[kept++] = source->changed[i];
	}
	*slots = source->changed;
	*n = kept;
	source->changed = NULL;
	source->n_changed = 0;
	source->cap_changed = 0;
	return 0;
}

void table_mark_gone(struct source *source, size_t slot, enum file_state state, const char *reason)
{
	struct file *file = file_at(source, slot);

	if (is_findable_by_path(file))
		file_index_drop(&source->by_path, slot);
	file->flags &= (uint8_t) ~(FLAG_DISPLACED | FLAG_LINKED | FLAG_UNVERIFIED | FLAG_DOUBTED);
	table_set_state(source, file, state);
	file->n_failures = 0;
	file_set_reason(file, reason);
	source->n_live--;
	source->n_gone++;
	queue_gone(source, slot);
	table_mark_changed(source, slot);
}

int table_mark_back(struct source *source, size_t slot, const char *path, struct err *err)
{
	struct file *file = file_at(source, slot);
	int rc = table_rename(source, slot, path, err);

	if (rc != 0)
		return rc;
	table_set_state(source, file,
		file->size > file->identity.fp_offset || file->batch_id < 0 ? FILE_WAITING
									    : FILE_DONE);
	file_set_reason(file, NULL);
	source->n_gone--;
	source->n_live++;
	return 0;
}

size_t source_find_forgettable(struct source *source)
{
	while (source->n_gone > SOURCE_GONE_FILES_KEPT &&
		source->first_gone < source->n_gone_queue) {
		const struct gone *gone = &source->gone[source->first_gone];

		if (!is_void(source, gone))
			return gone->slot;
		source->first_gone++;
	}
	return NO_SLOT;
}

void source_forget(struct source *source, size_t slot)
{
	assert(file_is_gone(file_at(source, slot)));
	table_remove(source, slot);
}

int source_compare(const struct source *source, size_t slot_a, size_t slot_b)
{
	const struct file *a = file_at(source, slot_a);
	const struct file *b = file_at(source, slot_b);

	if (a->mtime_ns != b->mtime_ns)
		return a->mtime_ns < b->mtime_ns ? -1 : 1;
	return natural_order_compare(a->path, b->path);
}
