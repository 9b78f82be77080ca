// Tutorial 7: one program that is fast on every processor.
//
//     instruction_sets [TARGET]
//
// classifier.cpp is compiled three times, for the oldest x86-64 processors, for AVX2 and for AVX-512 (CMakeLists.txt
// beside this file; docs/instruction_sets.md has the command lines without CMake). One call chooses what this processor
// can run; an argument, or the environment variable STRATA_TARGET, chooses otherwise. Every target computes the same, to
// rounding.
#include <chrono>
#include <cstdio>
#include <exception>
#include <vector>

#include "classifier.hpp"

int main(int argument_count, char** arguments) try {
    auto const make = choose_classifier(argument_count > 1 ? arguments[1] : "");
    auto const classifier = make("");

    constexpr std::size_t batch_size = 64, batches = 10;
    std::vector<float> images(batch_size * Classifier::image_size);
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i * i % 251) / 251.0f;

    auto const start = std::chrono::steady_clock::now();
    std::span<float const> scores;
    for (std::size_t batch = 0; batch < batches; ++batch) scores = classifier->scores(images);
    std::chrono::duration<double> const elapsed = std::chrono::steady_clock::now() - start;
    std::printf("%.*s: %.0f images/s\n", static_cast<int>(classifier->target().size()), classifier->target().data(),
                batch_size * batches / elapsed.count());
    std::printf("scores of the first image:");
    for (float const score : scores.first(Classifier::classes)) std::printf(" %.6f", static_cast<double>(score));
    std::printf("\n");
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
