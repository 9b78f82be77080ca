// LeNet's CPU steps compiled by nvcc give the same bits as compiled by the host's compiler. The other program, made of
// cpu_step_test.cpp, lies beside this one under the name that it has in CMake; its path may also stand in
// STRATA_CPU_STEP.
#include "cpu_step.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

std::string other_program() {
    if (char const* const path = std::getenv("STRATA_CPU_STEP")) return path;
    char self[4096];
    auto const length = readlink("/proc/self/exe", self, sizeof self);
    std::string const path(self, length > 0 ? static_cast<std::size_t>(length) : 0);
    return path.substr(0, path.rfind('/') + 1) + "cuda_cpu_step_test";
}

/// The line with the checksum in what a program prints, empty where there is none.
std::string checksum_of(std::string const& program) {
    std::string found;
    FILE* const pipe = popen(("'" + program + "'").c_str(), "r");
    if (!pipe) return found;
    char line[256];
    while (std::fgets(line, sizeof line, pipe)) {
        std::string text(line);
        if (text.rfind("checksum ", 0) == 0) found = text.substr(0, text.find('\n'));
    }
    pclose(pipe);
    return found;
}

}  // namespace

TEST_CASE("the CPU step of LeNet in a .cu gives the bits of the .cpp") {
    std::string const program = other_program();
    if (access(program.c_str(), X_OK) != 0) {
        std::printf("SKIPPED: bits of the .cu against the .cpp: there is no %s\n", program.c_str());
        return;
    }
    CHECK(cuda_tests::lenet_checksum() == checksum_of(program));
}
