// options: -O0
// A program compiled without optimisation is told so by fit, in one line, where progress is wanted.
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include <strata/strata.hpp>

using namespace strata;

namespace {

/// What fit writes to stdout.
std::string said(ProgressStyle style) {
    auto trainer = train<Network<Input<2>, Linear<2>>>(Cpu{.threads = 1});
    std::vector<float> const x{1, 2, 3, 4};
    std::vector<int> const labels{0, 1};
    FILE* const terminal = stdout;
    FILE* const file = std::tmpfile();
    REQUIRE(file);
    stdout = file;
    trainer.fit(from_memory(x, {1, 1, 2}, labels, 2), {.epochs = 2, .progress = style});
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
