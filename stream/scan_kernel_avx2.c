/* The kernel for processors with AVX2, BMI and BMI2. */
#include "stream/scan_kernel.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2")
#endif
#include "stream/scan_vector_avx2.h"

#define KERNEL_LEVEL kernel_avx2
#include "stream/scan_kernel_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
