/* Lines are put together by hand, since printf would be slower than the disk. */
#include "bench/gen_lines.h"

#include "base/mem.h"
#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define ACTION_MIN_BYTES 4
#define ACTION_MAX_BYTES 20
#define MAX_ACTIONS      UINT64_C(456976) /* 26 to the fourth */

struct action {
	char name[ACTION_MAX_BYTES];
	size_t len;
};

struct lines {
	struct line_plan plan;
	struct action *actions;
	uint64_t random;
};

/* splitmix64: a counter, mixed. */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* 0 to n - 1. */
static uint64_t random_below(uint64_t *state, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random_next(state) * n >> 64);
}

static struct action fixed_action(const char *name)
{
	struct action action = {.len = strlen(name)};

	memcpy(action.name, name, action.len);
	return action;
}

/* The first four letters are the number, so that no two are alike; the rest is any. */
static struct action random_action(uint64_t number, uint64_t *random)
{
	struct action action;
	size_t i;

	action.len =
		ACTION_MIN_BYTES + random_below(random, ACTION_MAX_BYTES - ACTION_MIN_BYTES + 1);
	/* Spread over the alphabet by a factor that has no divisor in common with 26. */
	number = number * 175781 % MAX_ACTIONS;
	for (i = 0; i < ACTION_MIN_BYTES; i++) {
		action.name[i] = (char)('a' + number % 26);
		number /= 26;
	}
	for (; i < action.len; i++)
		action.name[i] = (char)('a' + random_below(random, 26));
	return action;
}

struct lines *lines_new(const struct line_plan *plan)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	uint64_t i;

	if (lines == NULL)
		return NULL;
	lines->plan = *plan;
	lines->random = plan->seed;
	lines->actions = mem_new_array(plan->n_actions, sizeof(*lines->actions));
	if (lines->actions == NULL) {
		free(lines);
		return NULL;
	}
	for (i = 0; i < plan->n_actions; i++)
		lines->actions[i] = random_action(i, &lines->random);
	if (plan->n_actions <= 2) {
		lines->actions[0] = fixed_action("Open");
		if (plan->n_actions == 2)
			lines->actions[1] = fixed_action("Close");
	}
	return lines;
}

void lines_free(struct lines *lines)
{
	if (lines == NULL)
		return;
	free(lines->actions);
	free(lines);
}

static char *put_text(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

#define PUT(at, literal) put_text(at, literal, sizeof(literal) - 1)

static char *put_number(char *at, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	return put_text(at, digits + i, sizeof(digits) - i);
}

static char *put_time(char *at, int64_t time_s)
{
	if (time_s < 0)
		*at++ = '-';
	return put_number(at, (uint64_t)(time_s < 0 ? -time_s : time_s));
}

size_t line_write_narrow(char *out, int64_t time_s, const char *action, size_t len)
{
	char *at = PUT(out, "{\"time\":");

	at = put_time(at, time_s);
	at = PUT(at, ",\"action\":\"");
	at = put_text(at, action, len);
	at = PUT(at, "\"}\n");
	return (size_t)(at - out);
}

static size_t write_wide(char *out, int64_t time_s, const struct action *action, uint64_t random)
{
	char time[TIMESTAMP_TEXT_BYTES];
	size_t time_len = timestamp_format(time_s * US_PER_S, time);
	char *at = PUT(out, "{\"id\": ");

	time[10] = 'T';
	at = put_number(at, 100000 + random % 900000);
	at = PUT(at, ", \"user\": {\"name\": \"u");
	at = put_number(at, 1000 + (random >> 20) % 9000);
	at = PUT(at, "\", \"tags\": [1, 2]}, \"action\": \"");
	at = put_text(at, action->name, action->len);
	at = PUT(at, "\", \"time\": \"");
	at = put_text(at, time, time_len);
	at = PUT(at, "Z\", \"ok\": ");
	at = (random >> 40 & 1) != 0 ? PUT(at, "true") : PUT(at, "false");
	at = PUT(at, ", \"score\": 0.");
	at = put_number(at, 10 + (random >> 41) % 90);
	at = PUT(at, "}\n");
	return (size_t)(at - out);
}

/* Spoils a good line of `len` bytes in one of the ways that streams really have. */
static size_t spoil(struct lines *lines, char *line, size_t len)
{
	static const char *const others[] = {"not json at all\n", "{\"action\":\"Open\"}\n",
		"{\"time\":\"yesterday\"}\n", "42\n", "\xFF\xFE\n"};
	uint64_t kind = random_below(&lines->random, 8);
	size_t at = 1 + random_below(&lines->random, len - 2);

	if (kind < sizeof(others) / sizeof(others[0])) {
		len = strlen(others[kind]);
		memcpy(line, others[kind], len);
	} else if (kind == 5) {
		line[at] = '\x01';
	} else {
		line[at] = '\n';
		len = at + 1;
	}
	return len;
}

size_t lines_next(struct lines *lines, uint64_t done, uint64_t total, char *out)
{
	const struct line_plan *plan = &lines->plan;
	uint64_t random = random_next(&lines->random);
	uint64_t span = (uint64_t)plan->span_s;
	const struct action *action;
	int64_t time_s;
	size_t len;

	action = &lines->actions[(random >> 32) * plan->n_actions >> 32];
	if (plan->is_random_order)
		time_s = plan->start_s + (int64_t)random_below(&lines->random, span);
	else
		time_s = plan->start_s +
			 (int64_t)((unsigned __int128)span * done / (total > 0 ? total : 1));
	if (plan->shape == SHAPE_NARROW)
		len = line_write_narrow(out, time_s, action->name, action->len);
	else
		len = write_wide(out, time_s, action, random_next(&lines->random));
	if (plan->malformed_ppm > 0 && random_below(&lines->random, 1000000) < plan->malformed_ppm)
		len = spoil(lines, out, len);
	return len;
}
