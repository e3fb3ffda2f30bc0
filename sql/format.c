/*
 * printf() and format(): the format is cut into its conversions, each is
 * judged, and SQLite's own printf writes it with the one argument it takes.
 * Widths and precisions beyond FORMAT_MAX_WIDTH are refused, because a single
 * `%.*c` can otherwise ask for a gigabyte. A format may have millions of
 * conversions: it ends with the budget, and where no room is left.
 */
#include "sql/bounded.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Conversions between two looks at the budget; the widest take 5 us. */
#define CHECK_EVERY 256

struct arguments {
	sqlite3_value **values;
	int n, used;
};

/* One conversion: `%[flags][width][.precision]letter`. */
struct conversion {
	char flags[16];
	int width;     /* -1: none; negative from `*` means left */
	int precision; /* -1: none */
	char letter;
};

static sqlite3_value *next_argument(struct arguments *arguments)
{
	return arguments->used < arguments->n ? arguments->values[arguments->used++] : NULL;
}

static int64_t integer_of(sqlite3_value *value)
{
	return value != NULL ? sqlite3_value_int64(value) : 0;
}

/* Digits or `*`; false when over the bound. */
static bool take_size(const char **at, struct arguments *arguments, int *size, bool *negative)
{
	int64_t n = 0;

	*negative = false;
	if (**at == '*') {
		(*at)++;
		n = integer_of(next_argument(arguments));
		*negative = n < 0;
		/* As SQLite: the lowest int has no positive twin and counts as none. */
		n = n < 0 ? (n < -INT32_MAX ? 0 : -n) : n;
	} else {
		while (**at >= '0' && **at <= '9') {
			n = n * 10 + (**at - '0');
			if (n > INT32_MAX)
				n = INT32_MAX;
			(*at)++;
		}
	}
	*size = (int)(n > INT32_MAX ? INT32_MAX : n);
	return *size <= FORMAT_MAX_WIDTH;
}

/*
 * Reads behind the '%'; false when a size is over
 * the bound. A conversion cut short has letter NUL.
 */
static bool take_conversion(
	const char **at, struct arguments *arguments, struct conversion *conversion)
{
	size_t n_flags = 0;
	bool negative;

	*conversion = (struct conversion){.width = -1, .precision = -1};
	for (; **at != '\0' && strchr("-+ #!0,", **at) != NULL; (*at)++) {
		if (strchr(conversion->flags, **at) == NULL &&
			n_flags < sizeof(conversion->flags) - 1)
			conversion->flags[n_flags++] = **at;
	}
	if (**at == '*' || (**at >= '1' && **at <= '9')) {
		if (!take_size(at, arguments, &conversion->width, &negative))
			return false;
		if (negative && n_flags < sizeof(conversion->flags) - 1)
			conversion->flags[n_flags++] = '-';
	}
	if (**at == '.') {
		(*at)++;
		if (!take_size(at, arguments, &conversion->precision, &negative))
			return false;
	}
	while (**at == 'l')
		(*at)++;
	conversion->letter = **at;
	if (**at != '\0')
		(*at)++;
	return true;
}

/* The same conversion as a format of SQLite's C interface. */
static void spell(char spec[64], const struct conversion *conversion, const char *letter)
{
	char width[16] = "", precision[16] = "";

	if (conversion->width >= 0)
		(void)snprintf(width, sizeof(width), "%d", conversion->width);
	if (conversion->precision >= 0)
		(void)snprintf(precision, sizeof(precision), ".%d", conversion->precision);
	(void)snprintf(spec, 64, "%%%s%s%s%s", conversion->flags, width, precision, letter);
}

