/* Names and lifetime of what is to be counted, and the text that tells whether two definitions are
 * one. */
#include "stream/spec.h"

#include "base/buf.h"
#include "base/json_write.h"
#include "base/quantity.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *output_mode_name(enum output_mode mode)
{
	static const char *const names[] = {[OUTPUT_COMPLETE] = "complete",
		[OUTPUT_APPEND] = "append",
		[OUTPUT_UPDATE] = "update"};

	return names[mode];
}

const char *time_unit_name(enum time_unit unit)
{
	static const char *const names[] = {[TIME_UNIT_S] = "s",
		[TIME_UNIT_MS] = "ms",
		[TIME_UNIT_US] = "us",
		[TIME_UNIT_NS] = "ns"};

	return names[unit];
}

void spec_fini(struct spec *spec)
{
	struct source_spec *source;
	struct query_spec *query;
	size_t i, field;

	for (i = 0; i < spec->n_sources; i++) {
		source = &spec->sources[i];
		free(source->path);
		free(source->glob);
		free(source->time_field);
		free(source->archive_dir);
	}
	for (i = 0; i < spec->n_queries; i++) {
		query = &spec->queries[i];
		for (field = 0; field < query->n_group_by; field++) {
			free(query->group_by[field].path);
			free(query->group_by[field].column);
		}
		free(query->group_by);
	}
	free(spec->sources);
	free(spec->queries);
	*spec = (struct spec){0};
}

bool spec_source_goes_on(const struct source_spec *before, const struct source_spec *now)
{
	return strcasecmp(before->name, now->name) == 0 && strcmp(before->path, now->path) == 0 &&
	       strcmp(before->glob, now->glob) == 0 && before->recursive == now->recursive &&
	       before->max_file_age_us == now->max_file_age_us &&
	       before->max_event_bytes == now->max_event_bytes &&
	       strcmp(before->time_field, now->time_field) == 0 &&
	       before->time_unit == now->time_unit;
}

bool spec_query_goes_on(const struct query_spec *before, const struct query_spec *now)
{
	bool begins_retention = before->retention_us < 0 && now->retention_us >= 0;

	return strcasecmp(before->name, now->name) == 0 &&
	       (!begins_retention || now->output_mode == OUTPUT_COMPLETE);
}

/* Values are quoted as JSON strings, so that no path or name can look like the next line. */
static void add_text(struct buf *buf, const char *key, const char *text)
{
	buf_printf(buf, "%s=", key);
	json_write_string(buf, text, strlen(text));
	buf_add_char(buf, '\n');
}

static void add_int(struct buf *buf, const char *key, int64_t n)
{
	buf_printf(buf, "%s=", key);
	buf_add_int(buf, n);
	buf_add_char(buf, '\n');
}

/* -1 means "none" for the durations that may be left out. */
static void add_duration(struct buf *buf, const char *key, int64_t us)
{
	char text[DURATION_TEXT_BYTES] = "";

	if (us >= 0 || strcmp(key, "start_offset") == 0)
		(void)duration_format(us, text);
	buf_printf(buf, "%s=%s\n", key, text);
}

static void add_group_by(struct buf *buf, const struct query_spec *query)
{
	const struct field_spec *field;
	size_t i;

	buf_add_text(buf, "group_by=");
	for (i = 0; i < query->n_group_by; i++) {
		if (i > 0)
			buf_add_char(buf, ',');
		field = &query->group_by[i];
		json_write_string(buf, field->path, strlen(field->path));
		buf_add_text(buf, " AS ");
		json_write_string(buf, field->column, strlen(field->column));
	}
	buf_add_char(buf, '\n');
}

char *spec_query_definition(const struct spec *spec, size_t index)
{
	const struct query_spec *query = &spec->queries[index];
	const struct source_spec *source = &spec->sources[query->source];
	struct buf buf = {0};

	add_text(&buf, "path", source->path);
	add_text(&buf, "glob", source->glob);
	add_int(&buf, "recursive", source->recursive);
	add_text(&buf, "time_field", source->time_field);
	add_text(&buf, "time_unit", time_unit_name(source->time_unit));
	add_int(&buf, "max_event_bytes", source->max_event_bytes);
	add_duration(&buf, "max_file_age", source->max_file_age_us);
	add_group_by(&buf, query);
	add_duration(&buf, "window", query->window_us);
	add_duration(&buf, "slide", query->slide_us);
	add_duration(&buf, "start_offset", query->start_offset_us);
	add_duration(&buf, "session", query->session_us);
	add_duration(&buf, "watermark", query->watermark_us);
	add_text(&buf, "output_mode", output_mode_name(query->output_mode));
	buf_add_char(&buf, '\0');
	if (!buf_ok(&buf)) {
		buf_fini(&buf);
		return NULL;
	}
	return buf.data;
}
