// The summary as text: units, groups of digits, alignment.
#include "strata/network/summary.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace strata;

TEST_CASE("FLOPs in units of 1000, three digits") {
    CHECK(format_flops(0) == "0 FLOP");
    CHECK(format_flops(999) == "999 FLOP");
    CHECK(format_flops(1000) == "1.00 kFLOP");
    CHECK(format_flops(1176000) == "1.18 MFLOP");
    CHECK(format_flops(9996) == "10.0 kFLOP");
    CHECK(format_flops(99960) == "100 kFLOP");
    CHECK(format_flops(999400) == "999 kFLOP");
    CHECK(format_flops(999600) == "1.00 MFLOP");
    CHECK(format_flops(4.1e9) == "4.10 GFLOP");
    CHECK(format_flops(5e15) == "5000 TFLOP");
    CHECK(format_flops(1e300).size() > 200);
}

TEST_CASE("bytes in units of 1024, three digits") {
    CHECK(format_bytes(0) == "0 B");
    CHECK(format_bytes(1023) == "1023 B");
    CHECK(format_bytes(1024) == "1.00 KiB");
    CHECK(format_bytes(18816) == "18.4 KiB");
    CHECK(format_bytes(248024) == "242 KiB");
    CHECK(format_bytes(1024 * 1024 - 1) == "1.00 MiB");
    CHECK(format_bytes(std::int64_t{3} << 30) == "3.00 GiB");
}

TEST_CASE("counts in groups of three digits") {
    CHECK(format_count(0) == "0");
    CHECK(format_count(999) == "999");
    CHECK(format_count(1000) == "1,000");
    CHECK(format_count(62006) == "62,006");
    CHECK(format_count(123456789) == "123,456,789");
    CHECK(format_count(-123) == "-123");
    CHECK(format_count(-1234) == "-1,234");
    CHECK(format_count(std::numeric_limits<std::int64_t>::min()) == "-9,223,372,036,854,775,808");
}

TEST_CASE("the summary is a table in columns, then the totals") {
    NetworkDescription network{.input_shape = "3 x 32 x 32",
                               .layers = {{.name = "conv1",
                                           .type = "Conv2d<6, 5>",
                                           .output_shape = "6 x 28 x 28",
                                           .parameters = 456,
                                           .flops = 710304,
                                           .memory_bytes = 18816},
                                          {.name = "1", .type = "ReLU", .output_shape = "6 x 28 x 28", .flops = 4704},
                                          {.name = "fc1",
                                           .type = "Linear<120>",
                                           .output_shape = "120",
                                           .parameters = 564600,
                                           .flops = 1.129e6,
                                           .memory_bytes = 480}},
                               .parameters = 565056,
                               .forward_flops = 1.844e6,
                               .training_flops = 5.1e6,
                               .parameter_bytes = 2260224,
                               .training_workspace_bytes = 1 << 20,
                               .inference_workspace_bytes = 40000};
    CHECK(format_summary(network) ==
          "layer  type          output shape  parameters       FLOPs    memory\n"
          "-------------------------------------------------------------------\n"
          "       Input         3 x 32 x 32\n"
          "conv1  Conv2d<6, 5>  6 x 28 x 28          456   710 kFLOP  18.4 KiB\n"
          "1      ReLU          6 x 28 x 28            -  4.70 kFLOP         -\n"
          "fc1    Linear<120>   120              564,600  1.13 MFLOP     480 B\n"
          "-------------------------------------------------------------------\n"
          "parameters            565,056 (2.16 MiB)\n"
          "forward, a sample     1.84 MFLOP\n"
          "training, a sample    5.10 MFLOP\n"
          "workspace, training   1.00 MiB a tile of 16\n"
          "workspace, inference  39.1 KiB a tile of 16\n");
}

TEST_CASE("the summary of a network of sequences is that of a token") {
    NetworkDescription const network{.input_shape = "6",
                                     .layers = {},
                                     .forward_flops = 96,
                                     .training_flops = 288,
                                     .training_workspace_bytes = 16 * 64,
                                     .inference_workspace_bytes = 16 * 56,
                                     .longest_sequence = 1000};
    CHECK(
        format_summary(network).ends_with("parameters            0 (0 B)\n"
                                          "forward, a token      96 FLOP\n"
                                          "training, a token     288 FLOP\n"
                                          "workspace, training   64 B a token\n"
                                          "workspace, inference  56 B a token\n"
                                          "longest sequence      1,000 tokens\n"));
}

TEST_CASE("a network without layers has a summary") {
    CHECK(format_summary({}).starts_with("layer  type   output shape  parameters  FLOPs  memory\n"));
}
