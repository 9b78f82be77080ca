#include "level.hpp"

#include <strata/dispatch.hpp>

static int level_of_target() { return level(); }

namespace consumer {
STRATA_DISPATCH(choose_level, level_of_target);
}
