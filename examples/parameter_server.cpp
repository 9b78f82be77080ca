// Parameter servers: processes that own the weights, and workers that train them.
//
//     parameter_server server ADDRESS SERVER SERVERS WORKERS MODE [STORAGE]
//     parameter_server worker WORKER WORKERS MODE EPOCHS DIR ADDRESS...
//
// MODE is bsp, asp or a number: Ssp with that staleness. examples/parameter_server.sh starts two servers and four workers
// on this machine. STRATA_KEY, where it is set, is the key of all of them.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <strata/distributed/parameter_server.hpp>
#include <strata/strata.hpp>

using namespace strata;

using Classifier = Network<Input<1, 28, 28>, Conv2d<8, 5>, ReLU, MaxPool2d<2>, Flatten, Linear<64>, ReLU, Linear<10>>;
using Server = ParameterServer<Classifier, SGD>;

static SGD const sgd{.learning_rate = 0.05, .momentum = 0.9};

static Synchronisation mode_of(std::string const& text) {
    if (text == "bsp") return Bsp{};
    if (text == "asp") return Asp{};
    if (text.find_first_not_of("0123456789") != std::string::npos)
        fail("MODE is ", text, ", expected bsp, asp or Ssp's staleness");
    return Ssp{std::atoi(text.c_str())};
}
static std::string key() {
    char const* const text = std::getenv("STRATA_KEY");
    return text ? text : "";
}

static Server* running = nullptr;  // that SIGTERM and SIGINT end

static void serve(int count, char** arguments) {
    Server server({.address = arguments[2],
                   .server = std::atoi(arguments[3]),
                   .servers = std::atoi(arguments[4]),
                   .mode = mode_of(arguments[6]),
                   .workers = std::atoi(arguments[5]),
                   .storage = count > 7 ? arguments[7] : "",
                   .key = key()},
                  sgd);
    running = &server;
    for (int const signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { running->stop(); });
    server.run();
    running = nullptr;
    std::printf("server %s: %lld updates of weights %zu to %zu\n", arguments[3], static_cast<long long>(server.clock()),
                server.range().begin, server.range().end);
}

static void work(int count, char** arguments) {
    int const worker = std::atoi(arguments[2]);
    auto const mode = mode_of(arguments[4]);
    auto const data = fashion_mnist(arguments[6]);
    // With Asp each worker has batches of its own: its seed differs.
    Seed const seed{mode.is_asynchronous() ? static_cast<std::uint64_t>(worker) : 0};
    auto trainer = train<Classifier>(Cpu{.threads = 1}, sgd, seed,
                                     Served{.servers = {arguments + 7, arguments + count},
                                            .worker = worker,
                                            .workers = std::atoi(arguments[3]),
                                            .mode = mode,
                                            .key = key()});
    // batch_size is that of all workers together, with Asp each one's; the first worker shows progress.
    trainer.fit(data.train, {.epochs = std::atoi(arguments[5]), .batch_size = 128});
    if (worker == 0)
        std::printf("%.2f %% of the test images are recognised\n", 100 * trainer.evaluate(data.test).accuracy);
}

int main(int count, char** arguments) try {
    std::string const role = count > 1 ? arguments[1] : "";
    if (role == "server" && count >= 7)
        serve(count, arguments);
    else if (role == "worker" && count >= 8)
        work(count, arguments);
    else
        fail(
            "usage: parameter_server server ADDRESS SERVER SERVERS WORKERS MODE [STORAGE], or worker WORKER WORKERS "
            "MODE "
            "EPOCHS DIR ADDRESS...");
} catch (std::exception const& error) {
    std::fprintf(stderr, "parameter_server: %s\n", error.what());
    return 1;
}
