/*
 * Memory in numbers of things: the multiplication is checked here, once.
 * All functions return NULL on failure; memory is released with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* Room for `n` elements of `size` bytes, zeroed. */
void *mem_new_array(size_t n, size_t size) __attribute__((warn_unused_result));

/*
 * Makes room for at least `want` elements of `size` bytes in *array, whose
 * capacity in elements is *cap (0 and NULL at first); grows by half. What is
 * new is not zeroed. False when there is no memory: nothing has changed.
 */
bool mem_grow(void *array, size_t *cap, size_t want, size_t size)
	__attribute__((warn_unused_result));

/* A copy of `len` bytes with a NUL behind them. */
char *mem_copy_text(const char *text, size_t len) __attribute__((warn_unused_result));

#endif
