// labels: serial
// Two workers are nearly twice as fast as one: a serial run would pass every test of determinism. Rounds in which the
// machine itself does not let two threads run at once do not count.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <atomic>
#include <strata/strata.hpp>
#include <thread>

using namespace strata;

namespace {

using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>, Flatten,
                      Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;

template <class F>
double seconds(F f) {
    double const start = Progress::steady_seconds();
    f();
    return Progress::steady_seconds() - start;
}

std::atomic<double> number{0.5};  // compilers leave out what nobody sees

/// Arithmetic that touches no memory.
void spin() {
    double x = number;
    for (int i = 0; i < 4'000'000; ++i) x = x * 0.999999 + 1e-6;
    number = x;
}

/// How much two threads do in the time of one, right now.
double machine_speedup() {
    double const one = seconds([] {
        spin();
        spin();
    });
    double const two = seconds([] {
        std::thread other(spin);
        spin();
        other.join();
    });
    return one / two;
}

/// False while anybody else wants a processor.
bool is_alone() {
    std::FILE* const file = std::fopen("/proc/loadavg", "r");
    if (!file) return true;
    int running = 1;
    bool const known = std::fscanf(file, "%*f %*f %*f %d", &running) == 1;
    std::fclose(file);
    return !known || running <= 1;
}

/// Times this process was made to wait for others.
long interruptions() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

}  // namespace

TEST_CASE("two threads train LeNet at least 1.6 times as fast as one, batch 100") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    std::puts("SKIPPED: speed-up from 1 to 2 threads: this build is not optimised, or instrumented");
#else
    if (std::thread::hardware_concurrency() < 2) {
        std::puts("SKIPPED: speed-up from 1 to 2 threads: this machine has one processor");
        return;
    }
    std::vector<float> samples(100 * 3 * 32 * 32);
    std::vector<std::int32_t> labels(100);
    Random random(1, Purpose::user);
    for (float& v : samples) v = static_cast<float>(random.normal());
    for (auto& label : labels) label = static_cast<std::int32_t>(random.below(10));
    auto one = train<LeNet>(Cpu{.threads = 1}), two = train<LeNet>(Cpu{.threads = 2});
    auto const steps = [&](auto& trainer) {
        return seconds([&] {
            for (int i = 0; i < 3; ++i) trainer.train_step(samples, labels);
        });
    };
    steps(one);
    steps(two);

    // Fewer rounds than this are an accident, on a busy machine.
    constexpr int enough = 5;
    double best_one = 1e9, best_two = 1e9;
    int rounds = 0;
    for (int round = 0; round < 40 && (rounds < enough || best_one < 1.6 * best_two); ++round) {
        long const interrupted = interruptions();
        bool const alone = is_alone();
        double const before = machine_speedup(), time_one = steps(one), time_two = steps(two),
                     after = machine_speedup();
        bool const fair = std::min(before, after) > 1.8 && std::max(before, after) < 2.1;
        if (!alone || !fair || interruptions() > interrupted + 1 || !is_alone()) continue;
        ++rounds;
        best_one = std::min(best_one, time_one);
        best_two = std::min(best_two, time_two);
    }
    if (rounds < enough) {
        std::printf("SKIPPED: speed-up from 1 to 2 threads: the machine is busy (%d of 40 rounds undisturbed)\n",
                    rounds);
        return;
    }
    std::printf("speed-up from 1 to 2 threads: %.2f (LeNet, batch 100: %.0f and %.0f images/s, best of %d)\n",
                best_one / best_two, 300 / best_one, 300 / best_two, rounds);
    CHECK(best_one >= 1.6 * best_two);
#endif
}
