/* `.dump` and `.save`: the snapshot as SQL and as a file that any sqlite3 reads. */
#include "client/command.h"

#include "client/save.h"
#include "client/schema_text.h"
#include "sql/print_cell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* The arguments of .dump. */
struct dump {
	char *filter; /* sqlite3_malloc'd condition on `name` */
	bool data_only, keep_newlines;
	int n_errors;
};

static bool add_filter(struct dump *dump, const char *pattern)
{
	char *more = dump->filter != NULL ? sqlite3_mprintf("%s OR name LIKE %Q ESCAPE '\\'",
						    dump->filter, pattern)
					  : sqlite3_mprintf("name LIKE %Q ESCAPE '\\'", pattern);

	sqlite3_free(dump->filter);
	dump->filter = more;
	return more != NULL;
}

static enum command_outcome read_dump(const struct words *words, struct dump *dump)
{
	for (int i = 1; i < words->n; i++) {
		const char *word = words->word[i];

		if (words_is_option(word, "newlines")) {
			dump->keep_newlines = true;
		} else if (words_is_option(word, "data-only")) {
			dump->data_only = true;
		} else if (words_is_option(word, "nosys") ||
			   words_is_option(word, "preserve-rowids")) {
			/* There are no system tables, and rows have no numbers of their own. */
			continue;
		} else if (word[0] == '-') {
			(void)fprintf(stderr, "Unknown option \"%s\" on \".dump\"\n", word);
			return COMMAND_FAILED;
		} else if (!add_filter(dump, word)) {
			(void)fprintf(stderr, "Error: out of memory\n");
			return COMMAND_FAILED;
		}
	}
	if (dump->filter == NULL)
		dump->filter = sqlite3_mprintf("true");
	return dump->filter != NULL ? COMMAND_DONE : COMMAND_FAILED;
}

static void add_plain(struct shell *shell, const char *sql)
{
	char *plain = schema_plain_sql(sql);

	if (plain == NULL)
		shell->text.failed = true;
	else
		schema_add_line(&shell->text, plain, ";\n");
	free(plain);
}

/* SELECT of all columns by name, in the order of the table. */
static int add_select(struct shell *shell, const char *table, struct buf *sql, struct err *err)
{
	struct result columns = {0};
	char *ask = sqlite3_mprintf("PRAGMA table_info(%Q)", table);
	int rc = ask != NULL ? shell_ask(shell, ask, &columns, err) : err_nomem(err);

	sqlite3_free(ask);
	buf_add_text(sql, "SELECT ");
	for (size_t i = 0; i < columns.n_rows; i++) {
		buf_add_text(sql, i > 0 ? "," : "");
		cell_add_identifier(sql, result_text(&columns, i, 1));
	}
	buf_add_text(sql, " FROM ");
	cell_add_identifier(sql, table);
	buf_add_char(sql, '\0');
	result_fini(&columns);
	return rc == 0 && !buf_ok(sql) ? err_nomem(err) : rc;
}

static void dump_rows(struct shell *shell, struct dump *dump, const char *table)
{
	struct print_options print = shell->print;
	struct err err = ERR_INIT;
	struct buf sql = {0};

	print.mode = PRINT_INSERT;
	print.headers = false;
	print.keep_newlines = dump->keep_newlines;
	(void)snprintf(print.insert_table, sizeof(print.insert_table), "%s", table);
	if (add_select(shell, table, &sql, &err) < 0 ||
		shell_print_query(shell, sql.data, &print, &err) < 0) {
		buf_printf(&shell->text, "/**** ERROR: %s *****/\n", err.text);
		dump->n_errors++;
	}
	buf_fini(&sql);
}

static void dump_tables(struct shell *shell, struct dump *dump)
{
	struct result tables = {0};
	struct err err = ERR_INIT;
	char *sql =
		sqlite3_mprintf("SELECT name, sql FROM sqlite_schema WHERE (%s) AND type = 'table'"
				" AND sql NOT NULL AND name NOT LIKE 'sqlite\\_%%' ESCAPE '\\'"
				" AND sql NOT LIKE 'CREATE VIRTUAL%%' ORDER BY rowid",
			dump->filter);

	if (sql == NULL || shell_ask(shell, sql, &tables, &err) < 0) {
		buf_printf(&shell->text, "/**** ERROR: %s *****/\n", err.text);
		dump->n_errors++;
	}
	for (size_t i = 0; i < tables.n_rows && shell->connection != NULL; i++) {
		if (!dump->data_only)
			add_plain(shell, result_text(&tables, i, 1));
		dump_rows(shell, dump, result_text(&tables, i, 0));
	}
	result_fini(&tables);
	sqlite3_free(sql);
}

