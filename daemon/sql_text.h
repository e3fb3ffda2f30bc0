/*
 * Where a statement ends in text that arrives in pieces: a state that is fed
 * each byte once. Knows strings, quoted names and comments, no grammar.
 */
#ifndef DAEMON_SQL_TEXT_H
#define DAEMON_SQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum sql_text_state {
	SQL_TEXT_PLAIN,
	SQL_TEXT_DASH,  /* one `-`: a comment, or minus */
	SQL_TEXT_SLASH, /* one `/`: a comment, or a division */
	SQL_TEXT_QUOTED, /* until `closing` */
	SQL_TEXT_LINE_COMMENT,
	SQL_TEXT_BLOCK_COMMENT,
	SQL_TEXT_BLOCK_STAR, /* in a comment, behind a star */
};

struct sql_text {
	enum sql_text_state state;
	char closing;       /* of SQL_TEXT_QUOTED */
	bool has_content;   /* something but white space, comments and semicolons */
	bool is_complete;   /* the last significant byte was a semicolon */
};

/* False: bytes that no statement may have; the sentence says which and where. */
#define SQL_TEXT_SENTENCE_BYTES 96
bool sql_text_judge(const char *bytes, size_t len, char sentence[SQL_TEXT_SENTENCE_BYTES]);

/* Zero initialisation is the state before the first byte. */
void sql_text_feed(struct sql_text *text, const char *bytes, size_t len);

/*
 * Something stands behind the first statement but white space, comments and semicolons. Not told of
 * a trigger, which holds semicolons of its own; the guard refuses it.
 */
bool sql_text_has_rest(const char *bytes, size_t len);

/* All is closed and the last significant byte is a semicolon. */
static inline bool sql_text_is_complete(const struct sql_text *text)
{
	return text->is_complete &&
	       (text->state == SQL_TEXT_PLAIN || text->state == SQL_TEXT_LINE_COMMENT);
}

/* White space, comments and semicolons alone, and no comment is open. */
static inline bool sql_text_is_blank(const struct sql_text *text)
{
	return !text->has_content &&
	       (text->state == SQL_TEXT_PLAIN || text->state == SQL_TEXT_LINE_COMMENT);
}

#endif
