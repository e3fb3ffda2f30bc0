/* Texts only; nothing here asks the daemon. */
#include "client/schema_text.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Our collation compares timestamps by time; what leaves has plain text. */
#define OUR_COLLATION " COLLATE TS"

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * `sql` with what closes its comment, so that a
 * semicolon behind it counts; NULL: it needs nothing.
 */
static char *close_comment(const char *sql)
{
	static const char *const closings[] = {"", "*/", "\n"};

	if (strstr(sql, "/*") == NULL && strstr(sql, "--") == NULL)
		return NULL;
	for (size_t i = 0; i < 3; i++) {
		struct buf text = {0};

		buf_printf(&text, "%s%s;", sql, closings[i]);
		buf_add_char(&text, '\0');
		if (buf_ok(&text) && sqlite3_complete(text.data)) {
			text.data[text.len - 2] = '\0';
			return text.data;
		}
		buf_fini(&text);
	}
	return NULL;
}

void schema_add_line(struct buf *out, const char *sql, const char *tail)
{
	char *closed = tail[0] == ';' ? close_comment(sql) : NULL;

	if (closed != NULL)
		sql = closed;
	if (strncmp(sql, "CREATE TABLE ", 13) == 0 && (sql[13] == '\'' || sql[13] == '"')) {
		buf_add_text(out, "CREATE TABLE IF NOT EXISTS ");
		sql += 13;
	}
	buf_add_text(out, sql);
	buf_add_text(out, tail);
	free(closed);
}

/* Only blanks and perhaps a comment up to the end of the line. */
static bool is_white_to_end(const char *text)
{
	while (*text != '\0' && *text != '\n' && is_blank(*text))
		text++;
	return *text == '\0' || *text == '\n' || (text[0] == '-' && text[1] == '-');
}

/* Runs of white space become one character, none stays around parentheses. */
static void squeeze(char *text)
{
	size_t to = 0;
	const char *from = text;

	while (is_blank(*from))
		from++;
	for (; *from != '\0'; from++) {
		if (is_blank(*from)) {
			if (to > 0 && text[to - 1] == '\r')
				text[to - 1] = '\n';
			if (to > 0 && (is_blank(text[to - 1]) || text[to - 1] == '('))
				continue;
		} else if ((*from == '(' || *from == ')') && to > 0 && is_blank(text[to - 1])) {
			to--;
		}
		text[to++] = *from;
	}
	while (to > 0 && is_blank(text[to - 1]))
		to--;
	text[to] = '\0';
}

/* Where a long statement stands while its lines are broken. */
struct breaking {
	struct buf *out;
	struct buf line; /* since the last break */
	int depth;       /* of parentheses */
	int n_lines;
	char close; /* the character that ends the string or comment we are in; 0 */
};

static void break_line(struct breaking *breaking, const char *tail)
{
	buf_add_char(&breaking->line, '\0');
	if (buf_ok(&breaking->line))
		schema_add_line(breaking->out, breaking->line.data, tail);
	else
		breaking->out->failed = true;
	buf_clear(&breaking->line);
}

/* What the character at `at` opens or closes. */
static void follow(struct breaking *breaking, const char *at)
{
	char c = *at;

	if (breaking->close != 0 && c == breaking->close) {
		breaking->close = 0;
	} else if (c == '"' || c == '\'' || c == '`') {
		breaking->close = c;
	} else if (c == '[') {
		breaking->close = ']';
	} else if (c == '-' && at[1] == '-') {
		breaking->close = '\n';
	} else if (c == '(') {
		breaking->depth++;
	} else if (c == ')') {
		breaking->depth--;
		if (breaking->n_lines > 0 && breaking->depth == 0 && breaking->line.len > 0)
			break_line(breaking, "\n");
	}
}

static void add_broken(struct buf *out, const char *text)
{
	struct breaking breaking = {.out = out};

	for (const char *at = text; *at != '\0'; at++) {
		follow(&breaking, at);
		buf_add_char(&breaking.line, *at);
		if (breaking.depth != 1 || breaking.close != 0 ||
			!(*at == '(' || *at == '\n' || (*at == ',' && !is_white_to_end(at + 1))))
			continue;
		if (*at == '\n' && breaking.line.len > 0)
			breaking.line.len--;
		break_line(&breaking, "\n  ");
		breaking.n_lines++;
		while (is_blank(at[1]))
			at++;
	}
	break_line(&breaking, ";\n");
	buf_fini(&breaking.line);
}

void schema_add_pretty(struct buf *out, const char *sql)
{
	char *text;

	if (strncasecmp(sql, "CREATE VIEW", 11) == 0 || strncasecmp(sql, "CREATE TRIG", 11) == 0) {
		buf_printf(out, "%s;\n", sql);
		return;
	}
	text = strdup(sql);
	if (text == NULL) {
		out->failed = true;
		return;
	}
	squeeze(text);
	if (strlen(text) >= 79)
		add_broken(out, text);
	else
		schema_add_line(out, text, ";\n");
	free(text);
}

char *schema_plain_sql(const char *sql)
{
	struct buf text = {0};
	const char *at;

	while ((at = strstr(sql, OUR_COLLATION)) != NULL) {
		buf_add(&text, sql, (size_t)(at - sql));
		sql = at + strlen(OUR_COLLATION);
	}
	buf_add(&text, sql, strlen(sql) + 1);
	if (!buf_ok(&text))
		buf_fini(&text);
	return text.data;
}
