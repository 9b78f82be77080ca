// Team::openmp: the program's OpenMP team runs the workers, with the bits of the pool, in the number that OpenMP is told.
// labels: threads
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <strata/eigen/muon.hpp>
#include <strata/openmp.hpp>
#include <thread>

using namespace strata;

namespace {

// BatchNorm: workers meet at barriers many times a step.
using Net = Network<Input<1, 10, 10>, Conv2d<4, 3>, BatchNorm2d<>, ReLU, Conv2d<6, 3>, ReLU, Flatten, Linear<3>>;

struct Images {
    std::vector<float> pixels = std::vector<float>(48 * 100);
    std::vector<std::int32_t> labels = std::vector<std::int32_t>(48);
    Images() {
        Random random(4, Purpose::user);
        for (float& pixel : pixels) pixel = static_cast<float>(random.uniform());
        for (auto& label : labels) label = static_cast<std::int32_t>(random.below(3));
    }
};

/// Parameters after three steps. `team_flops` of 0: workers without a leaf help those with one.
std::vector<float> trained(Cpu cpu) {
    cpu.team_flops = 0;
    Images const images;
    auto trainer = train<Net>(cpu, SGD{.learning_rate = 0.1}, Seed{2});
    for (int step = 0; step < 3; ++step)
        trainer.train_step(std::span<float const>(images.pixels), std::span<std::int32_t const>(images.labels));
    auto const parameters = trainer.model().parameters();
    return {parameters.begin(), parameters.end()};
}

/// How many workers a job of this policy has.
int workers_now(detail::WorkerPool& pool, int wanted = 1000) {
    std::atomic<int> calls{0}, largest{0};
    pool.run(wanted, [&](int worker, int workers) {
        ++calls;
        if (worker == 0) largest = workers;
    });
    CHECK(calls == largest);
    return calls;
}

}  // namespace

TEST_CASE("the bits are those of the pool, with any number of threads") {
    auto const pool = trained({.threads = 1});
    for (int const threads : {1, 2, 3, 5}) {
        CAPTURE(threads);
        CHECK(trained({.threads = threads, .team = Team::openmp}) == pool);
    }
    omp_set_num_threads(3);
    CHECK(trained({.team = Team::openmp}) == pool);

    Images const images;
    Model<Net> const model(1);
    Workspace<Net> one, team(Cpu{.threads = 3, .team = Team::openmp});
    auto const expected = model(images.pixels, one), got = model(images.pixels, team);
    CHECK(std::equal(expected.begin(), expected.end(), got.begin(), got.end()));
}

TEST_CASE("workers are as many as OpenMP is told") {
    omp_set_num_threads(4);
    omp_set_dynamic(0);
    auto follows = detail::workers_of({.team = Team::openmp});
    auto fixed = detail::workers_of({.threads = 3, .team = Team::openmp});
    CHECK(workers_now(follows) == 4);
    CHECK(workers_now(follows, 2) == 2);
    CHECK(workers_now(fixed) == 3);
    omp_set_num_threads(2);  // follows at once, but never beyond what it has memory for
    CHECK(workers_now(follows) == 2);
    CHECK(workers_now(fixed) == 3);
    omp_set_num_threads(8);
    CHECK(workers_now(follows) == 4);
    auto moved = std::move(follows);
    CHECK(workers_now(moved) == 4);
    CHECK(detail::worker_count({.team = Team::openmp}) == 8);
    omp_set_num_threads(2);
}

TEST_CASE("inside of a parallel region one thread works, the calling one") {
    omp_set_num_threads(2);
    auto const expected = trained({.threads = 1});
    std::vector<float> results[2];
    int counts[2] = {}, sizes[2] = {};
    auto outside = detail::workers_of({.threads = 2, .team = Team::openmp});
#pragma omp parallel num_threads(2)
    {
        int const me = omp_get_thread_num();
        sizes[me] = detail::worker_count({.team = Team::openmp});
        auto const here = std::this_thread::get_id();
        auto pool = detail::workers_of({.threads = 2, .team = Team::openmp});
        pool.run(2, [&](int, int workers) { counts[me] = std::this_thread::get_id() == here ? workers : -1; });
        results[me] = trained({.threads = 2, .team = Team::openmp});
    }
    for (int me = 0; me < 2; ++me) {
        CHECK(sizes[me] == 1);
        CHECK(counts[me] == 1);
        CHECK(results[me] == expected);
    }
    CHECK(workers_now(outside) == 2);
}

TEST_CASE("what a worker throws reaches the caller, and the team works on") {
    auto pool = detail::workers_of({.threads = 3, .team = Team::openmp});
    for (int const thrower : {0, 2}) {
        std::atomic<int> others{0};
        CHECK_THROWS_WITH_AS(pool.run(3,
                                      [&](int worker, int) {
                                          if (worker == thrower) fail("worker ", worker);
                                          ++others;
                                      }),
                             concatenate("worker ", thrower).c_str(), Error);
        CHECK(others == 2);
    }
    CHECK(workers_now(pool) == 3);
}

TEST_CASE("Eigen's products do not depend on OpenMP's threads") {
    // Compiled with OpenMP, Eigen shares products of this size out, and sums in another order then.
    auto const moved = [](int threads) {
        omp_set_num_threads(threads);
        MatrixShape const shape{200, 500};
        std::vector<float> weight(200 * 500), gradient(weight.size()), state(weight.size());
        Random random(6, Purpose::user);
        for (float& g : gradient) g = static_cast<float>(random.normal());
        Muon{}.update(shape, weight.data(), gradient.data(), state.data(), OptimizerStep{.learning_rate = 0.02});
        CHECK(omp_get_max_threads() == threads);
        return weight;
    };
    auto const one = moved(1);
    for (int const threads : {2, 3, 4}) CHECK(moved(threads) == one);
}

TEST_CASE("the child of a fork works alone") {
    auto pool = detail::workers_of({.threads = 2, .team = Team::openmp});
    REQUIRE(workers_now(pool) == 2);
    pid_t const child = fork();
    if (child == 0) {
        alarm(60);
        int count = 0;
        pool.run(2, [&](int, int workers) { count += workers; });
        _exit(count == 1 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
