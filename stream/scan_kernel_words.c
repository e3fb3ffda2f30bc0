/* The kernel for any processor. */
#include "stream/scan_kernel.h"
#include "stream/scan_vector_words.h"

#define KERNEL_LEVEL kernel_words
#include "stream/scan_kernel_body.h"
