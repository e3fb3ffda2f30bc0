/*
 * Each cursor has a part of the lines. So that the kernel needs no test for
 * the end of a part, the newline that ends it is overwritten with a NUL while
 * the kernel runs: no record matches across it, and the cursor stops there as
 * it would at any record of another form. The careful path then sees the line
 * with its newline back in place.
 *
 * A cursor that is through takes over the second half of the largest part
 * left, so all of them stay busy until little is left; that little goes the
 * careful way, since a kernel always runs with all of its cursors.
 */
#include "stream/scan_cursors.h"

#include <stdbool.h>
#include <string.h>

/* Parts are not divided further below that. */
#define MIN_STEAL_BYTES 512

/*
 * When more records go the careful way than the kernel takes, rounds are only
 * a detour; not counting those that taught it a text it will know from now on.
 * Where most of them only moved a window, rows do without the detour.
 */
#define MIN_DETOURS 128

struct parts {
	const char **at;         /* the kernel's cursors */
	char *end[DICT_CURSORS]; /* behind the newline of the part's last line */
};

static void put_stop(struct parts *parts, int cursor)
{
	/* cppcheck-suppress negativeIndex ; the array holds pointers */
	parts->end[cursor][-1] = '\0';
}

static void take_stop(struct parts *parts, int cursor)
{
	/* cppcheck-suppress negativeIndex ; the array holds pointers */
	parts->end[cursor][-1] = '\n';
}

/* Behind the first newline at or behind `at`; there is one before `end`. */
static char *next_line(char *at, char *end)
{
	return (char *)memchr(at, '\n', (size_t)(end - at)) + 1;
}

static void divide(struct parts *parts, char *from, char *to)
{
	size_t n = (size_t)(to - from) / DICT_CURSORS;
	char *start = from;

	for (int i = 0; i < DICT_CURSORS; i++) {
		char *aim = from + n * (size_t)(i + 1);
		char *end = to;

		/* Where lines are so long that nothing is left, the last parts are empty. */
		if (i + 1 < DICT_CURSORS && start < to)
			end = next_line(aim > start ? aim : start, to);
		parts->at[i] = start;
		parts->end[i] = end;
		start = end;
	}
}

static size_t n_left(const struct parts *parts, int cursor)
{
	return (size_t)(parts->end[cursor] - parts->at[cursor]);
}

/* Gives a cursor that is through half of what another has left. */
static bool steal(struct parts *parts, int cursor)
{
	int victim = 0;
	char *middle;

	for (int i = 1; i < DICT_CURSORS; i++) {
		if (n_left(parts, i) > n_left(parts, victim))
			victim = i;
	}
	if (n_left(parts, victim) < MIN_STEAL_BYTES)
		return false;
	/* The stop may stand or not stand at the victim's end: it is not looked at. */
	middle = parts->end[victim] - n_left(parts, victim) / 2;
	middle = memchr(middle, '\n', (size_t)(parts->end[victim] - 1 - middle));
	if (middle == NULL)
		return false;
	parts->at[cursor] = middle + 1;
	parts->end[cursor] = parts->end[victim];
	parts->end[victim] = middle + 1;
	put_stop(parts, cursor);
	put_stop(parts, victim);
	return true;
}

/* What is left when the kernel no longer pays. */
static int finish(struct parts *parts, cursors_careful_fn *careful, void *context, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < DICT_CURSORS; i++)
		take_stop(parts, i);
	for (int i = 0; i < DICT_CURSORS; i++) {
		while (rc == 0 && parts->at[i] < parts->end[i])
			rc = careful(context, parts->at[i], i, &parts->at[i], err);
	}
	return rc;
}

/* The records at which cursors stand; false in *is_busy when a cursor is through for good. */
static int pass_failed(struct parts *parts, uint32_t failed, cursors_careful_fn *careful,
	void *context, bool *is_busy, struct err *err)
{
	for (; failed != 0; failed &= failed - 1) {
		int i = __builtin_ctz(failed);
		int rc;

		take_stop(parts, i);
		rc = careful(context, parts->at[i], i, &parts->at[i], err);
		if (rc != 0)
			return rc;
		if (parts->at[i] < parts->end[i])
			put_stop(parts, i);
		else if (!steal(parts, i))
			*is_busy = false;
	}
	return 0;
}

/* What the kernel has been worth since it was last asked. */
struct worth {
	uint64_t n_records, n_failed, n_moves, n_taught;
};

/* Whether to go on; counting in rows from now on if that may help. */
static int weigh(struct count *count, struct worth *worth, bool *is_worth_it, struct err *err)
{
	uint64_t n_moves = count->n_moves - worth->n_moves;
	uint64_t n_taught = count->n_taught - worth->n_taught;

	*is_worth_it = true;
	if (worth->n_failed <= n_taught + MIN_DETOURS ||
		worth->n_failed <= n_taught + worth->n_records)
		return 0;
	if (count->wants_rows || n_moves < (worth->n_failed - n_taught) / 2) {
		*is_worth_it = false;
		return 0;
	}
	*worth = (struct worth){.n_moves = count->n_moves, .n_taught = count->n_taught};
	return count_set_rows(count, true, err);
}

int cursors_run(struct count *count, char *from, char *to, cursors_careful_fn *careful,
	void *context, uint64_t *n_records, struct err *err)
{
	struct parts parts = {.at = count->kernel.at};
	struct worth worth = {.n_moves = count->n_moves, .n_taught = count->n_taught};
	bool is_busy = true, is_worth_it = true;
	int rc = 0;

	*n_records = 0;
	divide(&parts, from, to);
	for (int i = 0; i < DICT_CURSORS; i++) {
		is_busy &= parts.at[i] < parts.end[i];
		put_stop(&parts, i);
	}
	while (rc == 0 && is_busy && is_worth_it) {
		uint32_t failed;
		uint64_t n;

		rc = count_run(count, &failed, &n, err);
		if (rc != 0)
			break;
		*n_records += n;
		worth.n_records += n;
		worth.n_failed += (uint64_t)__builtin_popcount(failed);
		rc = pass_failed(&parts, failed, careful, context, &is_busy, err);
		if (rc == 0)
			rc = weigh(count, &worth, &is_worth_it, err);
	}
	if (rc != 0) {
		for (int i = 0; i < DICT_CURSORS; i++)
			take_stop(&parts, i);
		return rc;
	}
	return finish(&parts, careful, context, err);
}
