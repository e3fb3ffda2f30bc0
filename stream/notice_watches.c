/* A sorted array: the kernel counts its descriptors up, so adding is mostly appending. */
#include "stream/notice_watches.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void watches_fini(struct watches *watches)
{
	size_t i;

	for (i = 0; i < watches->n; i++)
		free(watches->items[i].path);
	free(watches->items);
	*watches = (struct watches){0};
}

/* The index of wd, or where it belongs. */
static size_t find(const struct watches *watches, int wd)
{
	size_t low = 0;
	size_t high = watches->n;
	size_t middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (watches->items[middle].wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct watches *watches, size_t i, int wd)
{
	return i < watches->n && watches->items[i].wd == wd;
}

bool watches_set(struct watches *watches, int wd, const char *path)
{
	char *copy = mem_copy_text(path, strlen(path));
	size_t i = find(watches, wd);

	if (copy == NULL)
		return false;
	if (has(watches, i, wd)) {
		free(watches->items[i].path);
		watches->items[i].path = copy;
		return true;
	}
	if (!mem_grow(&watches->items, &watches->cap, watches->n + 1, sizeof(*watches->items))) {
		free(copy);
		return false;
	}
	memmove(watches->items + i + 1, watches->items + i,
		(watches->n - i) * sizeof(*watches->items));
	watches->items[i] = (struct watch){wd, copy};
	watches->n++;
	return true;
}

const char *watches_path(const struct watches *watches, int wd)
{
	size_t i = find(watches, wd);

	return has(watches, i, wd) ? watches->items[i].path : NULL;
}

void watches_drop(struct watches *watches, int wd)
{
	size_t i = find(watches, wd);

	if (!has(watches, i, wd))
		return;
	free(watches->items[i].path);
	watches->n--;
	memmove(watches->items + i, watches->items + i + 1,
		(watches->n - i) * sizeof(*watches->items));
}

int watches_find_below(const struct watches *watches, const char *path)
{
	size_t n = strlen(path);
	size_t i;

	for (i = 0; i < watches->n; i++) {
		const char *item = watches->items[i].path;

		if (n == 0 || (strncmp(item, path, n) == 0 && (item[n] == '/' || item[n] == '\0')))
			return watches->items[i].wd;
	}
	return -1;
}
