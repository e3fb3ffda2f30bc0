/*
 * A directory that is used at random: files are written, appended, renamed,
 * rotated, linked, rewritten, replaced, moved out and back, deleted, while the
 * source looks by notices or at everything and is restarted now and then, also
 * under other device numbers. Every token that was ever written must have been
 * read exactly once. Deleting and rewriting wait until a file is read, as
 * nobody can read what is gone. A failing seed is printed.
 */
#include "tests/run.h"
#include "tests/stream/source_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_NAMES  8
#define N_STEPS  250
#define N_ROUNDS 12

static struct fixture f;
static int n_tokens;
static bool is_there[N_NAMES];
static bool is_outside[N_NAMES];
static bool is_unread[N_NAMES]; /* written since everything was read */
static unsigned seed;
static int round_seed; /* what to give in SOURCE_SEED to see it again */

static int pick(int n)
{
	return rand_r(&seed) % n;
}

static const char *name_of(int i)
{
	static char names[4][16];
	static unsigned next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof(names[0]), "file-%d", i);
	return name;
}

/* Some tokens never written before; now and then very many. */
static const char *tokens(void)
{
	static char text[12 * 1000];
	int n = pick(20) == 0 ? 1 + pick(999) : pick(4);
	size_t len = 0;

	text[0] = '\0';
	while (n-- > 0)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "t%d ", n_tokens++);
	return text;
}

static bool is_read(int i)
{
	return !is_unread[i];
}

static void notice(int i)
{
	source_notice(f.source, name_of(i));
}

static void write_some(int i)
{
	if (!is_there[i])
		fixture_write(&f, name_of(i), tokens());
	else
		fixture_append(&f, name_of(i), tokens());
	is_there[i] = true;
	is_unread[i] = true;
	notice(i);
}

static void rename_one(int from, int to)
{
	if (!is_there[from] || from == to || (is_there[to] && !is_read(to)))
		return;
	fixture_rename(&f, name_of(from), name_of(to));
	is_there[from] = false;
	is_there[to] = true;
	is_unread[to] = is_unread[from];
	notice(pick(2) == 0 ? from : to);
	notice(from);
	notice(to);
}

static void rotate(int i)
{
	int to = (i + 1) % N_NAMES;

	rename_one(i, to);
	if (!is_there[i])
		write_some(i);
}

static void rewrite(int i)
{
	if (!is_there[i] || !is_read(i))
		return;
	fixture_write(&f, name_of(i), tokens());
	is_unread[i] = true;
	notice(i);
}

static void replace(int i)
{
	if (is_there[i] && !is_read(i))
		return;
	fixture_write(&f, ".new", tokens());
	fixture_rename(&f, ".new", name_of(i));
	is_there[i] = true;
	is_unread[i] = true;
	notice(i);
}

static void delete_one(int i)
{
	if (!is_there[i] || !is_read(i))
		return;
	fixture_remove(&f, name_of(i));
	is_there[i] = false;
	notice(i);
}

static void move_out_or_back(int i)
{
	char outside[128];

	snprintf(outside, sizeof(outside), "%s/outside-%d", f.root, i);
	if (is_there[i] && !is_outside[i]) {
		ck_assert_int_eq(rename(fixture_path(&f, name_of(i)), outside), 0);
		is_there[i] = false;
		is_outside[i] = true;
	} else if (!is_there[i] && is_outside[i]) {
		ck_assert_int_eq(rename(outside, fixture_path(&f, name_of(i))), 0);
		is_there[i] = true;
		is_outside[i] = false;
		is_unread[i] = true;
	}
	notice(i);
}

/* Under a name that nobody else has by now. */
static void bring_back(int i)
{
	char outside[128];
	char name[32];

	snprintf(outside, sizeof(outside), "%s/outside-%d", f.root, i);
	snprintf(name, sizeof(name), "back-%d", i);
	ck_assert_int_eq(rename(outside, fixture_path(&f, name)), 0);
}

static void look(void)
{
	switch (pick(4)) {
	case 0: fixture_scan(&f); break;
	case 1: fixture_look(&f, name_of(pick(N_NAMES))); break;
	case 2:
		fixture_look(&f, name_of(pick(N_NAMES)));
		fixture_read(&f);
		break;
	case 3:
		fixture_scan(&f);
		fixture_read(&f);
		memset(is_unread, 0, sizeof(is_unread));
		break;
	}
}

static void step(void)
{
	int i = pick(N_NAMES);

	switch (pick(14)) {
	case 0: rename_one(i, pick(N_NAMES)); break;
	case 1: rotate(i); break;
	case 2: rewrite(i); break;
	case 3: replace(i); break;
	case 4: delete_one(i); break;
	case 5: move_out_or_back(i); break;
	case 6:
		if (pick(4) == 0)
			fixture_restart(&f, (uint32_t)pick(3));
		break;
	case 7:
	case 8:
	case 9: write_some(i); break;
	default: look(); break;
	}
}

/* Everything is read; every token must have come once. */
static void check_tokens(void)
{
	unsigned char *seen = calloc((size_t)n_tokens + 1, 1);
	const char *at;
	char *end;
	int i;

	for (i = 0; i < N_NAMES; i++) {
		if (is_outside[i])
			bring_back(i);
	}
	fixture_scan(&f);
	fixture_read(&f);
	buf_add_char(&f.got, '\0');
	for (at = f.got.data; *at != '\0'; at = end + 1) {
		ck_assert_msg(*at == 't', "seed %d: broken token at \"%.20s\"", round_seed, at);
		i = (int)strtol(at + 1, &end, 10);
		ck_assert_msg(*end == ' ' && i < n_tokens, "seed %d: broken token", round_seed);
		ck_assert_msg(seen[i]++ == 0, "seed %d: token %d was read twice", round_seed, i);
	}
	for (i = 0; i < n_tokens; i++)
		ck_assert_msg(seen[i] == 1, "seed %d: token %d was not read", round_seed, i);
	free(seen);
}

START_TEST(every_token_is_read_once)
{
	int i;

	round_seed = _i;
	seed = (unsigned)_i * 7919 + 1;
	fixture_open(&f);
	for (i = 0; i < N_STEPS; i++)
		step();
	check_tokens();
	fixture_close(&f);
}
END_TEST

int main(void)
{
	const char *first = getenv("SOURCE_SEED");
	int from = first == NULL ? 0 : atoi(first);
	Suite *suite = suite_create("source_random");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, every_token_is_read_once, from, from + N_ROUNDS);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
