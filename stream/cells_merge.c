/* Cells added to cells, through what everybody may ask of them. */
#include "stream/cells.h"

#include <stdlib.h>
#include <string.h>

/* What a merge carries along: the numbers that the other's groups have here, looked up when first
 * met. */
struct merge {
	struct cells *into;
	const struct cells *from;
	uint32_t *groups; /* UINT32_MAX: not looked up yet */
};

static int merge_cell(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err)
{
	struct merge *merge = context;
	uint32_t *number = &merge->groups[group];

	if (*number == UINT32_MAX &&
		cells_group(merge->into, cells_group_values(merge->from, group), number, err) < 0)
		return err->code;
	return cells_add_counted(merge->into, *number, bucket_start_us, count, err);
}

int cells_merge(struct cells *into, const struct cells *from, struct err *err)
{
	struct merge merge = {.into = into, .from = from};
	size_t n_groups = cells_n_groups(from);
	int rc;

	if (cells_events(from) == 0)
		return 0;
	merge.groups = malloc(n_groups * sizeof(*merge.groups));
	if (merge.groups == NULL)
		return err_nomem(err);
	memset(merge.groups, 0xff, n_groups * sizeof(*merge.groups));
	cells_saw(into, cells_min_time_us(from), cells_max_time_us(from));
	rc = cells_each(from, merge_cell, &merge, err);
	free(merge.groups);
	return rc;
}
