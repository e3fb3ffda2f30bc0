/*
 * `--verify`: each query's counts beside a recount of the files that are there
 * now. Where they differ, what could explain it is looked for: then the two
 * cannot be compared. Without an explanation they are different.
 */
#include "client/actions.h"

#include "client/report.h"
#include "sql/print_cell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Files may grow between the two looks: another look then. */
#define ROUNDS       3
#define SHOWN_GROUPS "20"

/* The columns of the query's table as a list, and whether there are any. */
static int list_columns(
	struct shell *shell, const char *query, struct buf *columns, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("PRAGMA table_info(%Q)", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	for (size_t i = 0; i < rows.n_rows; i++) {
		if (strcmp(result_text(&rows, i, 1), "count") == 0)
			continue;
		buf_add_text(columns, columns->len > 0 ? ", " : "");
		cell_add_identifier(columns, result_text(&rows, i, 1));
	}
	buf_add_char(columns, '\0');
	result_fini(&rows);
	sqlite3_free(sql);
	return rc;
}

/* Groups whose numbers differ, with both numbers. */
static char *difference_query(const char *query, const char *columns)
{
	return sqlite3_mprintf(
		"SELECT %s, sum(c) AS counted, sum(f) AS in_files FROM"
		" (SELECT %s, count AS c, 0 AS f FROM \"%w\" UNION ALL"
		"  SELECT %s, 0, count FROM \"static_%w\")"
		" GROUP BY %s HAVING sum(c) != sum(f) ORDER BY %s LIMIT " SHOWN_GROUPS,
		columns, columns, query, columns, query, columns, columns);
}

/* Why the counts need not equal the files; one sentence a row. */
static char *reason_query(const char *query)
{
	return sqlite3_mprintf(
		"SELECT name || ' is ' || state FROM queries WHERE name = %Q"
		" AND state NOT IN ('ACTIVE', 'TERMINATED') UNION ALL"
		" SELECT files_behind || ' files are not read to their end' FROM queries"
		" WHERE name = %Q AND files_behind > 0 UNION ALL"
		" SELECT late || ' events came too late or were dropped by retention' FROM queries"
		" WHERE name = %Q AND late > 0 UNION ALL"
		" SELECT refused || ' events were refused by max_groups' FROM queries"
		" WHERE name = %Q AND refused > 0 UNION ALL"
		" SELECT 'the table shows closed windows only (output_mode append)' FROM queries"
		" WHERE name = %Q AND output_mode = 'append' UNION ALL"
		" SELECT 'retention drops old windows' FROM settings"
		" WHERE name = %Q || '.retention' AND ifnull(value, '') != '' UNION ALL"
		" SELECT count(*) || ' counted files are ' || f.state FROM files f, queries q"
		" WHERE q.name = %Q AND f.source = q.source"
		" AND f.state IN ('archived', 'deleted', 'missing') GROUP BY f.state UNION ALL"
		" SELECT count(*) || ' files cannot be read' FROM files f, queries q"
		" WHERE q.name = %Q AND f.source = q.source AND f.state = 'error'"
		" GROUP BY f.state UNION ALL"
		" SELECT q.name || ': ' || q.message FROM queries q"
		" WHERE q.name = %Q AND ifnull(q.message, '') != ''",
		query, query, query, query, query, query, query, query, query);
}

/* What is in the files is counted first, where we may ask for it. */
static void catch_up(struct shell *shell, const char *query)
{
	struct result nothing = {0};
	struct err err = ERR_INIT;
	char *sql = sqlite3_mprintf("SELECT process_all_available(%Q)", query);

	if (sql != NULL)
		(void)!shell_ask(shell, sql, &nothing, &err);
	result_fini(&nothing);
	sqlite3_free(sql);
}

/* 0 equal, 1 different, 2 for a reason, negative: an error. */
static int verify_query(struct shell *shell, const char *query, struct err *err)
{
	struct buf columns = {0};
	struct result reasons = {0};
	char *difference = NULL;
	char *reason = NULL;
	size_t n_different = 0;
	int rc = list_columns(shell, query, &columns, err);

	if (rc == 0) {
		difference = difference_query(query, buf_ok(&columns) ? columns.data : "");
		reason = reason_query(query);
		rc = difference != NULL && reason != NULL ? 0 : err_nomem(err);
	}
	for (int round = 0; round < ROUNDS && rc == 0; round++) {
		struct result rows = {0};

		catch_up(shell, query);
		rc = shell_ask(shell, difference, &rows, err);
		n_different = rows.n_rows;
		result_fini(&rows);
		if (n_different == 0)
			break;
	}
	if (rc == 0 && n_different > 0)
		rc = shell_ask(shell, reason, &reasons, err);
	if (rc == 0 && n_different > 0) {
		buf_printf(&shell->text, "%s: counts and files differ%s\n", query,
			reasons.n_rows > 0 ? ", and cannot be compared:" : "");
		for (size_t i = 0; i < reasons.n_rows; i++)
			buf_printf(&shell->text, "  %s\n", result_text(&reasons, i, 0));
		rc = report_table(shell, difference, err);
		if (rc == 0)
			rc = reasons.n_rows > 0 ? 2 : 1;
	} else if (rc == 0) {
		buf_printf(&shell->text, "%s: counts and files are equal\n", query);
	}
	result_fini(&reasons);
	sqlite3_free(difference);
	sqlite3_free(reason);
	buf_fini(&columns);
	return rc;
}

int action_verify(struct shell *shell)
{
	struct result queries = {0};
	struct err err = ERR_INIT;
	int status = 0;
	int rc = shell_ask(shell, "SELECT name FROM queries ORDER BY name", &queries, &err);

	for (size_t i = 0; i < queries.n_rows && rc >= 0; i++) {
		rc = verify_query(shell, result_text(&queries, i, 0), &err);
		/* Different weighs more than incomparable. */
		if (rc == 1 || (rc == 2 && status == 0))
			status = rc;
		shell_flush(shell);
	}
	result_fini(&queries);
	if (rc >= 0)
		return status;
	(void)fprintf(stderr, "Error: %s\n", err.text);
	return 2;
}
