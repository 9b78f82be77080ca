// How much of what has one code runs under sanitizers: what they see in some cases, they see in all.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#ifdef STRATA_SANITIZED
#define STRATA_TESTED_TYPES float
using DoubleTiles = std::integer_sequence<int, 4>;
using MixedTiles = std::integer_sequence<int, 1, 4, 16>;
#else
#define STRATA_TESTED_TYPES float, double
using DoubleTiles = std::integer_sequence<int, 1, 2, 8, 16>;
using MixedTiles = std::integer_sequence<int, 1, 2, 4, 8, 16, 32>;
#endif

/// Of cases that differ in numbers alone, all; under sanitizers the first two.
template <class Case>
std::vector<Case> tested_of(std::initializer_list<Case> cases) {
#ifdef STRATA_SANITIZED
    if (cases.size() > 2) return {*cases.begin(), *(cases.begin() + 1)};
#endif
    return cases;
}
