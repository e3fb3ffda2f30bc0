/* Small arrays and linear searches: a source has a handful of fields. */
#include "stream/fields.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t find(const struct fields *fields, const char *path)
{
	for (size_t i = 0; i < fields->n; i++) {
		if (strcmp(fields->paths[i], path) == 0)
			return i;
	}
	return SIZE_MAX;
}

int fields_of_source(struct fields *fields, const struct spec *spec, size_t source, struct err *err)
{
	size_t most = 0;

	for (size_t i = 0; i < spec->n_queries; i++) {
		if (spec->queries[i].source == source)
			most += spec->queries[i].n_group_by;
	}
	*fields = (struct fields){.paths = mem_new_array(most, sizeof(char *))};
	if (fields->paths == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < spec->n_queries; i++) {
		const struct query_spec *query = &spec->queries[i];

		for (size_t j = 0; query->source == source && j < query->n_group_by; j++) {
			if (find(fields, query->group_by[j].path) == SIZE_MAX)
				fields->paths[fields->n++] = query->group_by[j].path;
		}
	}
	return 0;
}

void fields_fini(struct fields *fields)
{
	free(fields->paths);
	*fields = (struct fields){0};
}

size_t fields_find(const struct fields *fields, const char *path)
{
	size_t at = find(fields, path);

	assert(at != SIZE_MAX);
	return at;
}

size_t *fields_places(const struct fields *fields, const struct query_spec *query)
{
	size_t *places = mem_new_array(query->n_group_by, sizeof(*places));

	for (size_t i = 0; places != NULL && i < query->n_group_by; i++)
		places[i] = fields_find(fields, query->group_by[i].path);
	return places;
}

struct event_shape fields_shape(const struct fields *fields, const struct source_spec *source)
{
	return (struct event_shape){
		.time_field = source->time_field,
		.time_unit = source->time_unit,
		.max_event_bytes = source->max_event_bytes,
		.fields = fields->paths,
		.n_fields = fields->n,
	};
}
