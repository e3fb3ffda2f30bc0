/*
 * Allocations of the whole test program that fail: after so many, once. Under a
 * sanitizer, which owns malloc(), none does.
 */
#ifndef TESTS_STREAM_NOMEM_H
#define TESTS_STREAM_NOMEM_H

#include <stdbool.h>

extern long fail_at;    /* how many allocations still succeed; -1: all */
extern bool has_failed; /* one was refused since the test said no */
extern long n_allocations;

#endif
