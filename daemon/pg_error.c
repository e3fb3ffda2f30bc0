/* The mapping. SQLite has one code for all wrong statements, so its sentences decide. */
#include "daemon/pg_error.h"

#include <string.h>

static const struct {
	const char *sentence, *state;
} sentences[] = {
	{"no such table", "42P01"},
	{"no such column", "42703"},
	{"has no column named", "42703"},
	{"no such function", "42883"},
	{"wrong number of arguments", "42883"},
	{"ambiguous column name", "42702"},
	{"misuse of aggregate", "42803"},
	{"misuse of window", "42P20"},
	{"GROUP BY", "42803"},
	{"already exists", "42P07"},
	{"but 0 values were sent", PG_STATE_NO_PARAMETER},
	{"syntax error", "42601"},
	{"incomplete input", "42601"},
	{"unrecognized token", "42601"},
	{"unterminated quoted", "42601"},
	{"not supported", PG_STATE_UNSUPPORTED},
	{"ORDER BY term", "42601"},
	{"same number of result columns", "42601"},
	{"UNIQUE constraint", "23505"},
	{"NOT NULL constraint", "23502"},
	{"no time: ", "22007"},
	{"syntax for type timestamp", "22007"},
	{"syntax for type date", "22007"},
	{"syntax for type interval", "22007"},
	{"invalid input syntax", "22P02"},
	{"does not exist", "42P01"},
	{"unrecognized configuration parameter", "42704"},
	{"integer overflow", "22003"},
	{"out of range", "22003"},
	{"incorrect binary data format", "22P03"},
	{"invalid byte sequence", "22021"},
	{"cannot start a transaction within", "25001"},
};

const char *pg_state_of(const struct err *err)
{
	switch (err->code) {
	case ERR_DENIED: return "42501";
	case ERR_INTERRUPTED: return "57014";
	case ERR_LIMIT: return "53400";
	case ERR_NOMEM: return "53200";
	case ERR_PROTOCOL: return PG_STATE_PROTOCOL;
	case ERR_IO: return "58030";
	case ERR_CORRUPT: return "XX001";
	default: break;
	}
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (strstr(err->text, sentences[i].sentence) != NULL)
			return sentences[i].state;
	switch (err->code) {
	case ERR_INVALID: return PG_STATE_INVALID_TEXT;
	case ERR_MISSING: return "42P01";
	default: return "22000";
	}
}
