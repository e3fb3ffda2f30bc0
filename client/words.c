/* Quoting and numbers of dot-commands. */
#include "client/words.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The end of the word that begins behind the quote at `at`; a backslash guards the next character
 * in double quotes. */
static char *quoted_end(char *at, char quote)
{
	while (*at != '\0' && *at != quote) {
		if (*at == '\\' && quote == '"' && at[1] != '\0')
			at++;
		at++;
	}
	return at;
}

bool words_split(struct words *words, const char *line)
{
	char *at;

	*words = (struct words){.text = strdup(line)};
	if (words->text == NULL)
		return false;
	at = words->text[0] != '\0' ? words->text + 1 : words->text;
	while (*at != '\0' && words->n < WORDS_MAX) {
		char quote;
		char *start;

		while (is_blank(*at))
			at++;
		if (*at == '\0')
			break;
		words->from[words->n] = line + (at - words->text);
		quote = *at == '\'' || *at == '"' ? *at : '\0';
		if (quote != '\0')
			at++;
		start = at;
		if (quote != '\0')
			at = quoted_end(at, quote);
		else
			while (*at != '\0' && !is_blank(*at))
				at++;
		if (*at != '\0')
			*at++ = '\0';
		if (quote != '\'')
			words_resolve_backslashes(start);
		words->word[words->n++] = start;
	}
	return true;
}

void words_fini(struct words *words)
{
	free(words->text);
	*words = (struct words){0};
}

char *words_join(const struct words *words, int from)
{
	struct buf text = {0};

	for (int i = from; i < words->n; i++) {
		if (i > from)
			buf_add_char(&text, ' ');
		buf_add_text(&text, words->word[i]);
	}
	buf_add_char(&text, '\0');
	if (!buf_ok(&text))
		buf_fini(&text);
	return text.data;
}

/* Up to three octal digits at *from, which is left on the last of them. */
static char take_octal(const char **from)
{
	unsigned code = (unsigned)(**from - '0');

	for (int i = 0; i < 2 && (*from)[1] >= '0' && (*from)[1] <= '7'; i++) {
		(*from)++;
		code = code * 8 + (unsigned)(**from - '0');
	}
	return (char)(code & 0xff);
}

void words_resolve_backslashes(char *text)
{
	static const char names[] = "abtnvfr";
	static const char bytes[] = "\a\b\t\n\v\f\r";
	const char *from;
	char *to = strchr(text, '\\');

	if (to == NULL)
		return;
	for (from = to; *from != '\0'; from++) {
		const char *name;

		if (*from != '\\' || from[1] == '\0') {
			*to++ = *from;
			continue;
		}
		from++;
		name = strchr(names, *from);
		if (name != NULL)
			*to++ = bytes[name - names];
		else if (*from >= '0' && *from <= '7')
			*to++ = take_octal(&from);
		else
			*to++ = *from;
	}
	*to = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int64_t words_integer(const char *word)
{
	static const struct {
		const char *suffix;
		uint64_t factor;
	} units[] = {{"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1000},
		{"MB", 1000000}, {"GB", 1000000000}, {"K", 1000}, {"M", 1000000},
		{"G", 1000000000}};
	bool negative = word[0] == '-';
	uint64_t number = 0;

	if (word[0] == '-' || word[0] == '+')
		word++;
	if (word[0] == '0' && word[1] == 'x') {
		for (word += 2; hex_digit(*word) >= 0; word++)
			number = number * 16 + (uint64_t)hex_digit(*word);
	} else {
		for (; *word >= '0' && *word <= '9'; word++)
			number = number * 10 + (uint64_t)(*word - '0');
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(word, units[i].suffix) == 0)
			number *= units[i].factor;
	}
	return (int64_t)(negative ? 0 - number : number);
}

bool words_is_number(const char *word)
{
	return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

int words_boolean(const char *word)
{
	size_t n = strspn(word, "0123456789");

	if (word[0] == '0' && word[1] == 'x')
		n = 2 + strspn(word + 2, "0123456789abcdefABCDEF");
	if (n > 0 && word[n] == '\0')
		return (int)(words_integer(word) & 0x7fffffff);
	if (strcasecmp(word, "on") == 0 || strcasecmp(word, "yes") == 0)
		return 1;
	if (strcasecmp(word, "off") == 0 || strcasecmp(word, "no") == 0)
		return 0;
	(void)fprintf(stderr, "ERROR: Not a boolean value: \"%s\". Assuming \"no\".\n", word);
	return 0;
}

bool words_is_option(const char *word, const char *name)
{
	if (word[0] != '-')
		return false;
	word += word[1] == '-' ? 2 : 1;
	return strcmp(word, name) == 0;
}
