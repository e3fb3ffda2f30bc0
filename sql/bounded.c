/*
 * The linear twins of instr, replace and trim, and the calls of wildcard.c.
 * Each answers as SQLite 3.40 does, odd arguments included; the test compares
 * them with the built-in ones.
 */
#include "sql/bounded.h"

#include <string.h>

#define CHECK_EVERY 4096 /* matches between two looks at the budget */

/* Gives SQLite the reason that ended the budget. */
static void stop(sqlite3_context *context)
{
	sqlite3_result_error_code(context, SQLITE_INTERRUPT);
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

static void on_instr(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	bool is_text = sqlite3_value_type(argv[0]) != SQLITE_BLOB ||
		       sqlite3_value_type(argv[1]) != SQLITE_BLOB;
	const char *hay, *needle, *found;
	size_t hay_len, needle_len;
	int64_t position = 1;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
		sqlite3_value_type(argv[1]) == SQLITE_NULL)
		return;
	hay = is_text ? (const char *)sqlite3_value_text(argv[0]) : sqlite3_value_blob(argv[0]);
	needle = is_text ? (const char *)sqlite3_value_text(argv[1]) : sqlite3_value_blob(argv[1]);
	hay_len = (size_t)sqlite3_value_bytes(argv[0]);
	needle_len = (size_t)sqlite3_value_bytes(argv[1]);
	if (needle_len == 0) {
		sqlite3_result_int(context, 1);
		return;
	}
	if (needle == NULL || (hay == NULL && hay_len > 0)) {
		sqlite3_result_error_nomem(context);
		return;
	}
	found = hay_len > 0 ? memmem(hay, hay_len, needle, needle_len) : NULL;
	/* What begins in the middle of a character is found at the start only. */
	if (found == NULL || (is_text && found != hay && is_continuation((unsigned char)*needle))) {
		sqlite3_result_int(context, 0);
		return;
	}
	for (const char *at = hay; at < found; at++)
		position += !is_text || !is_continuation((unsigned char)at[1]);
	sqlite3_result_int64(context, position);
}

/* One byte is looked for by what is quickest for one byte. */
static const char *find(const char *text, const char *end, const char *pattern, size_t pattern_len)
{
	if (pattern_len == 1)
		return memchr(text, *pattern, (size_t)(end - text));
	return memmem(text, (size_t)(end - text), pattern, pattern_len);
}

/* What replace() is asked for; the pattern is not empty. */
struct replacing {
	const char *text, *end;
	const char *pattern, *with;
	size_t pattern_len, with_len;
	struct budget *budget;
};

/* How often the pattern stands in the text; false when time is over. */
static bool count_matches(const struct replacing *job, size_t *n)
{
	const char *found;

	*n = 0;
	for (const char *at = job->text;
		(found = find(at, job->end, job->pattern, job->pattern_len)) != NULL;
		at = found + job->pattern_len) {
		if (++*n % CHECK_EVERY == 0 && !budget_check(job->budget))
			return false;
	}
	return true;
}

/* Writes the result, for which there is room; false when time is over. */
static bool write_replaced(const struct replacing *job, char *out)
{
	const char *at = job->text;
	size_t n = 0;

	for (;;) {
		const char *found = find(at, job->end, job->pattern, job->pattern_len);
		size_t kept = (size_t)((found != NULL ? found : job->end) - at);

		memcpy(out, at, kept);
		out += kept;
		if (found == NULL)
			return true;
		memcpy(out, job->with, job->with_len);
		out += job->with_len;
		at = found + job->pattern_len;
		if (++n % CHECK_EVERY == 0 && !budget_check(job->budget))
			return false;
	}
}

static void replace_all(sqlite3_context *context, const struct replacing *job)
{
	int limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
	size_t n, total;
	char *out;

	if (!count_matches(job, &n)) {
		stop(context);
		return;
	}
	/* Both lengths are below 2^31, so the products fit. */
	total = (size_t)(job->end - job->text) - n * job->pattern_len + n * job->with_len;
	if (total > (size_t)limit) {
		sqlite3_result_error_toobig(context);
		return;
	}
	out = sqlite3_malloc64(total + 1);
	if (out == NULL) {
		sqlite3_result_error_nomem(context);
	} else if (!write_replaced(job, out)) {
		sqlite3_free(out);
		stop(context);
	} else {
		sqlite3_result_text64(context, out, total, sqlite3_free, SQLITE_UTF8);
	}
}

static void on_replace(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct replacing job = {.budget = sqlite3_user_data(context)};

	(void)argc;
	job.text = (const char *)sqlite3_value_text(argv[0]);
	job.pattern = (const char *)sqlite3_value_text(argv[1]);
	job.pattern_len = (size_t)sqlite3_value_bytes(argv[1]);
	if (job.text == NULL || job.pattern == NULL)
		return;
	job.end = job.text + sqlite3_value_bytes(argv[0]);
	if (job.pattern[0] == '\0') {
		sqlite3_result_value(context, argv[0]);
		return;
	}
	job.with = (const char *)sqlite3_value_text(argv[2]);
	job.with_len = (size_t)sqlite3_value_bytes(argv[2]);
	if (job.with != NULL)
		replace_all(context, &job);
}

