// A program with several targets, in a library: each runs its own code.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "level.hpp"

static bool runs(char const* target, int expected) try {
    int const found = consumer::choose_level(target)();
    std::printf("%s: %d\n", target, found);
    return found == expected;
} catch (std::runtime_error const& error) {
    std::printf("%s\n", error.what());
    return std::string(error.what()).find("this processor cannot run") != std::string::npos;
}

int main() {
    if (!runs("baseline", level()) || !runs("x86-64-v3", 3) || !runs("x86-64-v4", 4)) return 1;
    try {
        consumer::choose_level("x86-64-v5");
        return 1;
    } catch (std::runtime_error const& error) {
        return std::string(error.what()) ==
                       "STRATA_TARGET: this program has no target x86-64-v5, it has baseline, x86_64_v3, x86_64_v4"
                   ? 0
                   : 1;
    }
}
