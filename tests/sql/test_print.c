/*
 * Every mode against the bytes that the sqlite3 3.40.1 shell writes for the
 * same rows. cases.txt holds the commands and the query of each case,
 * expected.bin the shell's answers in the same order, each behind its length;
 * regenerate.py made both. SQLite serves the rows here, the printer never sees
 * its handles.
 */
#include "sql/print.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_COLUMNS 16

struct chunk {
	char *bytes;
	size_t len;
};

static struct chunk read_file(const char *name)
{
	const char *dir = getenv("srcdir");
	struct chunk chunk;
	char path[512];
	FILE *file;
	long size;

	(void)snprintf(path, sizeof(path), "%s/tests/sql/print/%s", dir != NULL ? dir : ".", name);
	file = fopen(path, "rb");
	ck_assert_msg(file != NULL, "%s", path);
	ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	chunk.len = (size_t)size;
	chunk.bytes = calloc(1, chunk.len + 1);
	ck_assert_ptr_nonnull(chunk.bytes);
	ck_assert_uint_eq(fread(chunk.bytes, 1, chunk.len, file), chunk.len);
	(void)fclose(file);
	return chunk;
}

static sqlite3 *open_rows(void)
{
	struct chunk sql = read_file("rows.sql");
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql.bytes, NULL, NULL, NULL), SQLITE_OK);
	free(sql.bytes);
	return db;
}

/*
 * "a; " and o \r\n as the shell's own reader of
 * arguments takes them, as far as the cases need it.
 */
static void take_word(const char **at, char *word)
{
	size_t n = 0;
	char quote;

	while (**at == ' ')
		(*at)++;
	quote = **at == '"' ? '"' : ' ';
	if (quote == '"')
		(*at)++;
	while (**at != '\0' && **at != quote) {
		if (**at == '\\' && quote != '\'') {
			(*at)++;
			word[n++] = **at == 'n' ? '\n' : '\r';
		} else {
			word[n++] = **at;
		}
		(*at)++;
	}
	if (**at == quote)
		(*at)++;
	word[n] = '\0';
}

static void run_mode(struct print_options *options, const char *at)
{
	char word[PRINT_TABLE_BYTES];
	enum print_mode mode;

	take_word(&at, word);
	ck_assert_msg(print_mode_find(word, &mode), "%s", word);
	print_options_set_mode(options, mode);
	if (mode == PRINT_INSERT)
		strcpy(options->insert_table, "table");
	while (*at != '\0') {
		take_word(&at, word);
		if (strcmp(word, "--wrap") == 0)
			options->wrap = (int)strtol(at, (char **)&at, 10);
		else if (strcmp(word, "--wordwrap") == 0)
			take_word(&at, word), options->wordwrap = true;
		else if (strcmp(word, "--ww") == 0)
			options->wordwrap = true;
		else if (strcmp(word, "--quote") == 0)
			options->quote_cells = true;
		else
			strcpy(options->insert_table, word);
	}
}

static void run_command(struct print_options *options, int *widths, const char *line)
{
	const char *at = strchr(line, ' ');

	if (strncmp(line, ".mode", 5) == 0) {
		run_mode(options, at);
	} else if (strncmp(line, ".headers", 8) == 0) {
		options->headers = strcmp(at, " on") == 0;
		options->headers_set = true;
	} else if (strncmp(line, ".nullvalue", 10) == 0) {
		take_word(&at, options->null_text);
	} else if (strncmp(line, ".separator", 10) == 0) {
		char word[PRINT_TABLE_BYTES];

		take_word(&at, word);
		strcpy(options->column_separator, word);
		if (*at != '\0') {
			take_word(&at, word);
			strcpy(options->row_separator, word);
		}
	} else if (strncmp(line, ".width", 6) == 0) {
		options->widths = widths;
		while (*at != '\0')
			widths[options->n_widths++] = (int)strtol(at, (char **)&at, 10);
	} else {
		ck_assert_str_eq(line, ".explain on");
		options->mode = PRINT_EXPLAIN;
	}
}

static void take_values(sqlite3_stmt *stmt, struct value *values)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		values[i] = (struct value){.type = VALUE_NULL};
		switch (sqlite3_column_type(stmt, i)) {
		case SQLITE_INTEGER:
			values[i].type = VALUE_INTEGER;
			values[i].integer = sqlite3_column_int64(stmt, i);
			break;
		case SQLITE_FLOAT:
			values[i].type = VALUE_REAL;
			values[i].real = sqlite3_column_double(stmt, i);
			break;
		case SQLITE_TEXT:
			values[i].type = VALUE_TEXT;
			values[i].data = (const char *)sqlite3_column_text(stmt, i);
			values[i].len = (size_t)sqlite3_column_bytes(stmt, i);
			break;
		case SQLITE_BLOB:
			values[i].type = VALUE_BLOB;
			values[i].data = sqlite3_column_blob(stmt, i);
			values[i].len = (size_t)sqlite3_column_bytes(stmt, i);
			break;
		default: break;
		}
	}
}

