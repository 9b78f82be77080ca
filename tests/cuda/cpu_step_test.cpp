// LeNet's CPU steps compiled by the host's compiler. Prints the checksum that cpu_step_test.cu compares with its own.
// labels: cuda
// options: -O2
#include "cpu_step.hpp"

#include <doctest/doctest.h>

#include <cstdio>

TEST_CASE("LeNet's CPU steps give the same bits twice") {
    std::string const checksum = cuda_tests::lenet_checksum();
    CHECK(checksum == cuda_tests::lenet_checksum());
    std::puts(checksum.c_str());
}
