/*
 * `--verify`: what the daemon's system_check says of each query, and, where its
 * counts and a recount of the files differ, which groups do.
 */
#include "client/actions.h"

#include "client/report.h"
#include "sql/print_cell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Files may grow between the count and the recount: another look then. */
#define ROUNDS       3
#define SHOWN_GROUPS "20"

enum verdict { VERDICT_EQUAL, VERDICT_DIFFERENT, VERDICT_NOT_COMPARABLE };

/* The columns of the query's table but its last, the count. */
static int list_columns(
	struct shell *shell, const char *query, struct buf *columns, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("PRAGMA table_info(%Q)", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	for (size_t i = 0; i + 1 < rows.n_rows; i++) {
		buf_add_text(columns, i > 0 ? ", " : "");
		cell_add_identifier(columns, result_text(&rows, i, 1));
	}
	buf_add_char(columns, '\0');
	if (rc == 0 && !buf_ok(columns))
		rc = err_nomem(err);
	result_fini(&rows);
	sqlite3_free(sql);
	return rc;
}

/* The groups whose numbers differ, with both numbers. */
static int show_differences(struct shell *shell, const char *query, struct err *err)
{
	struct buf columns = {0};
	char *sql = NULL;
	int rc = list_columns(shell, query, &columns, err);

	if (rc == 0) {
		sql = sqlite3_mprintf("SELECT %s, sum(c) AS counted, sum(f) AS in_files FROM"
				      " (SELECT %s, count AS c, 0 AS f FROM \"%w\" UNION ALL"
				      "  SELECT %s, 0, count FROM \"static_%w\")"
				      " GROUP BY %s HAVING sum(c) != sum(f) ORDER BY %s"
				      " LIMIT " SHOWN_GROUPS,
			columns.data, columns.data, query, columns.data, query, columns.data,
			columns.data);
		rc = sql != NULL ? report_table(shell, sql, err) : err_nomem(err);
	}
	sqlite3_free(sql);
	buf_fini(&columns);
	return rc;
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

/* Asks once; the reason is added to `reason`. */
static int ask_verdict(struct shell *shell, const char *query, enum verdict *verdict,
	struct buf *reason, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("SELECT verdict, reason FROM system_check(%Q)", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	if (rc == 0 && rows.n_rows != 1)
		rc = err_set(err, ERR_MISSING, "system_check knows no query \"%s\"", query);
	if (rc == 0) {
		const char *text = result_text(&rows, 0, 0);

		*verdict = strcmp(text, "equal") == 0       ? VERDICT_EQUAL
			   : strcmp(text, "different") == 0 ? VERDICT_DIFFERENT
							    : VERDICT_NOT_COMPARABLE;
		buf_clear(reason);
		buf_add_text(reason, result_text(&rows, 0, 1));
		buf_add_char(reason, '\0');
		rc = buf_ok(reason) ? 0 : err_nomem(err);
	}
	result_fini(&rows);
	sqlite3_free(sql);
	return rc;
}

static int verify_query(
	struct shell *shell, const char *query, enum verdict *verdict, struct err *err)
{
	struct buf reason = {0};
	int rc = 0;

	*verdict = VERDICT_DIFFERENT;
	for (int round = 0; round < ROUNDS && rc == 0 && *verdict == VERDICT_DIFFERENT; round++) {
		catch_up(shell, query);
		rc = ask_verdict(shell, query, verdict, &reason, err);
	}
	if (rc == 0 && *verdict == VERDICT_EQUAL)
		buf_printf(&shell->text, "%s: counts and files are equal\n", query);
	else if (rc == 0 && *verdict == VERDICT_NOT_COMPARABLE)
		buf_printf(&shell->text, "%s: counts and files cannot be compared: %s\n", query,
			reason.data);
	if (rc == 0 && *verdict == VERDICT_DIFFERENT) {
		buf_printf(&shell->text, "%s: counts and files differ\n", query);
		rc = show_differences(shell, query, err);
	}
	buf_fini(&reason);
	return rc;
}

int action_verify(struct shell *shell)
{
	struct result queries = {0};
	struct err err = ERR_INIT;
	bool is_different = false;
	bool is_comparable = true;
	int rc = shell_ask(shell, "SELECT name FROM queries ORDER BY name", &queries, &err);

	for (size_t i = 0; i < queries.n_rows && rc == 0; i++) {
		enum verdict verdict;

		rc = verify_query(shell, result_text(&queries, i, 0), &verdict, &err);
		is_different |= rc == 0 && verdict == VERDICT_DIFFERENT;
		is_comparable &= rc == 0 && verdict != VERDICT_NOT_COMPARABLE;
		shell_flush(shell);
	}
	result_fini(&queries);
	if (rc < 0)
		(void)fprintf(stderr, "Error: %s\n", err.text);
	/* Different weighs more than not comparable. */
	return is_different ? 1 : rc == 0 && is_comparable ? 0 : 2;
}
