/* The families, and the escaping of labels. */
#include "sql/metrics.h"

#include <inttypes.h>
#include <string.h>

static const struct metric_family families[] = {
	{"tallyd_build_info", "gauge", "The daemon's version.",
		"SELECT tally_version() AS version, 1"},
	{"tallyd_events_total", "counter", "Events counted.",
		"SELECT name AS query, source, events FROM queries ORDER BY 1"},
	{"tallyd_bytes_total", "counter", "Bytes read.",
		"SELECT name AS query, source, bytes FROM queries ORDER BY 1"},
	{"tallyd_rejects_total", "counter", "Pieces of input that are no events.",
		"SELECT source, reason, count FROM reject_totals ORDER BY 1, 2"},
	{"tallyd_late_total", "counter", "Events that came too late for a window.",
		"SELECT name AS query, late FROM queries ORDER BY 1"},
	{"tallyd_refused_total", "counter", "Events refused because there were too many groups.",
		"SELECT name AS query, refused FROM queries ORDER BY 1"},
	{"tallyd_groups", "gauge", "Groups, one for each window and value.",
		"SELECT name AS query, \"groups\" FROM queries ORDER BY 1"},
	{"tallyd_batches_total", "counter", "Batches run.",
		"SELECT name AS query, ifnull(batch_id + 1, 0) FROM queries ORDER BY 1"},
	{"tallyd_files", "gauge", "Files of a source by their state.",
		"SELECT source, state, count(*) FROM files GROUP BY 1, 2 ORDER BY 1, 2"},
	{"tallyd_files_behind", "gauge", "Files that are not read to their end.",
		"SELECT name AS query, files_behind FROM queries ORDER BY 1"},
	{"tallyd_query_active", "gauge", "1 when the query runs.",
		"SELECT name AS query, state, state IN ('ACTIVE', 'INITIALIZING') FROM queries"
		" ORDER BY 1"},
	{"tallyd_trigger_seconds", "gauge", "How long the last batch took.",
		"SELECT query, trigger_ms / 1000.0 FROM progress AS p WHERE batch_id ="
		" (SELECT max(batch_id) FROM progress WHERE query = p.query) ORDER BY 1"},
	{"tallyd_rows_per_second", "gauge", "Events a second in the last batch.",
		"SELECT query, processed_rows_per_second FROM progress AS p WHERE batch_id ="
		" (SELECT max(batch_id) FROM progress WHERE query = p.query) ORDER BY 1"},
	{"tallyd_newest_event_timestamp_seconds", "gauge", "Time of the newest event.",
		"SELECT query, unix_timestamp(time) FROM newest_events WHERE time IS NOT NULL"
		" ORDER BY 1"},
	{"tallyd_lag_seconds", "gauge", "Age of the newest event.",
		"SELECT query, unix_timestamp() - unix_timestamp(time) FROM newest_events"
		" WHERE time IS NOT NULL ORDER BY 1"},
	{"tallyd_sessions", "gauge", "Client connections.",
		"SELECT protocol, count(*) FROM sessions GROUP BY 1 ORDER BY 1"},
};

const struct metric_family *metric_family_at(size_t i)
{
	return i < sizeof(families) / sizeof(families[0]) ? &families[i] : NULL;
}

void metric_add_head(struct buf *out, const struct metric_family *family, bool is_openmetrics)
{
	size_t len = strlen(family->name);

	/* OpenMetrics names the family without what its counters' samples end in. */
	if (is_openmetrics && len > 6 && strcmp(family->name + len - 6, "_total") == 0)
		len -= 6;
	buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, family->name, family->help,
		(int)len, family->name, family->type);
}

/* A label's name has letters, digits and underscores only. */
static char label_char(const char *name, size_t i)
{
	char c = name[i];
	bool fits =
		(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (i > 0 && c >= '0' && c <= '9');

	return fits || c == '\0' ? c : '_';
}

static bool is_same_label(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] != '\0' && label_char(a, i) == label_char(b, i))
		i++;
	return a[i] == b[i];
}

/* A name that an earlier label has gets a number: a sample with one label twice is refused. */
static void add_label_name(struct buf *out, const char *const *labels, size_t at)
{
	size_t n_same = 1;

	for (size_t i = 0; i < at; i++)
		n_same += is_same_label(labels[i], labels[at]);
	for (size_t i = 0; labels[at][i] != '\0'; i++)
		buf_add_char(out, label_char(labels[at], i));
	if (n_same > 1)
		buf_printf(out, "_%zu", n_same);
}

static void add_label_value(struct buf *out, const char *text, size_t len)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n') {
			buf_add_text(out, "\\n");
			continue;
		}
		if (text[i] == '"' || text[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, text[i]);
	}
	buf_add_char(out, '"');
}

static void add_number(struct buf *out, const struct value *value)
{
	if (value->type == VALUE_INTEGER)
		buf_printf(out, " %" PRId64 "\n", value->integer);
	else
		buf_printf(out, " %.17g\n", value->type == VALUE_REAL ? value->real : 0.0);
}

void metric_add_sample(struct buf *out, const char *name, const char *const *labels,
	const struct value *row, size_t n)
{
	size_t last = n - 1;

	buf_add_text(out, name);
	for (size_t i = 0; i < last; i++) {
		bool is_text = row[i].type == VALUE_TEXT || row[i].type == VALUE_BLOB;

		buf_add_char(out, i == 0 ? '{' : ',');
		add_label_name(out, labels, i);
		buf_add_char(out, '=');
		if (row[i].type == VALUE_INTEGER)
			buf_printf(out, "\"%" PRId64 "\"", row[i].integer);
		else
			add_label_value(out, is_text ? row[i].data : "", is_text ? row[i].len : 0);
	}
	if (last > 0)
		buf_add_char(out, '}');
	add_number(out, &row[last]);
}
