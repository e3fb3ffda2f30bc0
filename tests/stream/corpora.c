/* See the header. Form and values are drawn apart, so that a changed line meets lines like it. */
#include "tests/stream/corpora.h"

#include "base/timestamp.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HOUR US_PER_HOUR

static uint64_t state = 1469501107;

uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

void draw_seed(uint64_t seed)
{
	state = seed | 1;
}

uint64_t draw_state(void)
{
	return state;
}

const char *const corpus_words[CORPUS_WORDS] = {"Open", "Close", "comment_posted_1",
	"comment_posted_2", "comment_posted_12", "", "a", "ab", "GET /api/v1/users/profile_page",
	"x12345678", "x12345679", "J\xc3\xbcrgen", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80",
	"with space", "tab\\t", "caf\\u00e9", "quote\\\"d", "a/b", "null", "12345678", "123456789",
	"a name of forty bytes and some more to go on", "{}", "[1,2]", ", ",
	("a text that is longer than sixty-four bytes and so does not fit into a pattern of any "
	 "width")};

int64_t corpus_clock_s(int i)
{
	return 1469501107 + i / 3;
}

void corpus_add_notebook(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ",\"action\":\"%s\"}\n", corpus_clock_s(i),
		draw(2) ? "Open" : "Close");
}

static void add_random_times(struct buf *buf, int i)
{
	(void)i;
	buf_printf(buf, "{\"time\":%" PRIu64 ",\"action\":\"%s\"}\n", 1469501107 + draw(6048000),
		draw(2) ? "Open" : "Close");
}

static void add_words(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ",\"action\":\"%s\"}\n", corpus_clock_s(i),
		corpus_words[draw(draw(4) == 0 ? CORPUS_WORDS : 8)]);
}

static void add_many_names(struct buf *buf, int i)
{
	buf_printf(buf, "{\"action\":\"name_with_prefix_%" PRIu64 "\",\"time\":%" PRId64 "}\n",
		draw(3000), corpus_clock_s(i));
}

static void add_new_names(struct buf *buf, int i)
{
	buf_printf(buf, "{\"action\":\"%d-%" PRIu64 "\",\"time\":%" PRId64 "}\n", i, draw(100),
		corpus_clock_s(i));
}

static void add_wide(struct buf *buf, int i)
{
	char time[TIMESTAMP_TEXT_BYTES];

	(void)timestamp_format((corpus_clock_s(i) + (int64_t)draw(20)) * US_PER_S, time);
	time[10] = 'T';
	buf_printf(buf,
		"{\"id\": %" PRIu64 ", \"user\": {\"name\": \"u%" PRIu64
		"\", \"tags\": [1, 2]}, \"action\": \"%s\", \"time\": \"%sZ\", \"ok\": %s, "
		"\"score\": %" PRIu64 ".%" PRIu64 "}\n",
		draw(1000000), draw(10000), draw(2) ? "Open" : "Close", time,
		draw(2) ? "true" : "false", draw(3), draw(100));
}

static void add_iso(struct buf *buf, int i)
{
	char time[TIMESTAMP_TEXT_BYTES];

	/* Across midnights; 125 ms a step, so that fractions have three digits or are forced to. */
	(void)timestamp_format(INT64_C(1469577500) * US_PER_S + (int64_t)i * 125 * US_PER_MS, time);
	time[19] = '\0';
	buf_printf(buf, "{ \"time\" : \"%s.%03d+02:00\" , \"action\":\"%s\" }\r\n", time,
		i * 125 % 1000, corpus_words[draw(3)]);
}

static void add_ms(struct buf *buf, int i)
{
	buf_printf(buf, "{\"action\":\"%s\",\"n\":%d,\"t\":%" PRId64 "}\n", corpus_words[draw(4)],
		(int)draw(2000) - 1000, corpus_clock_s(i) * 1000 + (int64_t)draw(1000));
}

static void add_us(struct buf *buf, int i)
{
	buf_printf(buf, "{\"t\":%" PRId64 ",\"action\":\"%s\"}\n",
		corpus_clock_s(i) * 1000000 + (int64_t)draw(1000000), corpus_words[draw(4)]);
}

static void add_ns(struct buf *buf, int i)
{
	buf_printf(buf, "{\"t\":%" PRId64 ",\"action\":\"%s\"}\n",
		corpus_clock_s(i) * 1000000000 + (int64_t)draw(1000000000), corpus_words[draw(4)]);
}

static void add_two_groups(struct buf *buf, int i)
{
	buf_printf(buf,
		"{\"user\":{\"id\":\"u%" PRIu64 "\",\"n\":null},\"time\":%" PRId64
		",\"status\":%d,\"action\":\"%s\"}\n",
		draw(20), corpus_clock_s(i), 200 + (int)draw(5) * 100, corpus_words[draw(6)]);
}

