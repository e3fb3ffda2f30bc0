/* Commands that look at what tables there are. */
#include "client/command.h"

#include "client/catalog.h"
#include "client/schema_text.h"
#include "client/words.h"
#include "sql/print_cell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* sqlite3's columns of names: padded to the longest, as many as fit into 80. */
static void add_names(struct buf *out, struct result *names)
{
	size_t longest = 0;
	size_t per_line;
	size_t n_lines;

	for (size_t i = 0; i < names->n_rows; i++) {
		size_t len = strlen(result_text(names, i, 0));

		if (len > longest)
			longest = len;
	}
	per_line = 80 / (longest + 2) > 0 ? 80 / (longest + 2) : 1;
	n_lines = (names->n_rows + per_line - 1) / per_line;
	for (size_t i = 0; i < n_lines; i++) {
		for (size_t j = i; j < names->n_rows; j += n_lines)
			buf_printf(out, "%s%-*s", j < n_lines ? "" : "  ", (int)longest,
				result_text(names, j, 0));
		buf_add_char(out, '\n');
	}
}

/* Asks `sql`, frees it, and shows the names that come back. */
static enum command_outcome show_names(struct shell *shell, char *sql)
{
	struct result names = {0};
	struct err err = ERR_INIT;
	enum command_outcome outcome = COMMAND_DONE;

	if (sql == NULL)
		(void)err_nomem(&err);
	if (sql == NULL || shell_ask(shell, sql, &names, &err) < 0)
		outcome = command_failed(shell, &err);
	else if (names.n_rows > 0)
		add_names(&shell->text, &names);
	result_fini(&names);
	sqlite3_free(sql);
	return outcome;
}

static enum command_outcome on_tables(struct shell *shell, const struct words *words)
{
	struct result names = {0};
	struct err err = ERR_INIT;
	enum command_outcome outcome = COMMAND_DONE;

	if (catalog_tables(shell, words->n > 1 ? words->word[1] : "%", &names, &err) < 0)
		outcome = command_failed(shell, &err);
	else if (names.n_rows > 0)
		add_names(&shell->text, &names);
	result_fini(&names);
	return outcome;
}

static enum command_outcome on_indexes(struct shell *shell, const struct words *words)
{
	const char *pattern = words->n > 1 ? words->word[1] : "%";

	if (words->n > 2)
		return command_usage(".indexes ?LIKE-PATTERN?");
	return show_names(
		shell, sqlite3_mprintf("SELECT name FROM main.sqlite_schema"
				       " WHERE type = 'index' AND tbl_name LIKE %Q UNION ALL"
				       " SELECT 'temp.' || name FROM temp.sqlite_schema"
				       " WHERE type = 'index' AND tbl_name LIKE %Q ORDER BY 1",
			       pattern, pattern));
}

/* `name(a,b)`: what a table or view without columns of its own in the schema looks like. False: it
 * has none. */
static bool add_columns(struct shell *shell, const char *schema, const char *name, struct buf *out)
{
	struct result columns = {0};
	struct err err = ERR_INIT;
	char *sql = sqlite3_mprintf("PRAGMA \"%w\".table_info(%Q)", schema, name);
	bool has_any =
		sql != NULL && shell_ask(shell, sql, &columns, &err) == 0 && columns.n_rows > 0;

	if (has_any) {
		if (strcmp(schema, "main") != 0)
			buf_printf(out, "%s.", schema);
		cell_add_identifier(out, name);
		for (size_t i = 0; i < columns.n_rows; i++) {
			buf_add_char(out, i == 0 ? '(' : ',');
			cell_add_identifier(out, result_text(&columns, i, 1));
		}
		buf_add_char(out, ')');
	}
	sqlite3_free(sql);
	result_fini(&columns);
	return has_any;
}

/* CREATE and the schema's name behind its kind; views and virtual tables get their columns as a
 * comment. */
static void add_statement(
	struct shell *shell, const char *schema, const char *name, const char *sql, struct buf *out)
{
	static const char *const kinds[] = {
		"TABLE ", "INDEX ", "UNIQUE INDEX ", "VIEW ", "TRIGGER ", "VIRTUAL TABLE "};
	size_t len = 0;

	for (size_t i = 0; i < 6 && len == 0 && strncmp(sql, "CREATE ", 7) == 0; i++) {
		if (strncmp(sql + 7, kinds[i], strlen(kinds[i])) == 0)
			len = 7 + strlen(kinds[i]);
	}
	buf_add(out, sql, len);
	if (len > 0 && strcmp(schema, "main") != 0)
		buf_printf(out, "%s.", schema);
	buf_add_text(out, sql + len);
	if (len > 0 && sql[7] == 'V') {
		struct buf columns = {0};

		if (add_columns(shell, schema, name, &columns))
			buf_printf(out, "\n/* %.*s */", (int)columns.len, columns.data);
		buf_fini(&columns);
	}
	buf_add_char(out, '\0');
}

