/*
 * `--prometheus`: the daemon's numbers in Prometheus' text format 0.0.4. One
 * family after the other, each with its help and its type, samples of a family
 * together, as the format asks.
 */
#include "client/actions.h"

#include "base/file.h"
#include "sql/metrics.h"
#include "sql/print_cell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	struct metric_family family = {.name = name, .type = type, .help = help};

	metric_add_head(out, &family, false);
}

static int add_family(
	struct shell *shell, const struct metric_family *family, struct buf *out, struct err *err)
{
	struct result rows = {0};
	int rc = shell_ask(shell, family->sql, &rows, err);

	if (rc == 0 && rows.n_rows > 0)
		metric_add_head(out, family, false);
	for (size_t i = 0; i < rows.n_rows && rc == 0; i++)
		metric_add_sample(out, family->name, rows.names, &rows.cells[i * rows.n_columns],
			rows.n_columns);
	result_fini(&rows);
	return rc;
}

/* Resident memory of the process that answers, where we can see it. */
static void add_memory(struct shell *shell, struct buf *out)
{
	long pid = connection_peer_pid(shell->connection);
	char path[64];
	char line[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	file = pid > 0 ? fopen(path, "re") : NULL;
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "VmRSS:", 6) != 0)
			continue;
		add_head(out, "tallyd_resident_memory_bytes", "gauge",
			"Resident memory of the daemon.");
		buf_printf(out, "tallyd_resident_memory_bytes %lld\n",
			strtoll(line + 6, NULL, 10) * 1024);
	}
	(void)fclose(file);
}

/* The fields of a query's table, as SQL. */
static int list_fields(struct shell *shell, const char *query, struct buf *fields, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("PRAGMA table_info(%Q)", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	for (size_t i = 0; i < rows.n_rows; i++) {
		const char *name = result_text(&rows, i, 1);

		if (strcmp(name, "window_start") == 0)
			break;
		cell_add_identifier(fields, name);
		buf_add_text(fields, ", ");
	}
	buf_add_char(fields, '\0');
	result_fini(&rows);
	sqlite3_free(sql);
	return rc;
}

/* Totals of all groups over all windows: on demand only, because there may be many. */
static int add_totals(struct shell *shell, struct buf *out, struct err *err)
{
	struct result queries = {0};
	int rc = shell_ask(shell, "SELECT name FROM queries ORDER BY 1", &queries, err);

	if (rc == 0 && queries.n_rows > 0)
		add_head(out, "tallyd_group_events", "gauge",
			"Sum of a group's counts over all windows.");
	for (size_t i = 0; i < queries.n_rows && rc == 0; i++) {
		const char *query = result_text(&queries, i, 0);
		struct buf fields = {0};
		struct result rows = {0};
		char *sql = NULL;

		rc = list_fields(shell, query, &fields, err);
		if (rc == 0)
			sql = sqlite3_mprintf(
				"SELECT %Q AS query, %s sum(count) FROM \"%w\" GROUP BY %s 1",
				query, fields.data, query, fields.data);
		if (rc == 0)
			rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);
		for (size_t row = 0; row < rows.n_rows && rc == 0; row++)
			metric_add_sample(out, "tallyd_group_events", rows.names,
				&rows.cells[row * rows.n_columns], rows.n_columns);
		result_fini(&rows);
		sqlite3_free(sql);
		buf_fini(&fields);
	}
	result_fini(&queries);
	return rc;
}

static int gather(struct shell *shell, bool with_totals, struct buf *out, struct err *err)
{
	int rc = shell_connect(shell, err);

	if (rc == 0)
		connection_watch_peer(shell->connection);
	for (size_t i = 0; metric_family_at(i) != NULL && rc == 0; i++)
		rc = add_family(shell, metric_family_at(i), out, err);
	if (rc == 0)
		add_memory(shell, out);
	if (rc == 0 && with_totals)
		rc = add_totals(shell, out, err);
	if (rc == 0) {
		add_head(out, "tallyd_up", "gauge", "1 when the daemon answered.");
		buf_add_text(out, "tallyd_up 1\n");
	}
	return rc == 0 && !buf_ok(out) ? err_nomem(err) : rc;
}

int action_prometheus(struct shell *shell, const struct options *options)
{
	struct err err = ERR_INIT;
	struct buf out = {0};
	int rc = gather(shell, options->totals, &out, &err);

	/* A daemon that cannot be reached is a number as well: the file must not go on showing old
	 * ones. */
	if (rc < 0 && rc != ERR_SQL && rc != ERR_NOMEM) {
		buf_clear(&out);
		add_head(&out, "tallyd_up", "gauge", "1 when the daemon answered.");
		buf_add_text(&out, "tallyd_up 0\n");
		(void)fprintf(stderr, "Error: %s\n", err.text);
	} else if (rc < 0) {
		buf_clear(&out);
		(void)fprintf(stderr, "Error: %s\n", err.text);
	}
	if (out.len > 0 && options->output != NULL) {
		if (file_replace(options->output, out.data, out.len, 0644, &err) < 0) {
			(void)fprintf(stderr, "Error: %s\n", err.text);
			rc = err.code;
		}
	} else if (out.len > 0) {
		(void)fwrite(out.data, 1, out.len, stdout);
	}
	buf_fini(&out);
	return rc < 0 ? 1 : 0;
}
