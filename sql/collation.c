/*
 * Comparing times as text. Stateless; any thread.
 *
 * The order must be total, or SQLite's sorts and keys break. It is the byte
 * order of canonical forms: a time stands for its canonical text, any other
 * text for itself. So `window_start >= '2016'`, which is no time, still means
 * what its bytes say. The bounds past the years 0000 to 9999, whose canonical
 * texts do not sort, stand behind or before all texts.
 */
#include "sql/collation.h"

#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* `YYYY-MM-DD HH:MM:SS`, the length of every canonical text without a fraction. */
#define PLAIN_BYTES 19

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Looks like a canonical text; two of them that are equally long compare by bytes as by time. */
static bool is_canonical(const char *text)
{
	return is_digit(text[0]) && text[4] == '-' && text[7] == '-' && text[10] == ' ' &&
	       text[13] == ':' && text[16] == ':';
}

static int compare_bytes(const char *a, size_t len_a, const char *b, size_t len_b)
{
	int order = memcmp(a, b, len_a < len_b ? len_a : len_b);

	if (order != 0)
		return order;
	return (len_a > len_b) - (len_a < len_b);
}

/* A time with a text that is none. */
static int compare_with_text(int64_t us, const char *text, size_t len)
{
	char canonical[TIMESTAMP_TEXT_BYTES];
	size_t n = timestamp_format(us, canonical);

	if (canonical[0] == '+')
		return 1;
	if (canonical[0] == '-')
		return -1;
	return compare_bytes(canonical, n, text, len);
}

int collation_compare(void *unused, int len_a, const void *a, int len_b, const void *b)
{
	size_t n_a = (size_t)len_a, n_b = (size_t)len_b;
	int64_t us_a = 0, us_b = 0;
	bool is_time_a, is_time_b;

	(void)unused;
	if (n_a == n_b && n_a == PLAIN_BYTES && is_canonical(a) && is_canonical(b))
		return memcmp(a, b, PLAIN_BYTES);
	is_time_a = timestamp_parse_bound(a, n_a, &us_a);
	is_time_b = timestamp_parse_bound(b, n_b, &us_b);
	if (is_time_a && is_time_b)
		return (us_a > us_b) - (us_a < us_b);
	if (is_time_a)
		return compare_with_text(us_a, b, n_b);
	if (is_time_b)
		return -compare_with_text(us_b, a, n_a);
	return compare_bytes(a, n_a, b, n_b);
}

int collation_register(sqlite3 *db, struct err *err)
{
	int rc = sqlite3_create_collation_v2(db, "TS", SQLITE_UTF8, NULL, collation_compare, NULL);

	if (rc == SQLITE_OK)
		return 0;
	return err_set(err, rc == SQLITE_NOMEM ? ERR_NOMEM : ERR_SQL,
		"cannot add the collation TS: %s", sqlite3_errstr(rc));
}
