/* Names and lifetime of what is to be counted. */
#include "stream/spec.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdlib.h>

static void source_spec_fini(struct source_spec *source)
{
	free(source->path);
	free(source->glob);
	free(source->time_field);
	free(source->archive_dir);
}

static void query_spec_fini(struct query_spec *query)
{
	for (size_t i = 0; i < query->n_group_by; i++) {
		free(query->group_by[i].path);
		free(query->group_by[i].column);
	}
	free(query->group_by);
}

void spec_fini(struct spec *spec)
{
	for (size_t i = 0; i < spec->n_sources; i++)
		source_spec_fini(&spec->sources[i]);
	for (size_t i = 0; i < spec->n_queries; i++)
		query_spec_fini(&spec->queries[i]);
	free(spec->sources);
	free(spec->queries);
	*spec = (struct spec){0};
}

const char *output_mode_name(enum output_mode mode)
{
	static const char *const names[] = {
		[OUTPUT_COMPLETE] = "complete",
		[OUTPUT_APPEND] = "append",
		[OUTPUT_UPDATE] = "update",
	};

	return names[mode];
}

const char *time_unit_name(enum time_unit unit)
{
	static const char *const names[] = {
		[TIME_UNIT_S] = "s",
		[TIME_UNIT_MS] = "ms",
		[TIME_UNIT_US] = "us",
		[TIME_UNIT_NS] = "ns",
	};

	return names[unit];
}

char *spec_query_definition(const struct spec *spec, size_t index)
{
	const struct query_spec *query = &spec->queries[index];
	const struct source_spec *source = &spec->sources[query->source];
	struct buf text = {0};

	buf_printf(&text, "path=%s\nglob=%s\nrecursive=%d\n", source->path, source->glob,
		source->recursive);
	buf_printf(&text, "time_field=%s\ntime_unit=%s\n", source->time_field,
		time_unit_name(source->time_unit));
	buf_printf(&text, "max_event_bytes=%" PRId64 "\nmax_file_age=%" PRId64 "\n",
		source->max_event_bytes, source->max_file_age_us);
	buf_add_text(&text, "group_by=");
	for (size_t i = 0; i < query->n_group_by; i++)
		buf_printf(&text, "%s%s AS %s", i == 0 ? "" : ", ", query->group_by[i].path,
			query->group_by[i].column);
	buf_printf(&text, "\nwindow=%" PRId64 "\nslide=%" PRId64 "\nstart_offset=%" PRId64 "\n",
		query->window_us, query->slide_us, query->start_offset_us);
	buf_printf(&text, "session=%" PRId64 "\nwatermark=%" PRId64 "\noutput_mode=%s\n",
		query->session_us, query->watermark_us, output_mode_name(query->output_mode));
	buf_add_char(&text, '\0');
	if (buf_ok(&text))
		return text.data;
	buf_fini(&text);
	return NULL;
}
