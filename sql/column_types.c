/*
 * The types that results are announced with.
 */
#include "sql/connection.h"

#include <string.h>
#include <strings.h>

static bool contains(const char *text, const char *word)
{
	return strcasestr(text, word) != NULL;
}

const char *column_type_declared(const char *declared)
{
	if (declared == NULL || declared[0] == '\0')
		return "";
	/* SQLite's own rules of affinity (section 3.1 of its datatypes), after ours. */
	if (contains(declared, "TIMESTAMP"))
		return "TIMESTAMP";
	if (contains(declared, "INT") || contains(declared, "BOOL"))
		return "INTEGER";
	if (contains(declared, "CHAR") || contains(declared, "CLOB") || contains(declared, "TEXT"))
		return "TEXT";
	if (contains(declared, "BLOB"))
		return "BLOB";
	if (contains(declared, "REAL") || contains(declared, "FLOA") || contains(declared, "DOUB"))
		return "REAL";
	return "";
}
