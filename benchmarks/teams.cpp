// The pool's workers beside those of OpenMP's team: images/s of training steps of LeNet's, alone, beside other programs
// that keep every processor busy, and between parallel loops of the program's own.
//
//     teams [THREADS] [SECONDS]   default: every processor, 3 seconds a figure; the two take turns
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <strata/openmp.hpp>

#include "network_types.hpp"
#include "work.hpp"

using namespace strata;
using benchmark::LeNet;

namespace {

/// Processes that compute as long as this lives.
class OtherPrograms {
public:
    explicit OtherPrograms(int count) {
        for (int k = 0; k < count; ++k) {
            pid_t const child = fork();
            if (child == 0)
                for (unsigned turn = 0;; ++turn) {
                    asm volatile("" : "+r"(turn));
                    if (turn % 1'000'000 == 0 && getppid() == 1) _exit(0);
                }
            children_.push_back(child);
        }
    }
    OtherPrograms(OtherPrograms const&) = delete;
    OtherPrograms& operator=(OtherPrograms const&) = delete;
    ~OtherPrograms() {
        for (pid_t const child : children_) {
            kill(child, SIGKILL);
            waitpid(child, nullptr, 0);
        }
    }

private:
    std::vector<pid_t> children_;
};

double images_per_second(Cpu cpu, int batch, bool loops, double seconds) {
    using Clock = std::chrono::steady_clock;
    benchmark::Samples const samples(benchmark::lenet, batch);
    auto trainer = train<LeNet>(cpu, SGD{.learning_rate = 1e-3, .momentum = 0.9});
    std::vector<float> own(100'000, 1.0f);
    double taken = 0;
    long images = 0;
    for (int step = -3; taken < seconds; ++step) {
        if (loops) {  // not timed
#pragma omp parallel for num_threads(cpu.threads)
            for (std::size_t i = 0; i < own.size(); ++i) own[i] = own[i] * 0.999f + 0.001f;
        }
        auto const start = Clock::now();
        trainer.train_step(std::span<float const>(samples.images), std::span<std::int32_t const>(samples.labels));
        if (step < 0) continue;
        taken += std::chrono::duration<double>(Clock::now() - start).count();
        images += batch;
    }
    return static_cast<double>(images) / taken;
}

}  // namespace

int main(int argument_count, char** arguments) try {
    int const threads = argument_count > 1 ? std::atoi(arguments[1]) : detail::processors();
    double const seconds = argument_count > 2 ? std::atof(arguments[2]) : 3;
    std::printf("%d threads, images/s of training LeNet\n%-36s %5s %10s %10s\n", threads, "", "batch", "pool",
                "OpenMP");
    for (bool const busy : {false, true})
        for (bool const loops : {false, true})
            for (int const batch : {4, 64, 256}) {
                OtherPrograms const others(busy ? detail::processors() : 0);
                double rates[2] = {};
                for (int round = 0; round < 2; ++round)
                    for (Team const team : {Team::pool, Team::openmp})
                        rates[static_cast<int>(team)] +=
                            images_per_second({.threads = threads, .team = team}, batch, loops, seconds / 2) / 2;
                std::printf("%-36s %5d %10.0f %10.0f\n",
                            concatenate(busy ? "busy machine" : "nothing else", loops ? ", between parallel loops" : "")
                                .c_str(),
                            batch, rates[0], rates[1]);
                std::fflush(stdout);
            }
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
