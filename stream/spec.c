/* Names and lifetime of what is to be counted. */
#include "stream/spec.h"
