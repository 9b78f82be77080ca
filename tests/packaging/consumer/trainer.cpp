// A user's code: it gets the headers, C++20 and threads from linking strata::strata alone, and shares a network with a
// library that is compiled for another instruction set.
#include <array>
#include <cstdio>

#include "accuracy.hpp"

#ifdef _OPENMP
#error "strata::strata brings OpenMP, which is for strata::openmp"
#endif

int train_and_compare(Accuracy* accuracy_there) {
    // Stripes of one of four directions, in noise.
    constexpr std::size_t count = 80;
    strata::Random random(1, strata::Purpose::user);
    std::array<float, count * 144> images;
    std::array<std::int32_t, count> labels{};
    for (std::size_t i = 0; i < count; ++i) {
        labels[i] = static_cast<std::int32_t>(i % 4);
        std::size_t const down = std::array{0u, 1u, 1u, 2u}[i % 4], right = std::array{1u, 0u, 1u, 1u}[i % 4];
        for (std::size_t k = 0; k < 144; ++k)
            images[i * 144 + k] =
                static_cast<float>(random.uniform()) + ((k / 12 * down + k % 12 * right + i / 4) % 4 < 2 ? 0.7f : 0.0f);
    }
    auto trainer = strata::train<Net>(strata::Cpu{.threads = 2}, strata::Adam{.learning_rate = 0.01});
    for (int step = 0; step < 15; ++step)
        if (!trainer.train_step(images, labels).finite) return 1;
    auto const& model = trainer.model();
    Weights const weights{model.parameters(), model.buffers()};
    double const here = accuracy(weights, images, labels), there = accuracy_there(weights, images, labels);
    std::printf("accuracy %.3f where it is trained, %.3f in the library\n", here, there);
    return here > 0.9 && here == there ? 0 : 1;
}
