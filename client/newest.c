/* Documents are read with base/json.h: they come from the daemon, but through SQL. */
#include "client/newest.h"

#include "base/json.h"
#include "base/timestamp.h"

#include <sqlite3.h>
#include <string.h>

bool newest_in_progress(const char *json, int64_t *time_us)
{
	struct json_scan scan = {.at = json, .end = json + strlen(json)};
	struct json_value document;
	struct json_value times;
	struct json_value newest;
	char text[64];

	if (*json != '{' || json_read_value(&scan, &document) != JSON_OK)
		return false;
	if (!json_find_member(&document, "eventTime", 9, &times) || times.type != JSON_OBJECT)
		return false;
	if (!json_find_member(&times, "max", 3, &newest) || newest.type != JSON_STRING ||
		newest.len >= sizeof(text))
		return false;
	return timestamp_parse(text, json_unescape(&newest, text), time_us);
}

/* Where no document tells it: the newest window's end, which no event of it has passed. */
static int newest_window(
	struct shell *shell, const char *query, int64_t *time_us, bool *found, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("SELECT max(window_end) FROM \"%w\"", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	if (rc == 0 && rows.n_rows == 1) {
		const char *text = result_text(&rows, 0, 0);

		*found = timestamp_parse_bound(text, strlen(text), time_us);
	}
	result_fini(&rows);
	sqlite3_free(sql);
	return rc;
}

static int newest_document(
	struct shell *shell, const char *query, int64_t *time_us, bool *found, struct err *err)
{
	struct result rows = {0};
	char *sql = sqlite3_mprintf("SELECT json FROM progress WHERE query = %Q", query);
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	for (size_t i = 0; i < rows.n_rows && rc == 0; i++) {
		int64_t time;

		if (!newest_in_progress(result_text(&rows, i, 0), &time))
			continue;
		if (!*found || time > *time_us)
			*time_us = time;
		*found = true;
	}
	result_fini(&rows);
	sqlite3_free(sql);
	return rc;
}

int newest_event(
	struct shell *shell, const char *query, int64_t *time_us, bool *found, struct err *err)
{
	struct result queries = {0};
	char *sql = query != NULL
			    ? sqlite3_mprintf("SELECT name FROM queries WHERE name = %Q", query)
			    : sqlite3_mprintf("SELECT name FROM queries");
	int rc = sql != NULL ? shell_ask(shell, sql, &queries, err) : err_nomem(err);

	*found = false;
	for (size_t i = 0; i < queries.n_rows && rc == 0; i++) {
		const char *name = result_text(&queries, i, 0);
		int64_t newest_us = 0;
		bool has_one = false;

		rc = newest_document(shell, name, &newest_us, &has_one, err);
		if (rc == 0 && !has_one)
			rc = newest_window(shell, name, &newest_us, &has_one, err);
		if (has_one && (!*found || newest_us > *time_us))
			*time_us = newest_us;
		*found |= has_one;
	}
	result_fini(&queries);
	sqlite3_free(sql);
	return rc;
}
