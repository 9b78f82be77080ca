// A user's program: it gets the headers, C++20, OpenMP, threads and the libraries that are there (Eigen) from linking strata::strata alone.
#include <omp.h>

#include <strata/strata.hpp>
#include <thread>

#include <Eigen/Core>

int main() {
    strata::Random random(1, strata::Purpose::user);
    Eigen::ArrayXf const numbers = Eigen::ArrayXf::Constant(8, static_cast<float>(random.uniform()));
    int threads = 0;
#pragma omp parallel reduction(+ : threads)
    threads += 1;
    std::thread([&] { threads += 1; }).join();
    return numbers.sum() >= 0 && threads >= 2 ? 0 : 1;
}
