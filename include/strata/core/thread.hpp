// How threads are started: in one way, so that what std::thread is made of is compiled once.
#pragma once

#include <thread>

#include "config.hpp"

namespace strata::inline STRATA_ABI::detail {

/// A thread that calls run(argument).
STRATA_COLD inline std::thread start_thread(void (*run)(void* argument), void* argument) {
    return std::thread(run, argument);
}

}  // namespace strata::inline STRATA_ABI::detail
