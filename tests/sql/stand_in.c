/*
 * The stream as far as the store sees it: what is restored into it is written
 * down. Linked instead of the real one, so that a test says what was told.
 */
#include "tests/sql/stand_in.h"

#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

#define WEAK __attribute__((weak))

WEAK const char *query_state_name(enum query_state state)
{
	static const char *const names[] = {
		"INITIALIZING", "ACTIVE", "STOPPED", "FAILED", "TERMINATED"};

	return names[state];
}

WEAK const char *file_state_name(enum file_state state)
{
	static const char *const names[] = {
		"waiting", "growing", "done", "archived", "deleted", "missing", "error"};

	return names[state];
}

WEAK bool file_is_gone(const struct file *file)
{
	return file->state == FILE_ARCHIVED || file->state == FILE_DELETED ||
	       file->state == FILE_MISSING;
}

int stream_restore_file(
	struct stream *stream, size_t source, const struct file *file, struct err *err)
{
	struct told *told = (struct told *)(void *)stream;

	(void)err;
	buf_printf(&told->text,
		"file %zu %lld %s %lld %lld %lld %s %d %llu %lld %lld %llu %llu %u %u\n", source,
		(long long)file->id, file->path, (long long)file->size, (long long)file->mtime_ns,
		(long long)file->n_events, file_state_name(file->state), file->is_compressed,
		(unsigned long long)file->identity.inode, (long long)file->identity.birth_ns,
		(long long)file->identity.fp_offset, (unsigned long long)file->identity.fp_head,
		(unsigned long long)file->identity.fp_tail, file->identity.device,
		file->identity.change_mark);
	told->n_files++;
	return 0;
}

int stream_restore_offset(
	struct stream *stream, size_t source, const struct offset_change *offset, struct err *err)
{
	struct told *told = (struct told *)(void *)stream;

	(void)err;
	buf_printf(&told->text, "offset %zu %lld %lld %lld %lld %lld %u\n", source,
		(long long)offset->prefix_id, (long long)offset->file_id,
		(long long)offset->at.offset, (long long)offset->at.skip,
		(long long)offset->at.line, offset->at.flags);
	return 0;
}

int64_t stream_next_prefix_id(const struct stream *stream)
{
	(void)stream;
	return STAND_IN_PREFIX;
}

int stream_restore_query(
	struct stream *stream, size_t query, const struct query_totals *totals, struct err *err)
{
	struct told *told = (struct told *)(void *)stream;

	(void)err;
	buf_printf(&told->text, "query %zu batch %lld prefix %lld events %lld state %s\n", query,
		(long long)totals->batch_id, (long long)totals->prefix_id,
		(long long)totals->n_events, query_state_name(totals->state));
	return 0;
}

int stream_restore_row(struct stream *stream, size_t query, const struct event_value *values,
	int64_t start_us, int64_t end_us, uint64_t count, bool is_open, struct err *err)
{
	struct told *told = (struct told *)(void *)stream;

	(void)err;
	if (told->n_rows++ < 100)
		buf_printf(&told->text, "row %zu %.*s %lld %lld %llu%s\n", query,
			values != NULL && values[0].kind == EVENT_VALUE_TEXT ? (int)values[0].len
									     : 4,
			values != NULL && values[0].kind == EVENT_VALUE_TEXT ? values[0].text
									     : "NULL",
			(long long)start_us, (long long)(end_us - start_us),
			(unsigned long long)count, is_open ? " open" : "");
	return 0;
}

void stream_restore_reject_totals(
	struct stream *stream, size_t source, const int64_t totals[REJECT_REASONS])
{
	struct told *told = (struct told *)(void *)stream;

	buf_printf(&told->text, "rejects %zu %lld\n", source, (long long)totals[REJECT_BAD_JSON]);
}

int stream_restored(struct stream *stream, struct err *err)
{
	struct told *told = (struct told *)(void *)stream;

	(void)err;
	buf_add_text(&told->text, "restored\n");
	buf_add_char(&told->text, '\0');
	told->text.len--;
	return 0;
}