static void dump_others(struct shell *shell, struct dump *dump)
{
	struct result others = {0};
	struct err err = ERR_INIT;
	char *sql = sqlite3_mprintf("SELECT sql FROM sqlite_schema WHERE (%s) AND sql NOT NULL"
				    " AND type IN ('index', 'trigger', 'view')",
		dump->filter);

	if (sql == NULL || shell_ask(shell, sql, &others, &err) < 0)
		dump->n_errors++;
	for (size_t i = 0; i < others.n_rows; i++)
		add_plain(shell, result_text(&others, i, 0));
	result_fini(&others);
	sqlite3_free(sql);
}

/* Pins one snapshot for all that is asked until shell_end_snapshot; false: a transaction is open
 * already, or none can be. */
static bool begin_snapshot(struct shell *shell)
{
	struct result nothing = {0};
	struct err err = ERR_INIT;
	bool begun = shell_ask(shell, "BEGIN", &nothing, &err) == 0;

	result_fini(&nothing);
	return begun;
}

static void end_snapshot(struct shell *shell, bool begun)
{
	struct result nothing = {0};
	struct err err = ERR_INIT;

	if (begun && shell->connection != NULL)
		(void)!shell_ask(shell, "COMMIT", &nothing, &err);
	result_fini(&nothing);
}

static enum command_outcome on_dump(struct shell *shell, const struct words *words)
{
	enum command_outcome outcome = COMMAND_DONE;
	struct err err = ERR_INIT;
	struct dump dump = {0};
	bool begun;

	if (read_dump(words, &dump) == COMMAND_FAILED) {
		sqlite3_free(dump.filter);
		return COMMAND_FAILED;
	}
	if (shell_connect(shell, &err) < 0) {
		sqlite3_free(dump.filter);
		return command_failed(shell, &err);
	}
	if (!dump.data_only)
		buf_add_text(&shell->text, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
	begun = begin_snapshot(shell);
	dump_tables(shell, &dump);
	if (!dump.data_only && shell->connection != NULL)
		dump_others(shell, &dump);
	end_snapshot(shell, begun);
	if (shell->connection == NULL) {
		/* Cut short: without COMMIT, so that nobody takes it for the whole. */
		(void)err_set(
			&err, ERR_IO, "the dump is not whole: the connection to tallyd broke");
		outcome = command_failed(shell, &err);
	} else if (!dump.data_only) {
		buf_add_text(&shell->text,
			dump.n_errors > 0 ? "ROLLBACK; -- due to errors\n" : "COMMIT;\n");
	}
	sqlite3_free(dump.filter);
	return outcome;
}

static enum command_outcome on_save(struct shell *shell, const struct words *words)
{
	struct err err = ERR_INIT;
	const char *path = NULL;
	bool begun;
	int rc;

	for (int i = 1; i < words->n; i++) {
		if (words->word[i][0] == '-') {
			(void)fprintf(stderr, "unknown option: %s\n", words->word[i]);
			return COMMAND_FAILED;
		}
		if (i > 2)
			return command_usage(".backup ?DB? ?OPTIONS? FILENAME");
		path = words->word[i];
	}
	if (path == NULL) {
		(void)fprintf(stderr, "missing FILENAME argument on .backup\n");
		return COMMAND_FAILED;
	}
	if (shell_connect(shell, &err) < 0)
		return command_failed(shell, &err);
	begun = begin_snapshot(shell);
	rc = save_snapshot(shell, path, &err);
	end_snapshot(shell, begun);
	return rc < 0 ? command_failed(shell, &err) : COMMAND_DONE;
}

const struct command dump_commands[] = {
	{"backup", 3, on_save, NULL},
	{"dump", 1, on_dump, NULL},
	{"save", 3, on_save, NULL},
	{NULL, 0, NULL, NULL},
};
