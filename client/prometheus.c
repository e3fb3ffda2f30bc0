/*
 * `--prometheus`: the daemon's numbers in Prometheus' text format 0.0.4. One
 * family after the other, each with its help and its type, samples of a family
 * together, as the format asks.
 */
#include "client/actions.h"

#include "base/file.h"
#include "base/mem.h"
#include "sql/metrics.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	struct metric_family family = {.name = name, .type = type, .help = help};

	metric_add_head(out, &family, false);
}

static int add_samples(
	struct buf *out, const char *name, const struct result *rows, struct err *err)
{
	char **labels = mem_new_array(rows->n_columns + 1, sizeof(*labels));
	bool is_whole = labels != NULL;
	int rc;

	for (size_t i = 0; is_whole && i < rows->n_columns; i++) {
		labels[i] = mem_copy_text(rows->names[i], strlen(rows->names[i]));
		is_whole = labels[i] != NULL;
	}
	rc = is_whole ? metric_labels_spell(labels, rows->n_columns, err) : err_nomem(err);
	for (size_t i = 0; i < rows->n_rows && rc == 0; i++)
		metric_add_sample(out, name, (const char *const *)labels,
			&rows->cells[i * rows->n_columns], rows->n_columns);
	for (size_t i = 0; labels != NULL && i < rows->n_columns; i++)
		free(labels[i]);
	free((void *)labels);
	return rc;
}

static int add_family(
	struct shell *shell, const struct metric_family *family, struct buf *out, struct err *err)
{
	struct result rows = {0};
	int rc = shell_ask(shell, family->sql, &rows, err);

	if (rc == 0 && rows.n_rows > 0)
		metric_add_head(out, family, false);
	if (rc == 0)
		rc = add_samples(out, family->name, &rows, err);
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

/* The statement for the totals of a query, of which the fields are the first columns. */
static int add_totals_sql(
	struct shell *shell, const char *query, struct buf *statement, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("PRAGMA table_info(%Q)", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);
	const char **fields = mem_new_array(rows.n_rows + 1, sizeof(*fields));
	size_t n = 0;

	if (rc == 0 && fields == NULL)
		rc = err_nomem(err);
	while (rc == 0 && n < rows.n_rows &&
		strcmp(fields[n] = result_text(&rows, n, 1), "window_start") != 0)
		n++;
	if (rc == 0)
		metric_add_totals_sql(statement, query, fields, n);
	buf_add_char(statement, '\0');
	if (rc == 0 && !buf_ok(statement))
		rc = err_nomem(err);
	free((void *)fields);
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
		struct buf sql = {0};
		struct result rows = {0};

		rc = add_totals_sql(shell, result_text(&queries, i, 0), &sql, err);
		if (rc == 0)
			rc = shell_ask(shell, sql.data, &rows, err);
		if (rc == 0)
			rc = add_samples(out, "tallyd_group_events", &rows, err);
		result_fini(&rows);
		buf_fini(&sql);
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
