/* The families, and the spelling of labels. */
#include "sql/metrics.h"

#include "sql/print_cell.h"

#include <inttypes.h>
#include <stdlib.h>
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

/*
 * A label's name has letters, digits and underscores only, begins with no digit, and with two
 * underscores only where it is Prometheus' own, which takes it away.
 */
static void add_label_base(struct buf *out, const char *name)
{
	size_t mark = out->len;

	for (size_t i = 0; name[i] != '\0'; i++) {
		char c = name[i];
		bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (i > 0 && c >= '0' && c <= '9');

		buf_add_char(out, fits ? c : '_');
	}
	if (out->len == mark)
		buf_add_char(out, '_');
	if (out->len - mark >= 2 && memcmp(out->data + mark, "__", 2) == 0)
		out->data[mark] = 'x';
}

static bool is_among(const char *name, char *const *labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(labels[i], name) == 0)
			return true;
	return false;
}

/* The name in `base`, or with the first number behind it that no other label has; NULL: no memory.
 */
static char *number(const char *base, char *const *labels, size_t at, size_t n)
{
	struct buf name = {0};

	for (size_t i = 2;; i++) {
		buf_clear(&name);
		buf_printf(&name, "%s_%zu", base, i);
		buf_add_char(&name, '\0');
		if (!buf_ok(&name)) {
			buf_fini(&name);
			return NULL;
		}
		if (!is_among(name.data, labels, at) &&
			!is_among(name.data, labels + at + 1, n - at - 1))
			return name.data;
	}
}

int metric_labels_spell(char **labels, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct buf base = {0};

		add_label_base(&base, labels[i]);
		buf_add_char(&base, '\0');
		if (!buf_ok(&base)) {
			buf_fini(&base);
			return err_nomem(err);
		}
		free(labels[i]);
		labels[i] = base.data;
	}
	for (size_t i = 1; i < n; i++) {
		char *name;

		if (!is_among(labels[i], labels, i))
			continue;
		name = number(labels[i], labels, i, n);
		if (name == NULL)
			return err_nomem(err);
		free(labels[i]);
		labels[i] = name;
	}
	return 0;
}

void metric_add_totals_sql(struct buf *sql, const char *query, const char *const *fields, size_t n)
{
	buf_add_text(sql, "SELECT ");
	cell_add_sql_string(sql, text_of(query));
	buf_add_text(sql, " AS query");
	for (size_t i = 0; i < n; i++) {
		buf_add_text(sql, ", ifnull(");
		cell_add_identifier(sql, fields[i]);
		buf_add_text(sql, ", '') AS ");
		cell_add_identifier(sql, fields[i]);
	}
	buf_add_text(sql, ", sum(count) FROM ");
	cell_add_identifier(sql, query);
	buf_add_text(sql, " GROUP BY 1");
	for (size_t i = 0; i < n; i++)
		buf_printf(sql, ", %zu", i + 2);
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
		buf_add_text(out, labels[i]);
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
