// One program that is fast on every processor: STRATA_DISPATCH, for a file that is compiled once for each instruction set.
#pragma once

#include "core/dispatch.hpp"
