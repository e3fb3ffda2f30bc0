/* The questions behind the reports. */
#include "client/report.h"

#include "client/display.h"
#include "client/terminal.h"

#include <unistd.h>

int report_table(struct shell *shell, const char *sql, struct err *err)
{
	struct print_options print;
	struct terminal terminal;
	struct result rows = {0};
	int rc = shell_ask(shell, sql, &rows, err);

	/* Names of files and pieces of input hold what others wrote. */
	if (rc == 0)
		rc = result_escape(&rows, "", err);
	if (rc == 0 && rows.n_rows > 0) {
		print_options_init(&print);
		if (output_is_terminal(&shell->output)) {
			terminal_measure(&terminal, STDOUT_FILENO);
			rc = display_fitted(&rows, &print, &terminal, &shell->text, err);
		} else {
			print_options_set_mode(&print, PRINT_COLUMN);
			print.wrap = 0;
			rc = display_printed(&rows, &print, &shell->text, err);
		}
	}
	result_fini(&rows);
	return rc;
}

int report_status(struct shell *shell, struct err *err)
{
	static const char queries[] = "SELECT name, state, files, files_behind AS behind, events, "
				      "rejects, late, \"groups\""
				      " FROM queries ORDER BY name";
	static const char messages[] =
		"SELECT name || ': ' || coalesce(exception, message) AS message FROM queries"
		" WHERE coalesce(exception, message, '') NOT IN ('', 'Waiting for data to arrive',"
		" 'Waiting for next trigger', 'Processing new data') ORDER BY name";
	static const char files[] =
		"SELECT source, path, reason FROM files WHERE state = 'error' ORDER BY mtime DESC"
		" LIMIT 8";
	static const char batches[] =
		"SELECT query, batch_id AS batch, substr(timestamp, 1, 19) AS at, files,"
		" num_input_rows AS events, CAST(processed_rows_per_second AS INTEGER) AS "
		"\"events/s\","
		" round(trigger_ms, 1) AS ms FROM progress ORDER BY timestamp DESC, batch_id DESC "
		"LIMIT 8";
	static const struct {
		const char *title, *sql;
	} parts[] = {{"Queries", queries}, {"Messages", messages}, {"Files in error", files},
		{"Last batches", batches}};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t before = shell->text.len;
		size_t begin;
		int rc;

		buf_printf(&shell->text, "%s%s\n", i > 0 ? "\n" : "", parts[i].title);
		begin = shell->text.len;
		rc = report_table(shell, parts[i].sql, err);
		if (rc < 0)
			return rc;
		if (shell->text.len == begin && buf_ok(&shell->text))
			shell->text.len = before;
	}
	return 0;
}
