/* One switch a byte. A doubled quote closes and opens again, which comes to the same. */
#include "daemon/sql_text.h"

#include "base/utf8.h"
#include "sql/tokens.h"

#include <stdio.h>
#include <string.h>

static void feed_plain(struct sql_text *text, char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case '\f': return;
	case ';': text->is_complete = true; return;
	case '-': text->state = SQL_TEXT_DASH; return;
	case '/': text->state = SQL_TEXT_SLASH; return;
	case '\'':
	case '"':
	case '`':
		text->state = SQL_TEXT_QUOTED;
		text->closing = c;
		break;
	case '[':
		text->state = SQL_TEXT_QUOTED;
		text->closing = ']';
		break;
	default: break;
	}
	text->has_content = true;
	text->is_complete = false;
}

/* The `-` or `/` before turned out to be an operator. */
static void feed_operand(struct sql_text *text, char c)
{
	text->state = SQL_TEXT_PLAIN;
	text->has_content = true;
	text->is_complete = false;
	feed_plain(text, c);
}

static void feed(struct sql_text *text, char c)
{
	switch (text->state) {
	case SQL_TEXT_PLAIN: feed_plain(text, c); break;
	case SQL_TEXT_DASH:
		if (c == '-')
			text->state = SQL_TEXT_LINE_COMMENT;
		else
			feed_operand(text, c);
		break;
	case SQL_TEXT_SLASH:
		if (c == '*')
			text->state = SQL_TEXT_BLOCK_COMMENT;
		else
			feed_operand(text, c);
		break;
	case SQL_TEXT_QUOTED:
		if (c == text->closing)
			text->state = SQL_TEXT_PLAIN;
		break;
	case SQL_TEXT_LINE_COMMENT:
		if (c == '\n')
			text->state = SQL_TEXT_PLAIN;
		break;
	case SQL_TEXT_BLOCK_COMMENT:
		if (c == '*')
			text->state = SQL_TEXT_BLOCK_STAR;
		break;
	case SQL_TEXT_BLOCK_STAR:
		if (c == '/')
			text->state = SQL_TEXT_PLAIN;
		else if (c != '*')
			text->state = SQL_TEXT_BLOCK_COMMENT;
		break;
	}
}

void sql_text_feed(struct sql_text *text, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		feed(text, bytes[i]);
}

/* [EXPLAIN [QUERY PLAN]] CREATE [TEMP] TRIGGER: the semicolons inside are its own. */
static bool is_trigger(const char *bytes, size_t len)
{
	struct tokens tokens = {bytes, bytes + len};
	struct token token = tokens_next(&tokens);

	while (token_is(&token, ";"))
		token = tokens_next(&tokens);
	while (token_is_word(&token, "explain") || token_is_word(&token, "query") ||
		token_is_word(&token, "plan"))
		token = tokens_next(&tokens);
	if (!token_is_word(&token, "create"))
		return false;
	token = tokens_next(&tokens);
	if (token_is_word(&token, "temp") || token_is_word(&token, "temporary"))
		token = tokens_next(&tokens);
	return token_is_word(&token, "trigger");
}

bool sql_text_has_rest(const char *bytes, size_t len)
{
	struct sql_text first = {0}, rest = {0};
	size_t at = 0;

	if (is_trigger(bytes, len))
		return false;
	while (at < len && !(first.has_content && sql_text_is_complete(&first)))
		feed(&first, bytes[at++]);
	sql_text_feed(&rest, bytes + at, len - at);
	return rest.has_content;
}

bool sql_text_judge(const char *bytes, size_t len, char sentence[SQL_TEXT_SENTENCE_BYTES])
{
	size_t valid = utf8_valid_prefix(bytes, len);

	if (memchr(bytes, '\0', len) != NULL)
		(void)snprintf(sentence, SQL_TEXT_SENTENCE_BYTES, "a NUL byte in a statement");
	else if (valid < len)
		(void)snprintf(sentence, SQL_TEXT_SENTENCE_BYTES,
			"the statement is not valid UTF-8 (byte %zu)", valid);
	else
		return true;
	return false;
}
