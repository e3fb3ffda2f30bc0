/* Checked sizes over the C library's allocator. */
#include "base/mem.h"

#include "base/fault.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *mem_new_array(size_t n, size_t size)
{
	if (fault_hit("alloc") > 0)
		return NULL;
	return calloc(n > 0 ? n : 1, size);
}

bool mem_grow(void *array, size_t *cap, size_t want, size_t size)
{
	void *old;
	void *new;
	size_t n = *cap;

	if (want <= n)
		return true;
	n = n + n / 2;
	if (n < want)
		n = want;
	if (n < 8)
		n = 8;
	if (n > SIZE_MAX / 2 / size)
		return false;
	if (fault_hit("alloc") > 0)
		return false;
	/* The caller's variable is some `struct thing *`; only its bytes are moved. */
	memcpy(&old, array, sizeof(old));
	new = realloc(old, n * size);
	if (new == NULL)
		return false;
	memcpy(array, &new, sizeof(new));
	*cap = n;
	/* cppcheck-suppress memleak ; the caller's variable owns it now */
	return true;
}

char *mem_copy_text(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}
