/*
 * One cell of a result, and the row as a run of cells: what statements give and
 * what printers and protocols take. Plain data, so that the client prints rows
 * from a socket with the same code as the daemon prints them from SQLite.
 */
#ifndef SQL_VALUE_H
#define SQL_VALUE_H

#include <stddef.h>
#include <stdint.h>

enum value_type { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT, VALUE_BLOB };

struct value {
	enum value_type type;
	int64_t integer;  /* VALUE_INTEGER */
	double real;      /* VALUE_REAL */
	const char *data; /* VALUE_TEXT (not NUL-terminated by promise) and VALUE_BLOB; borrowed */
	size_t len;
};

#endif
