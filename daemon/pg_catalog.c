/* Functions and tables joined into the extension that PostgreSQL sessions get. */
#include "daemon/pg_catalog.h"

#include "daemon/pg_functions.h"
#include "daemon/pg_tables.h"

static int install(void *context, sqlite3 *db, struct connection *connection, struct err *err)
{
	int rc = pg_functions_install(db, connection);

	(void)context;
	if (rc == SQLITE_OK)
		rc = pg_tables_install(db);
	if (rc == SQLITE_NOMEM)
		return err_nomem(err);
	if (rc != SQLITE_OK)
		return err_set(err, ERR_SQL, "cannot install the catalog: %s", sqlite3_errmsg(db));
	return 0;
}

const struct sql_extension pg_catalog = {
	.install = install, .functions = pg_function_names, .function_type = pg_function_type};
