// How much of the kernels runs in double: its code is that of floats, so what sanitizers see there, they see in it.
#pragma once

#include <utility>

#ifdef STRATA_SANITIZED
#define STRATA_TESTED_TYPES float
using DoubleTiles = std::integer_sequence<int, 4>;
#else
#define STRATA_TESTED_TYPES float, double
using DoubleTiles = std::integer_sequence<int, 1, 2, 8, 16>;
#endif
