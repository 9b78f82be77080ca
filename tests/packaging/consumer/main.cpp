// A user's program: it gets the headers, C++20, threads, and Eigen and OpenMP where they are, from linking
// strata::strata alone.
#include <array>
#include <strata/strata.hpp>

#if __has_include(<Eigen/Core>)
#include <Eigen/Core>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

using namespace strata;
using Net = Network<Input<1, 6, 6>, Conv2d<4, 3>, ReLU, Flatten, Linear<3>>;

int main() {
    Random random(1, Purpose::user);
    std::array<float, 40 * 36> images;
    std::array<std::int32_t, 40> labels{};
    for (float& pixel : images) pixel = static_cast<float>(random.uniform());
    auto trainer = train<Net>(Cpu{.threads = 2});
    bool right = trainer.train_step(images, labels).finite;
#if __has_include(<Eigen/Core>)
    right = right && Eigen::Map<Eigen::ArrayXf const>(images.data(), 36).minCoeff() >= 0;
#endif
#ifdef _OPENMP
    right = right && omp_get_max_threads() >= 1;
#endif
    return right ? 0 : 1;
}
