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

int newest_event(
	struct shell *shell, const char *query, int64_t *time_us, bool *found, struct err *err)
{
	struct result rows = {0};
	char *sql = query != NULL
			    ? sqlite3_mprintf("SELECT json FROM progress WHERE query = %Q", query)
			    : sqlite3_mprintf("SELECT json FROM progress");
	int rc = sql != NULL ? shell_ask(shell, sql, &rows, err) : err_nomem(err);

	*found = false;
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
