/*
 * The kernel for processors with AVX-512: the same 32-byte vectors, with twice
 * the registers and three-way logic, which the compiler finds by itself.
 */
#include "stream/scan_kernel.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
	__attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,avx512f,avx512bw,avx512vl")
#endif
#include "stream/scan_vector_avx2.h"

#define KERNEL_LEVEL kernel_avx512
#include "stream/scan_kernel_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
