/*
 * LIKE and GLOB by going back to the newest star only. That is enough: what an
 * earlier star could give, the newest can give too. SQLite's own matcher goes
 * back to every star, which takes it ages on patterns of many.
 */
#include "sql/bounded.h"

#define CHECK_EVERY 65536 /* bytes of pattern between two looks at the budget: about 0.1 ms */

struct reader {
	const unsigned char *at, *end;
};

/* The next character as SQLite decodes it; a malformed one is some value and at least one byte. */
static uint32_t next(struct reader *reader)
{
	uint32_t c = *reader->at++;

	if (c < 0xc0)
		return c;
	c = c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;
	while (reader->at < reader->end && (*reader->at & 0xc0) == 0x80)
		c = (c << 6) + (*reader->at++ & 0x3f);
	if (c < 0x80 || (c & 0xfffff800) == 0xd800 || (c & 0xfffffffe) == 0xfffe)
		return 0xfffd;
	return c;
}

static uint32_t fold(uint32_t c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* `[…]` behind its bracket; false for a set without end, which matches nothing. */
static bool in_set(struct reader *pattern, uint32_t c)
{
	bool inverted = false, seen = false;
	uint32_t previous = 0; /* what a range may begin with; 0: nothing */

	if (pattern->at < pattern->end && *pattern->at == '^') {
		inverted = true;
		pattern->at++;
	}
	/* A bracket in front is a member, but begins no range. */
	if (pattern->at < pattern->end && *pattern->at == ']') {
		seen = c == ']';
		pattern->at++;
	}
	while (pattern->at < pattern->end) {
		uint32_t member = next(pattern);

		if (member == ']')
			return seen != inverted;
		if (member == '-' && previous != 0 && pattern->at < pattern->end &&
			*pattern->at != ']') {
			uint32_t last = next(pattern);

			if (c >= previous && c <= last)
				seen = true;
			previous = 0;
		} else {
			if (c == member)
				seen = true;
			previous = member;
		}
	}
	return false;
}

/* Whether the pattern's next element, no star, takes the text's next character; both move on. */
static bool take_one(const struct wildcard *wildcard, struct reader *pattern, struct reader *text)
{
	uint32_t want, have;

	if (text->at == text->end)
		return false;
	want = next(pattern);
	have = next(text);
	if (wildcard->is_glob) {
		if (want == '?')
			return true;
		if (want == '[')
			return in_set(pattern, have);
		return want == have;
	}
	if (wildcard->escape != 0 && want == wildcard->escape) {
		if (pattern->at == pattern->end)
			return false;
		want = next(pattern);
	} else if (want == '_') {
		return true;
	}
	return fold(want) == fold(have);
}

enum wildcard_match wildcard_match(const struct wildcard *wildcard, const char *pattern_text,
	size_t pattern_len, const char *text_text, size_t len, struct budget *budget)
{
	const unsigned char star = wildcard->is_glob ? '*' : '%';
	bool star_is_escape = wildcard->escape == star;
	struct reader pattern = {(const unsigned char *)pattern_text,
		(const unsigned char *)pattern_text + pattern_len};
	struct reader text = {
		(const unsigned char *)text_text, (const unsigned char *)text_text + len};
	struct reader behind_star = {0}, retry = {0};
	size_t work = 0;

	for (;;) {
		const unsigned char *element = pattern.at;

		if (++work >= CHECK_EVERY) {
			work = 0;
			if (!budget_check(budget))
				return WILDCARD_STOPPED;
		}
		if (pattern.at < pattern.end && *pattern.at == star && !star_is_escape) {
			pattern.at++;
			behind_star = pattern;
			retry = text;
			if (pattern.at == pattern.end)
				return WILDCARD_YES;
			continue;
		}
		if (pattern.at == pattern.end && text.at == text.end)
			return WILDCARD_YES;
		if (pattern.at < pattern.end && take_one(wildcard, &pattern, &text)) {
			/* A set is as much work as it is long. */
			work += (size_t)(pattern.at - element);
			continue;
		}
		work += (size_t)(pattern.at - element);
		/* The newest star takes one character more; without one, or without text, it is
		 * over. */
		if (behind_star.at == NULL || retry.at == retry.end)
			return WILDCARD_NO;
		(void)next(&retry);
		text = retry;
		pattern = behind_star;
	}
}
