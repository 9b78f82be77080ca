// What a worker waits for parameter servers: push_pull [STEPS] [ADDRESS]
//
// One server and one worker, processes on loopback, push the gradient and pull the weights of 63,502 parameters (254 KB
// each way), SGD, without a code. Prints microseconds of a step, without computation: least, median and nine tenths.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <strata/distributed/parameter_server.hpp>
#include <strata/strata.hpp>

using namespace strata;

namespace {

using Net = Network<Input<497>, Linear<127>, ReLU, Linear<2>>;
constexpr std::size_t count = Net::parameter_count;
SGD const sgd{.learning_rate = 1e-6};

void work(std::string const& address, int steps) {
    Served served;
    served.servers = {address};
    detail::ServedWorker<float, float> worker(served, count);
    std::vector<float> weights(count), gradient(count, 1e-3f);
    worker.join(detail::identity_items<Net, Float32>(sgd), 0, weights);
    float const* const node = gradient.data();
    detail::PushedStep<float> push;
    push.nodes = std::span(&node, 1);
    push.learning_rate = sgd.learning_rate;
    push.momentum = 0;
    std::vector<double> times;
    for (int step = 0; step < steps + 100; ++step) {
        double const start = Progress::steady_seconds();
        worker.step(push, weights);
        if (step >= 100) times.push_back(1e6 * (Progress::steady_seconds() - start));
    }
    worker.leave();
    std::sort(times.begin(), times.end());
    std::printf("bytes=%zu steps=%d least_us=%.0f median_us=%.0f nine_tenths_us=%.0f\n", count * sizeof(float), steps,
                times.front(), times[times.size() / 2], times[times.size() * 9 / 10]);
}

}  // namespace

int main(int argument_count, char** arguments) try {
    int const steps = argument_count > 1 ? std::atoi(arguments[1]) : 4000;
    std::string const address = argument_count > 2 ? arguments[2] : "tcp://127.0.0.1:5791";
    if (steps < 1) fail("usage: push_pull [STEPS] [ADDRESS]");
    pid_t const server = fork();
    if (server == 0) {
        ParameterServer<Net, SGD>({.address = address}, sgd).run();
        std::_Exit(0);
    }
    work(address, steps);
    waitpid(server, nullptr, 0);
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
