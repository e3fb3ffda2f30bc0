/*
 * What is to be counted: sources and continuous queries, as the configuration
 * wrote them, checked and with every default filled in.
 *
 * Immutable once built: threads share a spec without a lock, and a reload
 * builds a new one. Texts are owned by the spec. Knows no file format.
 */
#ifndef STREAM_SPEC_H
#define STREAM_SPEC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPEC_NAME_BYTES 41 /* [A-Za-z_][A-Za-z0-9_]{0,39} and a NUL */

enum time_unit { TIME_UNIT_S, TIME_UNIT_MS, TIME_UNIT_US, TIME_UNIT_NS };
enum on_malformed { ON_MALFORMED_KEEP, ON_MALFORMED_FAIL };
enum clean_source { CLEAN_SOURCE_OFF, CLEAN_SOURCE_ARCHIVE, CLEAN_SOURCE_DELETE };
enum output_mode { OUTPUT_COMPLETE, OUTPUT_APPEND, OUTPUT_UPDATE };

/* A field of the events: where it stands in the object, and the column that shows it. */
struct field_spec {
	char *path;   /* `action`, or dotted: `user.id` */
	char *column; /* `action`, `id`, or what AS gave */
};

struct source_spec {
	char name[SPEC_NAME_BYTES];
	char *path; /* the directory, resolved (absolute) */
	char *glob;
	bool recursive;
	int64_t poll_interval_us;
	int64_t trigger_us;            /* 0: as soon as there is something */
	int64_t max_files_per_trigger; /* 0: no limit */
	int64_t max_bytes_per_trigger; /* 0: no limit */
	int64_t max_file_age_us;       /* -1: none */
	int64_t max_event_bytes;
	char *time_field; /* a dotted path reaches inside objects */
	enum time_unit time_unit;
	enum on_malformed on_malformed;
	enum clean_source clean_source;
	char *archive_dir; /* NULL: none */
};

struct query_spec {
	char name[SPEC_NAME_BYTES];
	size_t source; /* index into spec.sources */
	struct field_spec *group_by;
	size_t n_group_by; /* 0: one group */
	int64_t window_us; /* 0 where session_us is set */
	int64_t slide_us;  /* equals window_us for tumbling windows */
	int64_t start_offset_us;
	int64_t session_us;   /* the gap; 0: no session windows */
	int64_t watermark_us; /* the delay; -1: none */
	enum output_mode output_mode;
	int64_t retention_us; /* -1: none */
	int64_t max_groups;
};

struct spec {
	struct source_spec *sources;
	size_t n_sources;
	struct query_spec *queries;
	size_t n_queries;
	int threads; /* >= 1: workers of a batch */
};

void spec_fini(struct spec *spec);

/*
 * The canonical text of a query's definition: everything that decides its
 * numbers (the source's path, glob, recursive, time_field, time_unit,
 * max_event_bytes, max_file_age and the query's group_by, window, slide,
 * start_offset, session, watermark, output_mode; the columns of group_by too,
 * since a checkpoint's table has them), one `key=value` a line. Two queries
 * with the same text may share a checkpoint's counts. NULL: no memory.
 * The caller frees it.
 */
char *spec_query_definition(const struct spec *spec, size_t query);

/*
 * Whether a running source, or a running query of the same definition, can go on as it is where
 * `now` takes the place of `before`. The name and what the numbers follow from must be the same.
 * A query must also have at hand what its new limits need: rows that the watermark has closed are
 * kept in memory only for retention, so where that begins the query is to be restored.
 */
bool spec_source_goes_on(const struct source_spec *before, const struct source_spec *now);
bool spec_query_goes_on(const struct query_spec *before, const struct query_spec *now);

const char *output_mode_name(enum output_mode mode);
const char *time_unit_name(enum time_unit unit);

#endif
