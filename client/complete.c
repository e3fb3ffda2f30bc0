/*
 * Candidates are gathered anew at each TAB, so that they are those of the
 * daemon as it is now: a few short questions over a local socket.
 */
#include "client/complete.h"

#include "base/mem.h"
#include "client/catalog.h"
#include "client/command.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct candidates {
	const char *word; /* what they begin with */
	char **texts;
	size_t n, cap;
};

static void add(struct candidates *found, const char *text)
{
	char *copy;

	if (strncasecmp(text, found->word, strlen(found->word)) != 0)
		return;
	if (!mem_grow(&found->texts, &found->cap, found->n + 1, sizeof(*found->texts)))
		return;
	copy = strdup(text);
	if (copy != NULL)
		found->texts[found->n++] = copy;
}

/* The first column of an answer. */
static void add_answer(struct shell *shell, struct candidates *found, const char *sql)
{
	struct result names = {0};
	struct err err = ERR_INIT;

	if (shell_ask(shell, sql, &names, &err) == 0) {
		for (size_t i = 0; i < names.n_rows; i++)
			add(found, result_text(&names, i, 0));
	}
	result_fini(&names);
}

static void add_tables(struct shell *shell, struct candidates *found)
{
	struct result names = {0};
	struct err err = ERR_INIT;

	if (catalog_tables(shell, "%", &names, &err) == 0) {
		for (size_t i = 0; i < names.n_rows; i++)
			add(found, result_text(&names, i, 0));
	}
	result_fini(&names);
}

static void add_columns(struct shell *shell, struct candidates *found)
{
	add_answer(shell, found,
		"SELECT DISTINCT c.name FROM pragma_table_list AS t, pragma_table_info(t.name) AS c"
		" WHERE t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
}

/* `counts.win`: the columns of that table, each with the table's name in front. */
static void add_columns_of(struct shell *shell, struct candidates *found, const char *word)
{
	const char *point = strrchr(word, '.');
	char *sql = sqlite3_mprintf("SELECT %.*Q || '.' || name FROM pragma_table_info(%.*Q)",
		(int)(point - word), word, (int)(point - word), word);

	if (sql != NULL)
		add_answer(shell, found, sql);
	sqlite3_free(sql);
}

static void add_keywords(struct candidates *found)
{
	for (int i = 0; i < sqlite3_keyword_count(); i++) {
		const char *name;
		char text[32];
		int len;

		if (sqlite3_keyword_name(i, &name, &len) != SQLITE_OK || len >= (int)sizeof(text))
			continue;
		memcpy(text, name, (size_t)len);
		text[len] = '\0';
		add(found, text);
	}
}

static void add_command(void *context, const char *name)
{
	char text[32];

	(void)snprintf(text, sizeof(text), ".%s", name);
	add(context, text);
}

static bool begins_with(const char *line, const char *command)
{
	return strncmp(line, command, strlen(command)) == 0;
}

static void add_arguments(struct shell *shell, struct candidates *found, const char *line)
{
	if (begins_with(line, ".mode ")) {
		add(found, "auto");
		add(found, "chart");
		for (int mode = 0; mode <= PRINT_TCL; mode++)
			add(found, print_mode_name((enum print_mode)mode));
	} else if (begins_with(line, ".sta") || begins_with(line, ".stop ")) {
		add_answer(shell, found, "SELECT name FROM queries");
	} else {
		add_tables(shell, found);
	}
}

static int by_text(const void *left, const void *right)
{
	return strcasecmp(*(char *const *)left, *(char *const *)right);
}

static void sort_unique(struct candidates *found)
{
	size_t n = 0;

	if (found->n == 0)
		return;
	qsort(found->texts, found->n, sizeof(*found->texts), by_text);
	for (size_t i = 0; i < found->n; i++) {
		if (n > 0 && strcasecmp(found->texts[n - 1], found->texts[i]) == 0)
			free(found->texts[i]);
		else
			found->texts[n++] = found->texts[i];
	}
	found->n = n;
}

/* What is typed in small letters is completed in small letters, as far as it is a keyword. */
static void lower_keywords(struct candidates *found)
{
	char first = found->word[0];

	if (first < 'a' || first > 'z')
		return;
	for (size_t i = 0; i < found->n; i++) {
		if (sqlite3_keyword_check(found->texts[i], (int)strlen(found->texts[i])) == 0)
			continue;
		for (char *at = found->texts[i]; *at != '\0'; at++) {
			if (*at >= 'A' && *at <= 'Z')
				*at = (char)(*at - 'A' + 'a');
		}
	}
}

char **complete_word(void *context, const char *line, const char *word, size_t *n)
{
	struct shell *shell = context;
	struct candidates found = {.word = word};

	if (line[0] == '.' && word == line) {
		command_each(add_command, &found);
	} else if (line[0] == '.' && strcspn(line, " ") < strlen(line)) {
		add_arguments(shell, &found, line);
	} else if (strrchr(word, '.') != NULL) {
		add_columns_of(shell, &found, word);
	} else if (word[0] != '\0') {
		add_keywords(&found);
		add_tables(shell, &found);
		add_columns(shell, &found);
		add_answer(shell, &found, "SELECT DISTINCT name FROM pragma_function_list");
	} else {
		add_tables(shell, &found);
	}
	sort_unique(&found);
	lower_keywords(&found);
	*n = found.n;
	return found.texts;
}
