#include "tests/stream/nomem.h"

#include <errno.h>
#include <stddef.h>

long fail_at = -1;
bool has_failed;
long n_allocations;

#ifndef ENABLE_SANITIZERS
static bool is_failing(void)
{
	n_allocations++;
	if (fail_at < 0 || fail_at-- > 0)
		return false;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);

void *malloc(size_t n);
void *malloc(size_t n)
{
	return is_failing() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size);
void *calloc(size_t n, size_t size)
{
	return is_failing() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n);
void *realloc(void *old, size_t n)
{
	return is_failing() ? NULL : __libc_realloc(old, n);
}
#endif
