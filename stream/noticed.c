/* An array of names and an open-addressing set over it, both behind one mutex. */
#include "stream/noticed.h"

#include "base/mem.h"
#include "stream/xxh64.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define N_CELLS (NOTICED_MAX_NAMES * 2)

struct noticed {
	pthread_mutex_t mutex;
	struct noticed_names names; /* guarded by the mutex, like all that follows */
	size_t cap;
	uint16_t round; /* of taking: what other rounds left in the cells is void */
	struct cell {
		uint16_t round;
		uint16_t name; /* index */
	} cells[N_CELLS];
};

_Static_assert(NOTICED_MAX_NAMES < UINT16_MAX, "an index fits its cell");

struct noticed *noticed_new(void)
{
	struct noticed *noticed = calloc(1, sizeof(*noticed));

	if (noticed != NULL && pthread_mutex_init(&noticed->mutex, NULL) != 0) {
		free(noticed);
		return NULL;
	}
	if (noticed != NULL)
		noticed->round = 1;
	return noticed;
}

void noticed_names_fini(struct noticed_names *names)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		free(names->paths[i]);
	free(names->paths);
	*names = (struct noticed_names){0};
}

void noticed_free(struct noticed *noticed)
{
	if (noticed == NULL)
		return;
	noticed_names_fini(&noticed->names);
	(void)pthread_mutex_destroy(&noticed->mutex);
	free(noticed);
}

static bool is_free(const struct noticed *noticed, const struct cell *cell)
{
	return cell->round != noticed->round;
}

/* The cell of the name, or the free one where it belongs. */
static struct cell *find_cell(struct noticed *noticed, const char *path)
{
	size_t i = (size_t)xxh64(path, strlen(path), 0) % N_CELLS;

	while (!is_free(noticed, &noticed->cells[i]) &&
		strcmp(noticed->names.paths[noticed->cells[i].name], path) != 0)
		i = (i + 1) % N_CELLS;
	return &noticed->cells[i];
}

static bool add_name(struct noticed *noticed, const char *path)
{
	struct noticed_names *names = &noticed->names;
	struct cell *cell = find_cell(noticed, path);

	if (!is_free(noticed, cell))
		return true;
	if (names->n == NOTICED_MAX_NAMES ||
		!mem_grow(&names->paths, &noticed->cap, names->n + 1, sizeof(*names->paths)))
		return false;
	names->paths[names->n] = mem_copy_text(path, strlen(path));
	if (names->paths[names->n] == NULL)
		return false;
	*cell = (struct cell){noticed->round, (uint16_t)names->n};
	names->n++;
	return true;
}

static void forget_names(struct noticed *noticed)
{
	noticed->cap = 0;
	noticed->round++;
	if (noticed->round == 0) {
		memset(noticed->cells, 0, sizeof(noticed->cells));
		noticed->round = 1;
	}
}

void noticed_add(struct noticed *noticed, const char *path)
{
	(void)pthread_mutex_lock(&noticed->mutex);
	if (!noticed->names.is_all && (path == NULL || !add_name(noticed, path))) {
		noticed_names_fini(&noticed->names);
		forget_names(noticed);
		noticed->names.is_all = true;
	}
	(void)pthread_mutex_unlock(&noticed->mutex);
}

bool noticed_is_empty(struct noticed *noticed)
{
	bool is_empty;

	(void)pthread_mutex_lock(&noticed->mutex);
	is_empty = noticed->names.n == 0 && !noticed->names.is_all;
	(void)pthread_mutex_unlock(&noticed->mutex);
	return is_empty;
}

void noticed_take(struct noticed *noticed, struct noticed_names *names)
{
	(void)pthread_mutex_lock(&noticed->mutex);
	*names = noticed->names;
	if (names->n > 0)
		forget_names(noticed);
	noticed->names = (struct noticed_names){0};
	(void)pthread_mutex_unlock(&noticed->mutex);
}
