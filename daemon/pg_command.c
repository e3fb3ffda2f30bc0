/*
 * Recognition by first words. The grammar of each command is read as loosely as
 * it can be without taking one for another: clients write them in many ways.
 */
#include "daemon/pg_command.h"

#include "daemon/pg_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct words {
	const char *at, *end;
	struct pg_token token; /* the current one, never space */
};

static void advance(struct words *words)
{
	do {
		words->token = pg_token_next(words->at, (size_t)(words->end - words->at));
		words->at += words->token.len;
	} while (words->token.kind == PG_TOKEN_SPACE);
}

static bool take(struct words *words, const char *word)
{
	if (!pg_token_is(&words->token, word))
		return false;
	advance(words);
	return true;
}

static bool is_at_end(const struct words *words)
{
	return words->token.kind == PG_TOKEN_END || pg_token_is(&words->token, ";");
}

/* A name, number or string without its quotes; names that are not quoted in lower case. */
static void take_value(struct words *words, char out[PG_COMMAND_TEXT_BYTES])
{
	const struct pg_token *token = &words->token;
	bool is_quoted = token->len >= 2 && (token->text[0] == '\'' || token->text[0] == '"');
	size_t from = is_quoted ? 1 : 0;
	size_t n = 0;

	if (is_at_end(words))
		return;
	for (size_t i = from; i < token->len - from && n + 1 < PG_COMMAND_TEXT_BYTES; i++) {
		char c = token->text[i];

		if (is_quoted && c == token->text[0])
			i++;
		out[n++] = !is_quoted && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	out[n] = '\0';
	advance(words);
}

/* Adds as much of `more` as has room. */
static void append(char text[PG_COMMAND_TEXT_BYTES], const char *more)
{
	size_t n = strlen(text);

	while (*more != '\0' && n + 1 < PG_COMMAND_TEXT_BYTES)
		text[n++] = *more++;
	text[n] = '\0';
}

/* The rest of the statement without its `;`. */
static void take_rest(struct words *words, struct pg_command *command)
{
	const char *end = words->end;

	while (end > words->token.text && (end[-1] == ';' || (end[-1] >= '\t' && end[-1] <= ' ')))
		end--;
	command->rest = words->token.text;
	command->rest_len = (size_t)(end - words->token.text);
}

/* SET [SESSION | LOCAL] name { TO | = } value, …; SET TIME ZONE value; SET TRANSACTION …. */
static void parse_set(struct words *words, struct pg_command *command)
{
	command->kind = PG_COMMAND_SET;
	command->tag = "SET";
	if (!take(words, "session"))
		(void)take(words, "local");
	if (take(words, "time")) {
		(void)take(words, "zone");
		strcpy(command->name, "timezone");
	} else if (pg_token_is(&words->token, "transaction") ||
		   pg_token_is(&words->token, "characteristics")) {
		strcpy(command->name, "transaction");
		return;
	} else {
		take_value(words, command->name);
		/* A custom parameter: prefix.name. */
		if (take(words, ".")) {
			char rest[PG_COMMAND_TEXT_BYTES] = "";

			take_value(words, rest);
			append(command->name, ".");
			append(command->name, rest);
		}
		if (!take(words, "to"))
			(void)take(words, "=");
	}
	if (pg_token_is(&words->token, "default") ||
		(strcmp(command->name, "timezone") == 0 && pg_token_is(&words->token, "local"))) {
		command->is_default = true;
		return;
	}
	/* A list (search_path = a, b) is kept as its words. */
	while (!is_at_end(words)) {
		char word[PG_COMMAND_TEXT_BYTES] = "";

		take_value(words, word);
		append(command->value, word);
	}
}

static void parse_rollback(struct words *words, struct pg_command *command)
{
	command->kind = PG_COMMAND_ROLLBACK;
	command->tag = "ROLLBACK";
	if (!take(words, "work"))
		(void)take(words, "transaction");
	if (take(words, "to")) {
		(void)take(words, "savepoint");
		command->kind = PG_COMMAND_ROLLBACK_TO;
		take_value(words, command->name);
	}
}

/* DECLARE name [options] CURSOR [WITH HOLD] FOR select */
static void parse_declare(struct words *words, struct pg_command *command)
{
	command->kind = PG_COMMAND_DECLARE;
	command->tag = "DECLARE CURSOR";
	take_value(words, command->name);
	while (!is_at_end(words)) {
		if (take(words, "for")) {
			take_rest(words, command);
			return;
		}
		advance(words);
	}
	/* Without FOR it is no command, and SQLite says where it stops to be one. */
	command->kind = PG_COMMAND_QUERY;
}

/* The word, if more follows: as the last one it is the cursor's name. */
static bool take_direction(struct words *words, const char *word)
{
	struct words before = *words;

	if (take(words, word) && !is_at_end(words))
		return true;
	*words = before;
	return false;
}

/* [-]n | ALL; 1 where there is none. */
static int64_t take_count(struct words *words)
{
	char number[PG_COMMAND_TEXT_BYTES] = "";
	bool is_negative;

	if (take_direction(words, "all"))
		return INT64_MAX;
	is_negative = take(words, "-");
	if (words->token.kind != PG_TOKEN_NUMBER)
		return 1;
	take_value(words, number);
	return is_negative ? -strtoll(number, NULL, 10) : strtoll(number, NULL, 10);
}

/* FETCH [NEXT | [FORWARD] [n | ALL]] [FROM | IN] name, and what only goes with rows that are kept.
 */
static void parse_fetch(struct words *words, struct pg_command *command)
{
	static const char *const elsewhere[] = {"first", "absolute", "relative"};

	command->kind = PG_COMMAND_FETCH;
	command->tag = "FETCH";
	command->n_rows = 1;
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (take_direction(words, elsewhere[i])) {
			command->kind = PG_COMMAND_UNSUPPORTED;
			(void)snprintf(
				command->name, sizeof(command->name), "FETCH %s", elsewhere[i]);
			return;
		}
	if (take_direction(words, "prior") || take_direction(words, "last")) {
		command->n_rows = -1;
	} else if (take_direction(words, "backward")) {
		int64_t n = take_count(words);

		/* Nothing backward is the row it stands on again. */
		command->n_rows = n == 0 ? 0 : -n;
	} else if (!take_direction(words, "next")) {
		(void)take_direction(words, "forward");
		command->n_rows = take_count(words);
	}
	if (!take(words, "from"))
		(void)take(words, "in");
	take_value(words, command->name);
}

/* HEADER [true | false]; on, off, 1 and 0 too. */
static void parse_copy_header(struct words *words, struct pg_command *command)
{
	command->has_header = true;
	if (take(words, "true") || take(words, "on"))
		return;
	if (take(words, "false") || take(words, "off")) {
		command->has_header = false;
	} else if (words->token.kind == PG_TOKEN_NUMBER) {
		command->has_header = words->token.text[0] != '0';
		advance(words);
	}
}

/* The options behind TO STDOUT in the old and the new spelling; one that is not known is refused by
 * name. */
static void parse_copy_options(struct words *words, struct pg_command *command)
{
	while (!is_at_end(words)) {
		char word[PG_COMMAND_TEXT_BYTES] = "";

		if (take(words, "with") || take(words, "(") || take(words, ")") || take(words, ","))
			continue;
		take_value(words, word);
		if (strcasecmp(word, "csv") == 0) {
			command->is_csv = true;
		} else if (strcasecmp(word, "header") == 0) {
			parse_copy_header(words, command);
		} else if (strcasecmp(word, "encoding") == 0) {
			take_value(words, word);
		} else if (strcasecmp(word, "format") != 0 && strcasecmp(word, "text") != 0) {
			command->kind = PG_COMMAND_UNSUPPORTED;
			(void)snprintf(
				command->name, sizeof(command->name), "COPY with %.60s", word);
			return;
		}
	}
}

/* COPY ( select ) TO STDOUT …, COPY table TO STDOUT … */
static void parse_copy(struct words *words, struct pg_command *command)
{
	int depth = 0;
	const char *end = words->token.text;

	command->kind = PG_COMMAND_COPY;
	command->tag = "COPY";
	command->rest = end;
	command->is_table = !pg_token_is(&words->token, "(");
	while (words->token.kind != PG_TOKEN_END) {
		if (depth == 0 &&
			(pg_token_is(&words->token, "to") || pg_token_is(&words->token, "from")))
			break;
		if (pg_token_is(&words->token, "("))
			depth++;
		else if (pg_token_is(&words->token, ")"))
			depth--;
		end = words->token.text + words->token.len;
		advance(words);
	}
	command->rest_len = (size_t)(end - command->rest);
	if (!command->is_table && command->rest_len >= 2) {
		command->rest++;
		command->rest_len -= 2;
	}
	if (!take(words, "to") || !take(words, "stdout")) {
		command->kind = PG_COMMAND_UNSUPPORTED;
		strcpy(command->name, "COPY other than TO STDOUT");
		return;
	}
	parse_copy_options(words, command);
}

static const struct {
	const char *word;
	enum pg_command_kind kind;
	const char *tag;
} simple[] = {
	{"begin", PG_COMMAND_BEGIN, "BEGIN"},
	{"start", PG_COMMAND_BEGIN, "START TRANSACTION"},
	{"commit", PG_COMMAND_COMMIT, "COMMIT"},
	{"end", PG_COMMAND_COMMIT, "COMMIT"},
	{"discard", PG_COMMAND_DISCARD, "DISCARD ALL"},
};

/* Commands of the form WORD [noise] name. */
static const struct {
	const char *word, *noise;
	enum pg_command_kind kind;
	const char *tag;
} named[] = {
	{"savepoint", "", PG_COMMAND_SAVEPOINT, "SAVEPOINT"},
	{"release", "savepoint", PG_COMMAND_RELEASE, "RELEASE"},
	{"show", "", PG_COMMAND_SHOW, "SHOW"},
	{"reset", "", PG_COMMAND_RESET, "RESET"},
	{"deallocate", "prepare", PG_COMMAND_DEALLOCATE, "DEALLOCATE"},
	{"listen", "", PG_COMMAND_LISTEN, "LISTEN"},
	{"unlisten", "", PG_COMMAND_UNLISTEN, "UNLISTEN"},
	{"notify", "", PG_COMMAND_NOTIFY, "NOTIFY"},
	{"close", "", PG_COMMAND_CLOSE, "CLOSE CURSOR"},
};

static const char *const unsupported[] = {"prepare", "execute", "grant", "revoke", "lock", "move",
	"truncate", "cluster", "do", "call"};

/* SQLite's EXPLAIN has no options: it would take ANALYZE for the statement that is explained. */
static void parse_explain(struct words *words, struct pg_command *command)
{
	static const char *const options[] = {"(", "analyze", "verbose"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (pg_token_is(&words->token, options[i])) {
			command->kind = PG_COMMAND_UNSUPPORTED;
			strcpy(command->name, "EXPLAIN other than EXPLAIN QUERY PLAN");
		}
}

static void parse_named(struct words *words, struct pg_command *command, size_t i)
{
	command->kind = named[i].kind;
	command->tag = named[i].tag;
	(void)take(words, named[i].noise);
	if (command->kind == PG_COMMAND_SHOW && take(words, "time")) {
		strcpy(command->name, "timezone");
		return;
	}
	if (command->kind == PG_COMMAND_SHOW && take(words, "transaction")) {
		strcpy(command->name, "transaction_isolation");
		return;
	}
	if (pg_token_is(&words->token, "all") || pg_token_is(&words->token, "*")) {
		if (command->kind == PG_COMMAND_DEALLOCATE)
			command->tag = "DEALLOCATE ALL";
		else if (command->kind == PG_COMMAND_CLOSE)
			command->tag = "CLOSE CURSOR ALL";
		return;
	}
	take_value(words, command->name);
}

void pg_command_parse(const char *text, size_t len, struct pg_command *command)
{
	struct words words = {.at = text, .end = text + len};
	static const char *const tags[] = {
		"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "REINDEX", "ANALYZE"};

	*command = (struct pg_command){.kind = PG_COMMAND_QUERY, .tag = "SELECT"};
	advance(&words);
	if (is_at_end(&words)) {
		command->kind = PG_COMMAND_NONE;
		return;
	}
	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
		if (take(&words, simple[i].word)) {
			command->kind = simple[i].kind;
			command->tag = simple[i].tag;
			return;
		}
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (take(&words, named[i].word)) {
			parse_named(&words, command, i);
			return;
		}
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (pg_token_is(&words.token, unsupported[i])) {
			command->kind = PG_COMMAND_UNSUPPORTED;
			take_value(&words, command->name);
			return;
		}
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (pg_token_is(&words.token, tags[i]))
			command->tag = tags[i];
	if (take(&words, "set"))
		parse_set(&words, command);
	else if (take(&words, "rollback") || take(&words, "abort"))
		parse_rollback(&words, command);
	else if (take(&words, "declare"))
		parse_declare(&words, command);
	else if (take(&words, "fetch"))
		parse_fetch(&words, command);
	else if (take(&words, "copy"))
		parse_copy(&words, command);
	else if (take(&words, "explain"))
		parse_explain(&words, command);
}