static void add_no_group(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ",\"v\":%s}\n", corpus_clock_s(i),
		draw(2) ? "null" : "true");
}

static void add_mixed_shapes(struct buf *buf, int i)
{
	if (draw(2))
		corpus_add_notebook(buf, i);
	else
		add_many_names(buf, i);
	if (draw(10) == 0)
		buf_add_text(buf, "\n");
}

static void add_decimals(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ".%" PRIu64 ",\"action\":\"%s\"}\n", corpus_clock_s(i),
		draw(100000), corpus_words[draw(4)]);
}

static void add_oddities(struct buf *buf, int i)
{
	static const char *const lines[] = {"", " ", "[]", "[{\"time\":1,\"action\":\"x\"},7]",
		"{\"time\":1}{\"time\":2}", "7", "\"text\"", "{\"action\":\"Open\"}",
		"{\"time\":null}", "{\"time\":1469501107,\"time\":3,\"action\":\"Open\"}",
		"{\"t\\u0069me\":1469501107,\"action\":\"Open\"}",
		"{\"time\":01,\"action\":\"Open\"}", "{\"time\":-1469501107,\"action\":\"Open\"}",
		"{\"time\":1e9,\"action\":null}", "{\"time\":9999999999999,\"action\":\"Open\"}",
		"{\"time\":0,\"action\":\"Open\"}", "{\"time\":1469501107,\"action\":7}",
		"{\"time\":1469501107,\"action\":{\"a\":1}}",
		"{\"time\":\"2016-07-26\",\"action\":\"Open\"}",
		"{\"time\":1469501107,\"action\":\"Open\"} x", "\xef\xbb\xbf{\"time\":1}",
		"{\"time\":1469501107,\"action\":\"\xff\"}",
		"{\"time\":1469501107,\"action\":\"a\tb\"}", "[{\"time\":5},{\"time\":6}"};

	if (draw(4) != 0)
		corpus_add_notebook(buf, i);
	else
		buf_printf(buf, "%s\n", lines[draw(sizeof(lines) / sizeof(*lines))]);
}

static void add_dotted_time(struct buf *buf, int i)
{
	buf_printf(buf,
		"{\"meta\":{\"at\":\"2016-07-26T%02d:%02d:%02dZ\",\"who\":\"%s\"},"
		"\"action\":\"%s\"}\n",
		i / 3600 % 24, i / 60 % 60, i % 60, corpus_words[draw(8)],
		draw(2) ? "Open" : "Close");
}

static void add_blanks(struct buf *buf)
{
	static const char *const blanks[] = {"", "", "", " ", "  ", "\t"};

	buf_add_text(buf, blanks[draw(6)]);
}

/* A form: the same seed gives the same names and kinds of values, and other values. */
static void add_form_value(struct buf *buf, uint64_t *form, int depth)
{
	uint64_t kind;

	*form = *form * UINT64_C(6364136223846793005) + 1442695040888963407;
	kind = (*form >> 33) % (depth < 3 ? 8 : 6);
	switch (kind) {
	case 0: buf_printf(buf, "%d", (int)draw(100000) - 50000); break;
	case 1: buf_printf(buf, "%d.%03d", (int)draw(1000), (int)draw(1000)); break;
	case 2: buf_add_text(buf, draw(3) ? draw(2) ? "true" : "false" : "null"); break;
	case 3: buf_printf(buf, "\"%s\"", corpus_words[draw(CORPUS_WORDS)]); break;
	case 4: buf_printf(buf, "\"%s\"", corpus_words[draw(8)]); break;
	case 5: buf_printf(buf, "%de%d", (int)draw(10), (int)draw(10)); break;
	case 6:
		buf_add_text(buf, "[");
		for (uint64_t i = 0, n = (*form >> 40) % 4; i < n; i++) {
			buf_add_text(buf, i > 0 ? ", " : "");
			add_form_value(buf, form, depth + 1);
		}
		buf_add_text(buf, "]");
		break;
	default:
		buf_add_text(buf, "{");
		for (uint64_t i = 0, n = (*form >> 40) % 4; i < n; i++) {
			buf_printf(
				buf, "%s\"k%u\":", i > 0 ? "," : "", (unsigned)(*form >> 50) % 4);
			add_form_value(buf, form, depth + 1);
		}
		buf_add_text(buf, "}");
		break;
	}
}

