// What fit says beside its progress, where progress is wanted: that the program was compiled without optimisation, that
// the loss on the test data is not finite.
#include <doctest/doctest.h>

#include <cstdio>
#include <limits>
#include <string>

#include <strata/strata.hpp>

#include "../temporary_directory.hpp"

using namespace strata;

namespace {

/// What fit writes to stdout; the test data hold `pixel`. With `best` it is a second fit, which keeps the best weights.
std::string said(ProgressStyle style, float pixel = 1, std::string const& best = {}) {
    auto trainer = train<Network<Input<2>, Linear<2>>>(Cpu{.threads = 1});
    std::vector<float> const x{1, 2, 3, 4};
    std::vector<int> const labels{0, 1};
    FILE* const terminal = stdout;
    FILE* const file = std::tmpfile();
    REQUIRE(file);
    stdout = file;
    std::vector<float> const y{1, pixel, 3, 4};
    auto const data = from_memory(x, {1, 1, 2}, labels, 2), tests = from_memory(y, {1, 1, 2}, labels, 2);
    trainer.fit(data, tests, {.epochs = 2, .progress = style});
    if (!best.empty()) trainer.fit(data, tests, {.epochs = 2, .progress = style, .keep_best = {.file = best}});
    stdout = terminal;
    std::string text(static_cast<std::size_t>(std::ftell(file)), ' ');
    std::rewind(file);
    REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
    std::fclose(file);
    return text;
}

}  // namespace

TEST_CASE("one line says that there is no optimisation") {
    std::string const text = said(ProgressStyle::lines), line = "this program was compiled without optimisation";
    CHECK(text.starts_with(line));
    CHECK(text.find(line, 1) == std::string::npos);
    CHECK(said(ProgressStyle::none).empty());
}

TEST_CASE("test data whose loss is not finite are named, epoch by epoch, and training goes on") {
    std::string const text = said(ProgressStyle::lines, std::numeric_limits<float>::quiet_NaN());
    for (char const* const epoch : {"epoch 1: ", "epoch 2: "})
        CHECK(text.find(std::string(epoch) + "the loss on the test data is not finite") != std::string::npos);
    CHECK(said(ProgressStyle::lines).find("not finite") == std::string::npos);
}

TEST_CASE("best weights that are in no file are named") {
    TemporaryDirectory const directory;
    std::string const best = directory / "best";
    CHECK(said(ProgressStyle::lines, 1, best)
              .find("keep_best: the weights of epoch 2, the best one so far, are in no file; " + best +
                    " is written after a better one") != std::string::npos);
    CHECK(said(ProgressStyle::lines).find("keep_best") == std::string::npos);
}