/* The rows are schema, name, sql. */
static void add_schema(struct shell *shell, struct result *rows, bool indents)
{
	for (size_t i = 0; i < rows->n_rows; i++) {
		struct buf sql = {0};

		add_statement(shell, result_text(rows, i, 0), result_text(rows, i, 1),
			result_text(rows, i, 2), &sql);
		if (!buf_ok(&sql))
			shell->text.failed = true;
		else if (indents)
			schema_add_pretty(&shell->text, sql.data);
		else
			schema_add_line(&shell->text, sql.data, ";\n");
		buf_fini(&sql);
	}
}

/* The arguments of .schema. */
struct schema_request {
	const char *pattern; /* NULL: everything */
	bool indents, without_system, shows_query;
};

static enum command_outcome read_schema(const struct words *words, struct schema_request *request)
{
	for (int i = 1; i < words->n; i++) {
		const char *word = words->word[i];

		if (words_is_option(word, "indent")) {
			request->indents = true;
		} else if (words_is_option(word, "debug")) {
			request->shows_query = true;
		} else if (words_is_option(word, "nosys")) {
			request->without_system = true;
		} else if (word[0] == '-') {
			(void)fprintf(stderr, "Unknown option: \"%s\"\n", word);
			return COMMAND_FAILED;
		} else if (request->pattern == NULL) {
			request->pattern = word;
		} else {
			return command_usage(".schema ?--indent? ?--nosys? ?LIKE-PATTERN?");
		}
	}
	return COMMAND_DONE;
}

static char *schema_query(const struct schema_request *request)
{
	const char *pattern = request->pattern;
	const char *names = "tbl_name";
	char *filter = NULL;
	char *sql;

	if (pattern != NULL) {
		bool is_glob = strpbrk(pattern, "*?[") != NULL;

		if (strchr(pattern, '.') != NULL)
			names = "sname || '.' || tbl_name";
		filter = sqlite3_mprintf("lower(%s) %s %Q %s AND", names, is_glob ? "GLOB" : "LIKE",
			pattern, is_glob ? "" : "ESCAPE '\\'");
		if (filter == NULL)
			return NULL;
	}
	sql = sqlite3_mprintf(
		"SELECT sname, name, sql FROM"
		"(SELECT 'main' AS sname, name, tbl_name, sql, 1 AS snum, rowid AS n"
		" FROM main.sqlite_schema UNION ALL"
		" SELECT 'temp', name, tbl_name, sql, 2, rowid FROM temp.sqlite_schema)"
		" WHERE %s %s sql IS NOT NULL ORDER BY snum, n",
		filter != NULL ? filter : "",
		request->without_system ? "name NOT LIKE 'sqlite_%' AND" : "");
	sqlite3_free(filter);
	return sql;
}

/* The table that holds the schema has no entry in itself. True: it was meant. */
static bool add_schema_table(struct shell *shell, const char *pattern)
{
	static const char *const names[] = {
		"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"};
	bool is_meant = false;

	for (size_t i = 0; i < 4; i++)
		is_meant |= sqlite3_strlike(pattern, names[i], '\\') == 0;
	if (is_meant)
		buf_printf(&shell->text,
			"CREATE TABLE %s (\n  type text,\n  name text,\n  tbl_name text,\n"
			"  rootpage integer,\n  sql text\n);\n",
			pattern);
	return is_meant;
}

static enum command_outcome on_schema(struct shell *shell, const struct words *words)
{
	enum command_outcome outcome = COMMAND_DONE;
	struct schema_request request = {0};
	struct result rows = {0};
	struct err err = ERR_INIT;
	bool is_known = false;
	char *sql;

	if (read_schema(words, &request) == COMMAND_FAILED)
		return COMMAND_FAILED;
	if (request.pattern != NULL)
		is_known = add_schema_table(shell, request.pattern);
	sql = schema_query(&request);
	if (sql == NULL)
		(void)err_nomem(&err);
	if (sql != NULL && request.shows_query) {
		buf_printf(&shell->text, "SQL: %s;\n", sql);
	} else if (sql == NULL || shell_ask(shell, sql, &rows, &err) < 0) {
		outcome = command_failed(shell, &err);
	} else {
		add_schema(shell, &rows, request.indents);
		/* Tables that are made on demand have no statement; their columns say what they
		 * are. */
		if (rows.n_rows == 0 && request.pattern != NULL && !is_known) {
			struct buf columns = {0};

			if (add_columns(shell, "main", request.pattern, &columns))
				buf_printf(&shell->text, "/* %.*s */;\n", (int)columns.len,
					columns.data);
			buf_fini(&columns);
		}
	}
	sqlite3_free(sql);
	result_fini(&rows);
	return outcome;
}

