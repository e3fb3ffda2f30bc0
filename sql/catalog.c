/* Names to numbers. */
#include "sql/catalog.h"

#include "base/mem.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A random UUID (version 4) in the usual spelling. */
static void make_uuid(char text[UUID_TEXT_BYTES])
{
	unsigned char b[16];

	sqlite3_randomness(sizeof(b), b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(text, UUID_TEXT_BYTES,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
}

int catalog_new(struct catalog **out, const struct spec *spec, struct err *err)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	size_t i;

	*out = NULL;
	if (catalog == NULL)
		return err_nomem(err);
	catalog->spec = spec;
	catalog->sources = mem_new_array(spec->n_sources, sizeof(*catalog->sources));
	catalog->queries = mem_new_array(spec->n_queries, sizeof(*catalog->queries));
	if (catalog->sources == NULL || catalog->queries == NULL)
		goto nomem;
	for (i = 0; i < spec->n_sources; i++)
		catalog->sources[i].is_new = true;
	for (i = 0; i < spec->n_queries; i++) {
		struct catalog_query *query = &catalog->queries[i];

		query->is_new = true;
		query->definition = spec_query_definition(spec, i);
		if (query->definition == NULL)
			goto nomem;
		make_uuid(query->uuid);
		make_uuid(query->run_uuid);
	}
	*out = catalog;
	return 0;
nomem:
	catalog_free(catalog);
	return err_nomem(err);
}

void catalog_free(struct catalog *catalog)
{
	size_t i;

	if (catalog == NULL)
		return;
	for (i = 0; catalog->queries != NULL && i < catalog->spec->n_queries; i++)
		free(catalog->queries[i].definition);
	free(catalog->sources);
	free(catalog->queries);
	free(catalog);
}

const char *catalog_message(
	const struct catalog_query *query, const char *message, int64_t n_missed, struct buf *buf)
{
	if (message == NULL || (query->note == NULL && n_missed <= 0))
		return message;
	buf_clear(buf);
	buf_add_text(buf, message);
	if (query->note != NULL)
		buf_printf(buf, " (%s)", query->note);
	if (n_missed > 0)
		buf_printf(buf,
			" (%lld file%s with events could not be counted: archived, deleted,"
			" gone or outside the glob)",
			(long long)n_missed, n_missed == 1 ? "" : "s");
	buf_add_char(buf, '\0');
	return buf_ok(buf) ? buf->data : message;
}

bool catalog_has_source_id(const struct catalog *catalog, int64_t id)
{
	size_t i;

	for (i = 0; i < catalog->spec->n_sources; i++) {
		if (catalog->sources[i].id == id)
			return true;
	}
	return false;
}

size_t catalog_find_source(const struct catalog *catalog, const char *name)
{
	size_t i;

	for (i = 0; i < catalog->spec->n_sources; i++) {
		if (sqlite3_stricmp(catalog->spec->sources[i].name, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

size_t catalog_find_query(const struct catalog *catalog, const char *name)
{
	size_t i;

	for (i = 0; i < catalog->spec->n_queries; i++) {
		if (sqlite3_stricmp(catalog->spec->queries[i].name, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

static void inherit_query(struct catalog *catalog, size_t index, const struct catalog *old)
{
	struct catalog_query *query = &catalog->queries[index];
	const struct query_spec *spec = &catalog->spec->queries[index];
	size_t k = catalog_find_query(old, spec->name);
	const struct catalog_query *before;

	if (k == SIZE_MAX)
		return;
	before = &old->queries[k];
	/* As the stream judges. */
	query->is_kept = catalog->sources[spec->source].is_kept &&
			 spec_query_goes_on(&old->spec->queries[k], spec) &&
			 catalog->sources[spec->source].id ==
				 old->sources[old->spec->queries[k].source].id &&
			 strcmp(query->definition, before->definition) == 0;
	/* Its row is the same in any case; only what it counted may not be. */
	query->id = before->id;
	memcpy(query->uuid, before->uuid, sizeof(query->uuid));
	memcpy(query->run_uuid, before->run_uuid, sizeof(query->run_uuid));
	query->is_new = !query->is_kept || before->is_new;
	query->note = query->is_kept ? before->note : NULL;
}

void catalog_inherit(struct catalog *catalog, const struct catalog *old)
{
	size_t i;

	for (i = 0; i < catalog->spec->n_sources; i++) {
		size_t k = catalog_find_source(old, catalog->spec->sources[i].name);

		if (k != SIZE_MAX &&
			spec_source_goes_on(&old->spec->sources[k], &catalog->spec->sources[i])) {
			catalog->sources[i] = old->sources[k];
			catalog->sources[i].is_kept = true;
		}
	}
	for (i = 0; i < catalog->spec->n_queries; i++)
		inherit_query(catalog, i, old);
}

static int64_t highest_source_id(const struct catalog *catalog)
{
	int64_t highest = 0;
	size_t i;

	for (i = 0; catalog != NULL && i < catalog->spec->n_sources; i++) {
		if (catalog->sources[i].id > highest)
			highest = catalog->sources[i].id;
	}
	return highest;
}

static int64_t highest_query_id(const struct catalog *catalog)
{
	int64_t highest = 0;
	size_t i;

	for (i = 0; catalog != NULL && i < catalog->spec->n_queries; i++) {
		if (catalog->queries[i].id > highest)
			highest = catalog->queries[i].id;
	}
	return highest;
}

static int64_t higher(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void catalog_number(
	struct catalog *catalog, const struct catalog *old, int64_t source_id, int64_t query_id)
{
	size_t i;

	source_id = higher(source_id, higher(highest_source_id(catalog), highest_source_id(old)));
	query_id = higher(query_id, higher(highest_query_id(catalog), highest_query_id(old)));
	for (i = 0; i < catalog->spec->n_sources; i++) {
		if (catalog->sources[i].id == 0)
			catalog->sources[i].id = ++source_id;
	}
	for (i = 0; i < catalog->spec->n_queries; i++) {
		if (catalog->queries[i].id == 0)
			catalog->queries[i].id = ++query_id;
	}
}