static void print_query(
	sqlite3 *db, struct print_options *options, const char *sql, struct buf *out)
{
	struct value values[N_COLUMNS];
	const char *names[N_COLUMNS];
	struct err err = ERR_INIT;
	struct printer *printer;
	sqlite3_stmt *stmt;

	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	if (sqlite3_stmt_isexplain(stmt) != 0)
		options->mode = sqlite3_stmt_isexplain(stmt) == 1 ? PRINT_EXPLAIN : PRINT_PLAN;
	printer = printer_new(options);
	ck_assert_ptr_nonnull(printer);
	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		names[i] = sqlite3_column_name(stmt, i);
	ck_assert_int_eq(
		print_begin(printer, names, (size_t)sqlite3_column_count(stmt), out, &err), 0);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		take_values(stmt, values);
		ck_assert_int_eq(print_row(printer, values, out, &err), 0);
	}
	ck_assert_int_eq(print_end(printer, out, &err), 0);
	printer_free(printer);
	(void)sqlite3_finalize(stmt);
}

static void check_case(sqlite3 *db, char *text, const char *expected, size_t expected_len)
{
	struct print_options options;
	struct buf out = {0};
	int widths[N_COLUMNS];
	char *save = NULL;
	char shown[2048];

	(void)snprintf(shown, sizeof(shown), "%s", text);
	print_options_init(&options);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '.')
			run_command(&options, widths, line);
		else
			print_query(db, &options, line, &out);
	}
	ck_assert(buf_ok(&out));
	ck_assert_msg(out.len == expected_len &&
			      (out.len == 0 || memcmp(out.data, expected, out.len) == 0),
		"%s\n-- the shell:\n%.*s\n-- we:\n%.*s", shown, (int)expected_len, expected,
		(int)out.len, out.len > 0 ? out.data : "");
	buf_fini(&out);
}

START_TEST(every_mode_prints_what_the_shell_prints)
{
	struct chunk cases = read_file("cases.txt");
	struct chunk expected = read_file("expected.bin");
	bool same_version = strncmp(sqlite3_libversion(), "3.40.", 5) == 0;
	sqlite3 *db = open_rows();
	char *at = cases.bytes;
	char *answer = expected.bytes;
	int n = 0;

	while (at != NULL && *at != '\0') {
		char *end = strstr(at, "\n\n");
		size_t len = strtoul(answer, &answer, 10);

		if (end != NULL)
			*end = '\0';
		/* What EXPLAIN shows changes with every release. */
		if (same_version || strstr(at, "explain ") == NULL)
			check_case(db, at, answer + 1, len);
		at = end != NULL ? end + 2 : NULL;
		answer += 1 + len;
		n++;
	}
	ck_assert_int_gt(n, 200);
	(void)sqlite3_close(db);
	free(cases.bytes);
	free(expected.bytes);
}
END_TEST

START_TEST(a_mode_is_found_by_its_first_letters_in_the_shells_order)
{
	enum print_mode mode;

	ck_assert(print_mode_find("c", &mode) && mode == PRINT_COLUMN);
	ck_assert(print_mode_find("cs", &mode) && mode == PRINT_CSV);
	ck_assert(print_mode_find("t", &mode) && mode == PRINT_TCL);
	ck_assert(print_mode_find("l", &mode) && mode == PRINT_LINE);
	ck_assert(print_mode_find("columns", &mode) && mode == PRINT_COLUMN);
	ck_assert(print_mode_find("q", &mode) && mode == PRINT_QUOTE);
	ck_assert(print_mode_find("qbox", &mode) && mode == PRINT_QBOX);
	ck_assert(!print_mode_find("boxes", &mode));
	ck_assert(!print_mode_find("qb", &mode));
}
END_TEST

START_TEST(a_printer_prints_several_results_one_after_the_other)
{
	static const enum print_mode some[] = {PRINT_JSON, PRINT_BOX, PRINT_CSV};
	static const char *const expected[] = {"[{\"a\":1}]\n[{\"b\":1}]\n",
		"┌───┐\n│ a │\n├───┤\n│ 1 │\n└───┘\n┌───┐\n│ b │\n├───┤\n│ 1 │\n└───┘\n",
		"1\r\n1\r\n"};
	struct value one = {.type = VALUE_INTEGER, .integer = 1};

	for (size_t i = 0; i < 3; i++) {
		struct print_options options;
		struct printer *printer;
		struct err err = ERR_INIT;
		struct buf out = {0};

		print_options_init(&options);
		print_options_set_mode(&options, some[i]);
		printer = printer_new(&options);
		for (int round = 0; round < 2; round++) {
			const char *name = round == 0 ? "a" : "b";

			ck_assert_int_eq(print_begin(printer, &name, 1, &out, &err), 0);
			ck_assert_int_eq(print_row(printer, &one, &out, &err), 0);
			ck_assert_int_eq(print_end(printer, &out, &err), 0);
		}
		buf_add_char(&out, '\0');
		ck_assert_str_eq(out.data, expected[i]);
		buf_fini(&out);
		printer_free(printer);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("print");
	TCase *tcase = tcase_create("modes");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_mode_prints_what_the_shell_prints);
	tcase_add_test(tcase, a_mode_is_found_by_its_first_letters_in_the_shells_order);
	tcase_add_test(tcase, a_printer_prints_several_results_one_after_the_other);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