#pragma GCC diagnostic push
/* The formats are made here, from judged parts. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void add_integer(sqlite3_str *out, const struct conversion *conversion, sqlite3_value *value)
{
	char letters[] = {'l', 'l', conversion->letter == 'i' ? 'd' : conversion->letter, '\0'};
	char spec[64];

	spell(spec, conversion, letters);
	sqlite3_str_appendf(out, spec, (long long)integer_of(value));
}

static void add_real(sqlite3_str *out, const struct conversion *conversion, sqlite3_value *value)
{
	char letter[] = {conversion->letter, '\0'};
	char spec[64];

	spell(spec, conversion, letter);
	sqlite3_str_appendf(out, spec, value != NULL ? sqlite3_value_double(value) : 0.0);
}

static void add_text(sqlite3_str *out, const struct conversion *conversion, sqlite3_value *value)
{
	const char *text = value != NULL ? (const char *)sqlite3_value_text(value) : NULL;
	char letter[] = {conversion->letter == 'z' ? 's' : conversion->letter, '\0'};
	char spec[64];

	spell(spec, conversion, letter);
	sqlite3_str_appendf(out, spec, text);
}

/* `len` bytes, `n` times, between blanks up to the width. */
static void add_padded(
	sqlite3_str *out, const struct conversion *conversion, const char *text, int len, int n)
{
	int padding = conversion->width > n ? conversion->width - n : 0;

	if (strchr(conversion->flags, '-') == NULL)
		sqlite3_str_appendchar(out, padding, ' ');
	for (int i = 0; i < n; i++)
		sqlite3_str_append(out, text, len);
	if (strchr(conversion->flags, '-') != NULL)
		sqlite3_str_appendchar(out, padding, ' ');
}

/* The first character of the argument, as often as the precision says. */
static void add_character(
	sqlite3_str *out, const struct conversion *conversion, sqlite3_value *value)
{
	const char *text = value != NULL ? (const char *)sqlite3_value_text(value) : NULL;
	int len = 1;

	/* Of no text SQLite writes a NUL, which ends what a reader sees. */
	if (text == NULL)
		text = "";
	while (((unsigned char)text[0] & 0xc0) == 0xc0 && len < 4 &&
		((unsigned char)text[len] & 0xc0) == 0x80)
		len++;
	add_padded(
		out, conversion, text, len, conversion->precision > 1 ? conversion->precision : 1);
}

#pragma GCC diagnostic pop

/* False for a letter that ends the format, as SQLite does with one it does not know. */
static bool add_conversion(
	sqlite3_str *out, const struct conversion *conversion, struct arguments *arguments)
{
	switch (conversion->letter) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o':
	case 'r':
	case 'p': add_integer(out, conversion, next_argument(arguments)); return true;
	case 'f':
	case 'e':
	case 'E':
	case 'g':
	case 'G': add_real(out, conversion, next_argument(arguments)); return true;
	case 's':
	case 'z':
	case 'q':
	case 'Q':
	case 'w': add_text(out, conversion, next_argument(arguments)); return true;
	case 'c': add_character(out, conversion, next_argument(arguments)); return true;
	case '%': add_padded(out, conversion, "%", 1, 1); return true;
	/* Nothing, but no longer NULL. */
	case 'n': sqlite3_str_append(out, "", 0); return true;
	default: return false;
	}
}

/* Whether the next conversion is worth its work. */
static bool may_go_on(sqlite3_str *out, size_t n_done, struct budget *budget)
{
	return sqlite3_str_errcode(out) == SQLITE_OK &&
	       (n_done % CHECK_EVERY != 0 || budget_check(budget));
}

void format_call(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct arguments arguments = {argv + 1, argc - 1, 0};
	const char *at = argc > 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
	struct conversion conversion;
	sqlite3_str *out;
	struct budget *budget = sqlite3_user_data(context);
	bool is_stopped = false;
	size_t n_done = 0;
	int status, len;

	if (at == NULL)
		return;
	out = sqlite3_str_new(sqlite3_context_db_handle(context));
	while (*at != '\0' && !is_stopped) {
		size_t literal = strcspn(at, "%");

		if (literal > 0)
			sqlite3_str_append(out, at, (int)literal);
		at += literal;
		if (*at++ == '\0')
			break;
		/* A '%' at the very end prints itself. */
		if (*at == '\0') {
			sqlite3_str_appendchar(out, 1, '%');
			break;
		}
		if (!take_conversion(&at, &arguments, &conversion)) {
			sqlite3_free(sqlite3_str_finish(out));
			sqlite3_result_error(context, "printf: a width or precision over 1000", -1);
			return;
		}
		if (!add_conversion(out, &conversion, &arguments))
			break;
		is_stopped = !may_go_on(out, ++n_done, budget);
	}
	status = sqlite3_str_errcode(out);
	if (status == SQLITE_OK && is_stopped)
		status = SQLITE_INTERRUPT;
	len = sqlite3_str_length(out);
	if (status == SQLITE_OK) {
		char *text = sqlite3_str_finish(out);

		/* Nothing printed is NULL, as in SQLite. */
		if (text != NULL)
			sqlite3_result_text(context, text, len, sqlite3_free);
		return;
	}
	sqlite3_free(sqlite3_str_finish(out));
	sqlite3_result_error_code(context, status);
}