static void match(sqlite3_context *context, const struct wildcard *wildcard, sqlite3_value *pattern,
	sqlite3_value *text)
{
	const char *pattern_text, *text_text;

	/* Debian's build says so: a BLOB is like nothing. */
	if (sqlite3_value_type(pattern) == SQLITE_BLOB || sqlite3_value_type(text) == SQLITE_BLOB) {
		sqlite3_result_int(context, 0);
		return;
	}
	pattern_text = (const char *)sqlite3_value_text(pattern);
	text_text = (const char *)sqlite3_value_text(text);
	if (pattern_text == NULL || text_text == NULL)
		return;
	/* As in SQLite both end at a NUL. */
	switch (wildcard_match(wildcard, pattern_text, strlen(pattern_text), text_text,
		strlen(text_text), sqlite3_user_data(context))) {
	case WILDCARD_NO: sqlite3_result_int(context, 0); break;
	case WILDCARD_YES: sqlite3_result_int(context, 1); break;
	case WILDCARD_STOPPED: stop(context); break;
	}
}

/* The one character of an ESCAPE; 0: it is none. */
static uint32_t only_character(const unsigned char *text)
{
	uint32_t c = text[0];
	size_t n = 1;

	if (c >= 0xc0) {
		c = c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;
		for (; is_continuation(text[n]); n++)
			c = (c << 6) + (text[n] & 0x3f);
	}
	return c != 0 && text[n] == '\0' ? c : 0;
}

static void on_like(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct wildcard wildcard = {.is_glob = false};

	if (argc == 3) {
		const unsigned char *escape = sqlite3_value_text(argv[2]);

		if (escape == NULL)
			return;
		wildcard.escape = only_character(escape);
		if (wildcard.escape == 0) {
			sqlite3_result_error(
				context, "ESCAPE expression must be a single character", -1);
			return;
		}
	}
	match(context, &wildcard, argv[0], argv[1]);
}

static void on_glob(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct wildcard wildcard = {.is_glob = true};

	(void)argc;
	match(context, &wildcard, argv[0], argv[1]);
}

enum trim_side { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_BOTH = 3 };

struct trim_set {
	const char *at[TRIM_MAX_SET];
	size_t len[TRIM_MAX_SET];
	size_t n;
};

/* The set's characters, as SQLite cuts them; false when there are too many. */
static bool read_set(struct trim_set *set, const char *text)
{
	set->n = 0;
	while (*text != '\0') {
		size_t len = 1;

		if (set->n == TRIM_MAX_SET)
			return false;
		if ((unsigned char)*text >= 0xc0) {
			while (is_continuation((unsigned char)text[len]))
				len++;
		}
		set->at[set->n] = text;
		set->len[set->n++] = len;
		text += len;
	}
	return true;
}

/* Bytes of the set's first member that text begins (or ends) with; 0: none. */
static size_t trimmed(const struct trim_set *set, const char *text, size_t len, bool at_end)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->len[i] <= len && memcmp(at_end ? text + len - set->len[i] : text,
						  set->at[i], set->len[i]) == 0)
			return set->len[i];
	}
	return 0;
}

static void trim(sqlite3_context *context, int argc, sqlite3_value **argv, enum trim_side side)
{
	struct trim_set set;
	const char *text, *members = " ";
	struct budget *budget = sqlite3_user_data(context);
	size_t len, cut, n = 0;
	bool is_stopped = false;

	text = (const char *)sqlite3_value_text(argv[0]);
	if (text == NULL)
		return;
	len = (size_t)sqlite3_value_bytes(argv[0]);
	if (argc == 2)
		members = (const char *)sqlite3_value_text(argv[1]);
	if (members == NULL)
		return;
	if (!read_set(&set, members)) {
		sqlite3_result_error(context, "trim: more than 256 characters to take away", -1);
		return;
	}
	while ((side & TRIM_LEFT) != 0 && !is_stopped &&
		(cut = trimmed(&set, text, len, false)) > 0) {
		text += cut;
		len -= cut;
		is_stopped = ++n % CHECK_EVERY == 0 && !budget_check(budget);
	}
	while ((side & TRIM_RIGHT) != 0 && !is_stopped &&
		(cut = trimmed(&set, text, len, true)) > 0) {
		len -= cut;
		is_stopped = ++n % CHECK_EVERY == 0 && !budget_check(budget);
	}
	if (is_stopped)
		stop(context);
	else
		sqlite3_result_text64(context, text, len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void on_trim(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	trim(context, argc, argv, TRIM_BOTH);
}

static void on_ltrim(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	trim(context, argc, argv, TRIM_LEFT);
}

static void on_rtrim(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	trim(context, argc, argv, TRIM_RIGHT);
}

int bounded_register(sqlite3 *db, struct budget *budget, struct err *err)
{
	static const struct {
		const char *name;
		int argc;
		void (*call)(sqlite3_context *context, int argc, sqlite3_value **argv);
	} table[] = {
		{"instr", 2, on_instr},
		{"replace", 3, on_replace},
		{"like", 2, on_like},
		{"like", 3, on_like},
		{"glob", 2, on_glob},
		{"trim", 1, on_trim},
		{"trim", 2, on_trim},
		{"ltrim", 1, on_ltrim},
		{"ltrim", 2, on_ltrim},
		{"rtrim", 1, on_rtrim},
		{"rtrim", 2, on_rtrim},
		{"printf", -1, format_call},
		{"format", -1, format_call},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (sqlite3_create_function_v2(db, table[i].name, table[i].argc,
			    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, budget,
			    table[i].call, NULL, NULL, NULL) != SQLITE_OK)
			return err_nomem(err);
	}
	return 0;
}
