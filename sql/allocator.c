/*
 * The C library's allocator behind SQLite's interface; sizes are the C
 * library's own, so a block carries no header of ours and may be freed under
 * another budget than its own without harm but to the sums.
 */
#include "sql/allocator.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* SQLite's allocation methods have no argument for a context, so the thread carries it. */
static _Thread_local struct budget *current;

int64_t budget_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t budget_stop_at_us(int64_t deadline_us, int64_t time_us)
{
	int64_t end_us;

	if (time_us <= 0)
		return deadline_us;
	end_us = budget_now_us() + time_us;
	return end_us < deadline_us ? end_us : deadline_us;
}

bool budget_check(struct budget *budget)
{
	if (budget->ended == BUDGET_TIME || budget->ended == BUDGET_CANCELLED)
		return false;
	if (budget->cancelled != NULL &&
		atomic_load_explicit(budget->cancelled, memory_order_relaxed)) {
		budget->ended = BUDGET_CANCELLED;
		return false;
	}
	if (budget->stop_at_us != INT64_MAX && budget_now_us() >= budget->stop_at_us) {
		budget->ended = BUDGET_TIME;
		return false;
	}
	return true;
}

void budget_renew(struct budget *budget, int64_t stop_at_us)
{
	budget->stop_at_us = stop_at_us;
	budget->ended = BUDGET_OPEN;
}

void allocator_enter(struct budget *budget)
{
	assert(current == NULL);
	current = budget;
}

void allocator_leave(void)
{
	current = NULL;
}

static bool may_grow(struct budget *budget, int64_t bytes)
{
	if (budget->ended == BUDGET_TIME || budget->ended == BUDGET_CANCELLED)
		return false;
	if (++budget->n_calls % 16 == 0 && !budget_check(budget))
		return false;
	if (bytes <= budget->limit_bytes - budget->used_bytes)
		return true;
	if (budget->ended == BUDGET_OPEN)
		budget->ended = BUDGET_BYTES;
	return false;
}

static int64_t usable_bytes(void *block)
{
	return (int64_t)malloc_usable_size(block);
}

static void *on_malloc(int n)
{
	struct budget *budget = current;
	void *block;

	if (budget != NULL && !may_grow(budget, n))
		return NULL;
	block = malloc((size_t)n);
	if (budget != NULL && block != NULL)
		budget->used_bytes += usable_bytes(block);
	return block;
}

static void on_free(void *block)
{
	if (current != NULL)
		current->used_bytes -= usable_bytes(block);
	free(block);
}

static void *on_realloc(void *block, int n)
{
	struct budget *budget = current;
	int64_t old_bytes = usable_bytes(block);
	void *new;

	if (budget != NULL && n > old_bytes && !may_grow(budget, n - old_bytes))
		return NULL;
	new = realloc(block, (size_t)n);
	if (budget != NULL && new != NULL)
		budget->used_bytes += usable_bytes(new) - old_bytes;
	return new;
}

static int on_size(void *block)
{
	return block != NULL ? (int)malloc_usable_size(block) : 0;
}

static int on_roundup(int n)
{
	return (n + 7) & ~7;
}

static int on_init(void *context)
{
	(void)context;
	return SQLITE_OK;
}

static void on_shutdown(void *context)
{
	(void)context;
}

static const sqlite3_mem_methods methods = {
	.xMalloc = on_malloc,
	.xFree = on_free,
	.xRealloc = on_realloc,
	.xSize = on_size,
	.xRoundup = on_roundup,
	.xInit = on_init,
	.xShutdown = on_shutdown,
};

/* SQLite is configured once a process, and says so only by failing the second time. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int install_status;

static void install(void)
{
	install_status = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
	if (install_status == SQLITE_OK)
		install_status = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (install_status == SQLITE_OK)
		install_status = sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	if (install_status == SQLITE_OK)
		install_status = sqlite3_initialize();
}

int allocator_install(struct err *err)
{
	(void)pthread_once(&once, install);
	if (install_status != SQLITE_OK)
		return err_set(
			err, ERR_IO, "SQLite cannot be set up: %s", sqlite3_errstr(install_status));
	return 0;
}
