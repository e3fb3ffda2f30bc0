/* A binary heap in an array; the row that ends first is at its top. */
#include "stream/shown.h"

#include "base/mem.h"

#include <stdlib.h>

void shown_fini(struct shown *shown)
{
	free(shown->rows);
	*shown = (struct shown){0};
}

int shown_reserve(struct shown *shown, size_t n, struct err *err)
{
	if (!mem_grow(&shown->rows, &shown->cap, shown->n + n, sizeof(*shown->rows)))
		return err_nomem(err);
	return 0;
}

void shown_add(struct shown *shown, const struct shown_row *row)
{
	size_t at = shown->n++;

	while (at > 0 && shown->rows[(at - 1) / 2].end_us > row->end_us) {
		shown->rows[at] = shown->rows[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	shown->rows[at] = *row;
}

static int each_from(const struct shown *shown, size_t at, int64_t end_us, shown_each_fn *each,
	void *context, struct err *err)
{
	int rc;

	if (at >= shown->n || shown->rows[at].end_us > end_us)
		return 0;
	rc = each(context, &shown->rows[at], err);
	if (rc == 0)
		rc = each_from(shown, 2 * at + 1, end_us, each, context, err);
	if (rc == 0)
		rc = each_from(shown, 2 * at + 2, end_us, each, context, err);
	return rc;
}

int shown_each(const struct shown *shown, int64_t end_us, shown_each_fn *each, void *context,
	struct err *err)
{
	return each_from(shown, 0, end_us, each, context, err);
}

int shown_pop(struct shown *shown, int64_t end_us, struct shown_row *row)
{
	struct shown_row last;
	size_t at = 0;

	if (shown->n == 0 || shown->rows[0].end_us > end_us)
		return 0;
	*row = shown->rows[0];
	last = shown->rows[--shown->n];
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= shown->n)
			break;
		if (child + 1 < shown->n &&
			shown->rows[child + 1].end_us < shown->rows[child].end_us)
			child++;
		if (last.end_us <= shown->rows[child].end_us)
			break;
		shown->rows[at] = shown->rows[child];
		at = child;
	}
	shown->rows[at] = last;
	return 1;
}
