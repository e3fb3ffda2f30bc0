/* Files are kept in the order in which they were found; the first that is not read yet is looked at
 * next. */
#include "stream/mark.h"

#include "base/mem.h"
#include "stream/stream_private.h"

#include <stdlib.h>

struct marked_file {
	size_t slot;
	int64_t id;
	int64_t size;
};

struct mark {
	size_t n_refs;
	size_t source;
	struct marked_file *files;
	size_t n_files;
};

/* What prefixes that nobody stands at have to read is nobody's to wait for. */
int mark_new(struct mark **mark, const struct stream *stream, size_t source, struct err *err)
{
	const struct intake *intake = &stream->intakes[source];
	struct mark *made = calloc(1, sizeof(*made));
	size_t n = 0;

	for (size_t i = 0; i < intake->prefixes.n; i++)
		n += intake->prefixes.list[i]->n_heap;
	if (made != NULL)
		made->files = mem_new_array(n + 1, sizeof(*made->files));
	if (made == NULL || made->files == NULL) {
		free(made);
		return err_nomem(err);
	}
	made->n_refs = 1;
	made->source = source;
	for (size_t i = 0; i < intake->prefixes.n; i++) {
		const struct prefix *prefix = intake->prefixes.list[i];

		for (size_t j = 0; prefix->n_queries > 0 && j < prefix->n_heap; j++) {
			const struct file *file = source_file(intake->source, prefix->heap[j]);

			made->files[made->n_files++] = (struct marked_file){
				.slot = prefix->heap[j], .id = file->id, .size = file->size};
		}
	}
	*mark = made;
	return 0;
}

struct mark *mark_ref(struct mark *mark)
{
	mark->n_refs++;
	return mark;
}

void mark_unref(struct mark *mark)
{
	if (mark == NULL || --mark->n_refs > 0)
		return;
	free(mark->files);
	free(mark);
}

static bool is_read(
	const struct stream *stream, const struct marked_file *marked, size_t source, size_t query)
{
	const struct file *file = source_file(stream->intakes[source].source, marked->slot);
	const struct prefix *prefix = stream_prefix_of(stream, query);

	if (file == NULL || file->id != marked->id || prefix == NULL)
		return true;
	if (marked->slot >= prefix->n_slots || prefix->slots[marked->slot].heap == 0)
		return true;
	return prefix_stand(prefix, file, marked->slot).seen >= marked->size;
}

bool mark_is_reached(
	const struct mark *mark, const struct stream *stream, size_t query, size_t *n_passed)
{
	for (; *n_passed < mark->n_files; ++*n_passed) {
		for (size_t i = 0; i < stream->spec->n_queries; i++) {
			if ((query == SIZE_MAX || query == i) &&
				stream->spec->queries[i].source == mark->source &&
				query_is_active(stream->queries[i]) &&
				!is_read(stream, &mark->files[*n_passed], mark->source, i))
				return false;
		}
	}
	for (size_t i = 0; i < stream->spec->n_queries; i++) {
		if ((query == SIZE_MAX || query == i) &&
			stream->spec->queries[i].source == mark->source &&
			query_is_active(stream->queries[i]) && query_has_closed(stream->queries[i]))
			return false;
	}
	return true;
}