void corpus_add_formed_line(struct buf *buf, uint64_t form, int i)
{
	unsigned n = 2 + (unsigned)(form >> 20) % 6;
	unsigned time_at = (unsigned)(form >> 30) % n;
	unsigned group_at = (unsigned)(form >> 40) % n;
	char blank[2] = {(form >> 50) % 3 == 0 ? ' ' : '\0', '\0'};

	buf_add_text(buf, "{");
	for (unsigned j = 0; j < n; j++) {
		buf_printf(buf, "%s%s", j > 0 ? "," : "", blank);
		if (j == time_at && form % 2 == 0)
			buf_printf(buf, "\"time\":%s%" PRId64, blank, corpus_clock_s(i));
		else if (j == time_at)
			buf_printf(buf, "\"time\":\"2016-07-2%d %02d:%02d:%02d\"", (int)draw(4),
				(int)draw(24), (int)draw(60), (int)draw(60));
		else if (j == group_at)
			buf_printf(buf, "\"action\":\"%s\"", corpus_words[draw(CORPUS_WORDS)]);
		else {
			buf_printf(buf, "\"f%u\":%s", j, blank);
			add_form_value(buf, &form, 0);
		}
	}
	if (draw(200) == 0)
		add_blanks(buf);
	buf_add_text(buf, "}\n");
}

/* Another shape every few dozen lines. */
static void add_random_shapes(struct buf *buf, int i)
{
	corpus_add_formed_line(buf, (uint64_t)(1 + i / 40) * UINT64_C(0x9e3779b97f4a7c15), i);
}

const struct corpus corpora[N_CORPORA] = {
	{"notebook", "time", TIME_UNIT_S, {"action"}, 1, HOUR, corpus_add_notebook, 90},
	{"random times", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_random_times, 50},
	{"words", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_words, 60},
	{"many names", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_many_names, 10},
	{"new names", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_new_names, 0},
	{"wide", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_wide, 90},
	{"spelled times", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_iso, 80},
	{"spelled times by the microsecond", "time", TIME_UNIT_S, {"action"}, 1, 1, add_iso, 0},
	{"milliseconds", "t", TIME_UNIT_MS, {"action"}, 1, HOUR, add_ms, 90},
	{"milliseconds by the quarter second", "t", TIME_UNIT_MS, {"action"}, 1, 250 * US_PER_MS,
		add_ms, 50},
	{"microseconds", "t", TIME_UNIT_US, {"action"}, 1, HOUR, add_us, 90},
	{"microseconds by the microsecond", "t", TIME_UNIT_US, {"action"}, 1, 1, add_us, 0},
	{"nanoseconds", "t", TIME_UNIT_NS, {"action"}, 1, HOUR, add_ns, 90},
	{"seconds by the microsecond", "time", TIME_UNIT_S, {"action"}, 1, 1, corpus_add_notebook,
		50},
	{"three groups", "time", TIME_UNIT_S, {"action", "user.id", "status"}, 3, HOUR,
		add_two_groups, 50},
	{"a group that is missing", "time", TIME_UNIT_S, {"action", "user.x"}, 2, HOUR,
		add_two_groups, 80},
	{"no group", "time", TIME_UNIT_S, {NULL}, 0, HOUR, add_no_group, 90},
	{"a week", "time", TIME_UNIT_S, {"action"}, 1, 7 * US_PER_DAY, add_random_times, 90},
	{"mixed shapes", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_mixed_shapes, 0},
	{"decimals", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_decimals, 0},
	{"a dotted time", "meta.at", TIME_UNIT_S, {"action", "meta.who"}, 2, HOUR, add_dotted_time,
		50},
	{"random shapes", "time", TIME_UNIT_S, {"action", "f1", "f2.k1"}, 3, HOUR,
		add_random_shapes, 0},
	{"oddities", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_oddities, 0},
};

void corpus_add_lines(struct buf *buf, const struct corpus *corpus, int n_lines)
{
	for (int i = 0; i < n_lines; i++)
		corpus->add(buf, i);
	if (!buf_ok(buf))
		abort();
}

static void splice(struct buf *buf, size_t at, size_t n_out, const char *in, size_t n_in)
{
	struct buf changed = {0};

	buf_add(&changed, buf->data, at);
	buf_add(&changed, in, n_in);
	buf_add(&changed, buf->data + at + n_out, buf->len - at - n_out);
	if (!buf_ok(&changed))
		abort();
	buf_fini(buf);
	*buf = changed;
}

void corpus_change_byte(struct buf *buf)
{
	static const char likely[] =
		"\"\\{}[],:0123456789.-+eE \n\r\ttruefalsn\x00\x1f\x7f\x80\xc3\xff";
	size_t at = draw(buf->len - 64);
	char byte = draw(2) ? likely[draw(sizeof(likely))] : (char)draw(256);
	char copy[64];
	size_t n = draw(40) + 1;

	switch (draw(6)) {
	case 0: buf->data[at] = byte; break;
	case 1: buf->data[at] = (char)(buf->data[at] ^ 1 << draw(8)); break;
	case 2: splice(buf, at, 0, &byte, 1); break;
	case 3: splice(buf, at, draw(3) == 0 ? n : 1, NULL, 0); break;
	case 4:
		memcpy(copy, buf->data + at, n);
		splice(buf, at, 0, copy, n);
		break;
	default:
		memcpy(copy, buf->data + draw(buf->len - 64), n);
		splice(buf, at, n, copy, n);
		break;
	}
}
