/*
 * Virtual tables are named after the sources and queries. Where there is no
 * table `queries` it is no daemon that answers, and the schema is all there is.
 */
#include "client/catalog.h"

#include <sqlite3.h>

#define SCHEMA_TABLES                                                                              \
	"SELECT iif(schema = 'main', '', schema || '.') || name AS name FROM pragma_table_list"    \
	" WHERE type IN ('table', 'view', 'virtual')"

#define MADE_TABLES                                                                                \
	" UNION SELECT source FROM main.queries UNION SELECT 'static_' || name FROM main.queries"  \
	" UNION SELECT 'sessions' UNION SELECT 'system_check'"

int catalog_tables(struct shell *shell, const char *pattern, struct result *names, struct err *err)
{
	static const char *const lists[] = {SCHEMA_TABLES MADE_TABLES, SCHEMA_TABLES};
	int rc = ERR_SQL;

	for (size_t i = 0; i < 2 && rc == ERR_SQL; i++) {
		char *sql =
			sqlite3_mprintf("SELECT name FROM (%s) WHERE name NOT LIKE 'sqlite_%%'"
					" AND name NOT LIKE 'temp.sqlite_%%'"
					" AND substr(name, 1 + 5 * (name LIKE 'temp.%%')) LIKE %Q"
					" ORDER BY 1",
				lists[i], pattern);

		result_fini(names);
		rc = sql != NULL ? shell_ask(shell, sql, names, err) : err_nomem(err);
		sqlite3_free(sql);
	}
	return rc;
}