static enum command_outcome on_fullschema(struct shell *shell, const struct words *words)
{
	bool indents = words->n == 2 && words_is_option(words->word[1], "indent");
	struct result rows = {0};
	struct err err = ERR_INIT;

	if (words->n != 1 && !indents)
		return command_usage(".fullschema ?--indent?");
	if (shell_ask(shell,
		    "SELECT 'main', name, sql FROM (SELECT sql, type, name, rowid x FROM "
		    "sqlite_schema"
		    " UNION ALL SELECT sql, type, name, rowid FROM temp.sqlite_schema)"
		    " WHERE type != 'meta' AND sql NOTNULL AND name NOT LIKE 'sqlite_%' ORDER BY x",
		    &rows, &err) < 0) {
		result_fini(&rows);
		return command_failed(shell, &err);
	}
	for (size_t i = 0; i < rows.n_rows; i++) {
		if (indents)
			schema_add_pretty(&shell->text, result_text(&rows, i, 2));
		else
			schema_add_line(&shell->text, result_text(&rows, i, 2), ";\n");
	}
	result_fini(&rows);
	/* The daemon keeps no statistics of tables: it never runs ANALYZE. */
	buf_add_text(&shell->text, "/* No STAT tables available */\n");
	return COMMAND_DONE;
}

static enum command_outcome on_databases(struct shell *shell, const struct words *words)
{
	struct result rows = {0};
	struct err err = ERR_INIT;

	(void)words;
	if (shell_ask(shell, "PRAGMA database_list", &rows, &err) < 0) {
		result_fini(&rows);
		return command_failed(shell, &err);
	}
	for (size_t i = 0; i < rows.n_rows; i++) {
		const char *name = result_text(&rows, i, 1);
		bool is_main = strcmp(name, "main") == 0;

		buf_printf(&shell->text, "%s: ", name);
		buf_printf(&shell->text, "%s %s\n", is_main ? shell->socket_path : "\"\"",
			is_main ? "r/o" : "r/w");
	}
	result_fini(&rows);
	return COMMAND_DONE;
}

static enum command_outcome on_limit(struct shell *shell, const struct words *words)
{
	const char *pattern = words->n > 1 ? words->word[1] : "";
	struct result rows = {0};
	struct err err = ERR_INIT;
	char *sql;

	if (words->n > 2)
		return command_usage(".limit ?NAME?");
	sql = sqlite3_mprintf(
		"SELECT substr(name, 8), value FROM settings WHERE name IN ('tallyd.max_sessions',"
		" 'tallyd.max_running_queries', 'tallyd.query_timeout', 'tallyd.query_memory',"
		" 'tallyd.idle_transaction_timeout', 'tallyd.max_result_bytes')"
		" AND substr(name, 8) LIKE %Q || '%%' ORDER BY 1",
		pattern);
	if (sql == NULL || shell_ask(shell, sql, &rows, &err) < 0) {
		sqlite3_free(sql);
		result_fini(&rows);
		return command_failed(shell, &err);
	}
	sqlite3_free(sql);
	for (size_t i = 0; i < rows.n_rows; i++) {
		buf_printf(&shell->text, "%24s ", result_text(&rows, i, 0));
		buf_printf(&shell->text, "%s\n", result_text(&rows, i, 1));
	}
	result_fini(&rows);
	return COMMAND_DONE;
}

static enum command_outcome on_version(struct shell *shell, const struct words *words)
{
	struct result rows = {0};
	struct err err = ERR_INIT;

	(void)words;
	buf_printf(&shell->text, "tally %s\nSQLite %s %s\n", PACKAGE_VERSION, sqlite3_libversion(),
		sqlite3_sourceid());
	if (shell_ask(shell, "SELECT tally_version()", &rows, &err) == 0 && rows.n_rows == 1)
		buf_printf(&shell->text, "tallyd %s\n", result_text(&rows, 0, 0));
	result_fini(&rows);
	return COMMAND_DONE;
}

const struct command schema_commands[] = {
	{"databases", 2, on_databases, NULL},
	{"fullschema", 2, on_fullschema, NULL},
	{"indices", 1, on_indexes, NULL},
	{"indexes", 1, on_indexes, NULL},
	{"limits", 5, on_limit, NULL},
	{"schema", 1, on_schema, NULL},
	{"tables", 1, on_tables, NULL},
	{"version", 1, on_version, NULL},
	{NULL, 0, NULL, NULL},
};
