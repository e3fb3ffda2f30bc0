/* A table of commands; each gets its words as sqlite3's shell would cut them. */
#include "daemon/text_command.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_WORDS 8

struct words {
	char *word[MAX_WORDS];
	size_t n;
};

typedef enum text_command_result command_fn(
	struct text_settings *settings, const struct words *words, struct buf *out);

/* \n, \t, \123 and the like, in place, as in C. */
static void escapes_resolve(char *text)
{
	static const char names[] = "abfnrtv\\'\"";
	static const char values[] = "\a\b\f\n\r\t\v\\'\"";
	char *out = text;

	while (*text != '\0') {
		char c = *text++;
		if (c != '\\' || *text == '\0') {
			*out++ = c;
			continue;
		}
		const char *name = strchr(names, *text);
		if (name != NULL) {
			c = values[name - names];
			text++;
		} else if (*text >= '0' && *text <= '7') {
			int code = 0;
			for (int i = 0; i < 3 && *text >= '0' && *text <= '7'; i++)
				code = code * 8 + (*text++ - '0');
			c = (char)code;
		} else {
			c = *text++;
		}
		*out++ = c;
	}
	*out = '\0';
}

static char *word_quoted(char **at, char quote)
{
	char *start = ++*at;

	while (**at != '\0' && **at != quote) {
		if (**at == '\\' && quote == '"' && (*at)[1] != '\0')
			(*at)++;
		(*at)++;
	}
	if (**at == quote)
		*(*at)++ = '\0';
	if (quote == '"')
		escapes_resolve(start);
	return start;
}

static void words_cut(char *line, struct words *words)
{
	char *at = line;

	words->n = 0;
	while (words->n < MAX_WORDS) {
		while (isspace((unsigned char)*at))
			at++;
		if (*at == '\0')
			return;
		if (*at == '\'' || *at == '"') {
			words->word[words->n++] = word_quoted(&at, *at);
			continue;
		}
		char *start = at;
		while (*at != '\0' && !isspace((unsigned char)*at))
			at++;
		if (*at != '\0')
			*at++ = '\0';
		escapes_resolve(start);
		words->word[words->n++] = start;
	}
}

static enum text_command_result usage(struct buf *out, const char *form)
{
	buf_printf(out, "Usage: %s\n", form);
	return TEXT_COMMAND_FAILED;
}

static bool switch_read(const char *word, bool *value, struct buf *out)
{
	if (strcasecmp(word, "on") == 0 || strcasecmp(word, "yes") == 0 || strcmp(word, "1") == 0) {
		*value = true;
		return true;
	}
	if (strcasecmp(word, "off") == 0 || strcasecmp(word, "no") == 0 || strcmp(word, "0") == 0) {
		*value = false;
		return true;
	}
	buf_printf(out, "ERROR: Not a boolean value: \"%.40s\". Assuming \"no\".\n", word);
	*value = false;
	return true;
}

static enum text_command_result command_bail(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	if (words->n != 2)
		return usage(out, ".bail on|off");
	(void)switch_read(words->word[1], &settings->bail, out);
	return TEXT_COMMAND_DONE;
}

static enum text_command_result command_end(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	if (words->n > 2 || (words->n == 2 && strlen(words->word[1]) >= TEXT_END_BYTES))
		return usage(out, ".end TEXT");
	strcpy(settings->end, words->n == 2 ? words->word[1] : "");
	return TEXT_COMMAND_DONE;
}

static enum text_command_result command_headers(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	if (words->n != 2)
		return usage(out, ".headers on|off");
	(void)switch_read(words->word[1], &settings->print.headers, out);
	settings->print.headers_set = true;
	return TEXT_COMMAND_DONE;
}

static enum text_command_result command_help(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	(void)settings;
	(void)words;
	buf_add_text(out,
		".bail on|off             Stop after hitting an error.  Default OFF\n"
		".end TEXT                Print TEXT alone on a line after each statement\n"
		".headers on|off          Turn display of headers on or off\n"
		".help                    Show this\n"
		".mode MODE               Set output mode: csv json line list quote tabs\n"
		".nullvalue STRING        Use STRING in place of NULL values\n"
		".quit                    Close the connection\n"
		".separator COL ?ROW?     Change the column and row separators\n");
	return TEXT_COMMAND_DONE;
}

static enum text_command_result command_mode(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	static const char *const names[] = {"csv", "json", "line", "list", "quote", "tabs"};
	enum print_mode mode;

	if (words->n != 2)
		return usage(out, ".mode csv|json|line|list|quote|tabs");
	/* The other modes of the shell need the whole result to know their widths. */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(words->word[1], names[i], strlen(words->word[1])) == 0 &&
			print_mode_find(names[i], &mode)) {
			print_options_set_mode(&settings->print, mode);
			return TEXT_COMMAND_DONE;
		}
	buf_add_text(out, "Error: mode should be one of: csv json line list quote tabs\n");
	return TEXT_COMMAND_FAILED;
}

static void text_set(char *text, size_t room, const char *word)
{
	size_t len = strlen(word);

	if (len >= room)
		len = room - 1;
	memcpy(text, word, len);
	text[len] = '\0';
}

static enum text_command_result command_nullvalue(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	if (words->n != 2)
		return usage(out, ".nullvalue STRING");
	text_set(settings->print.null_text, sizeof(settings->print.null_text), words->word[1]);
	return TEXT_COMMAND_DONE;
}

static enum text_command_result command_quit(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	(void)settings;
	(void)words;
	(void)out;
	return TEXT_COMMAND_QUIT;
}

static enum text_command_result command_separator(
	struct text_settings *settings, const struct words *words, struct buf *out)
{
	struct print_options *print = &settings->print;

	if (words->n < 2 || words->n > 3)
		return usage(out, ".separator COL ?ROW?");
	text_set(print->column_separator, sizeof(print->column_separator), words->word[1]);
	if (words->n == 3)
		text_set(print->row_separator, sizeof(print->row_separator), words->word[2]);
	return TEXT_COMMAND_DONE;
}

/* In the order in which an abbreviation finds them. */
static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
	{"bail", command_bail},
	{"end", command_end},
	{"exit", command_quit},
	{"headers", command_headers},
	{"help", command_help},
	{"mode", command_mode},
	{"nullvalue", command_nullvalue},
	{"quit", command_quit},
	{"separator", command_separator},
};

void text_settings_init(struct text_settings *settings)
{
	*settings = (struct text_settings){0};
	print_options_init(&settings->print);
}

enum text_command_result text_command_run(
	struct text_settings *settings, char *line, struct buf *out)
{
	struct words words;

	words_cut(line + 1, &words);
	if (words.n == 0)
		return TEXT_COMMAND_DONE;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strncmp(words.word[0], commands[i].name, strlen(words.word[0])) == 0)
			return commands[i].run(settings, &words, out);
	buf_printf(out,
		"Error: unknown command or invalid arguments:  \"%.60s\". Enter \".help\" for "
		"help\n",
		words.word[0]);
	return TEXT_COMMAND_FAILED;
}

/* Each text behind its length, so that no two settings share their bytes. */
size_t text_settings_format(const struct text_settings *settings, char format[TEXT_FORMAT_BYTES])
{
	const struct print_options *print = &settings->print;
	int len = snprintf(format, TEXT_FORMAT_BYTES, "text %d %d %zu%s %zu%s %s", (int)print->mode,
		print->headers, strlen(print->column_separator), print->column_separator,
		strlen(print->row_separator), print->row_separator, print->null_text);

	assert(len > 0 && len < TEXT_FORMAT_BYTES);
	return (size_t)len;
}
