/* Functions and tables joined into the extension that PostgreSQL sessions get. */
#include "daemon/pg_catalog.h"

#include "daemon/pg_functions.h"
#include "daemon/pg_tables.h"

#include <assert.h>
#include <pthread.h>

#define MAX_NAMES 80

static int install(void *context, sqlite3 *db, struct err *err)
{
	int rc = pg_functions_install(db);

	(void)context;
	if (rc == SQLITE_OK)
		rc = pg_tables_install(db);
	if (rc == SQLITE_NOMEM)
		return err_nomem(err);
	if (rc != SQLITE_OK)
		return err_set(err, ERR_SQL, "cannot install the catalog: %s", sqlite3_errmsg(db));
	return 0;
}

static const char *function_names[MAX_NAMES];
static const char *module_names[MAX_NAMES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The tables behind the catalog's SELECTs must pass the guard too. */
static void list_names(void)
{
	size_t n = 0;

	while (pg_function_name_at(n) != NULL) {
		assert(n + 1 < MAX_NAMES);
		function_names[n] = pg_function_name_at(n);
		n++;
	}
	n = 0;
	while (pg_table_at(n) != NULL) {
		assert(n + 4 < MAX_NAMES);
		module_names[n] = pg_table_at(n)->name;
		n++;
	}
	module_names[n++] = "pragma_table_list";
	module_names[n++] = "pragma_table_xinfo";
	module_names[n] = "pragma_function_list";
}

const struct sql_extension *pg_catalog_extension(void)
{
	static const struct sql_extension extension = {
		.install = install, .functions = function_names, .modules = module_names};

	(void)pthread_once(&once, list_names);
	return &extension;
}
