// Tutorial 5: one model, many threads.
//
//     05_inference_threads [DIR]
//
// Weights and work are apart: a const Model is never written, so any number of threads may use it without a lock; each
// has a Workspace of its own, which holds the activations. After the first call nothing allocates memory. BatchNorm is
// folded into the convolutions before it.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <thread>

#include <strata/strata.hpp>

using namespace strata;

using Classifier = Network<Input<1, 28, 28>, Conv2d<6, 5, Padding<2>>, BatchNorm2d<>, ReLU, MaxPool2d<2>,  // 6x14x14
                           Conv2d<16, 5>, BatchNorm2d<>, ReLU, MaxPool2d<2>,                               // 16x5x5
                           Flatten, Linear<84>, ReLU, Linear<10>>;                                         // classes
using Serving = FoldedNetwork<Classifier>;
constexpr std::size_t image_size = Classifier::InputShape::size, classes = Classifier::OutputShape::size;

// Images as numbers, [N][1][28][28], and their labels: what a server gets from its clients.
struct Requests {
    std::vector<float> images;
    std::span<std::int32_t const> labels;
    std::size_t size() const { return labels.size(); }
};

// Files hold weights, not what was done to the pixels: that has to be done here as in training. There it was
// nothing but the division by 255 that every image gets; after Normalize, its mean and deviation would follow. A
// dataset does it by itself.
static Requests requests_from(Dataset const& data) {
    Requests requests{{}, data.labels()};
    for (std::size_t i = 0; i < data.size(); ++i) {
        std::vector<float> const image = data.input(i);
        requests.images.insert(requests.images.end(), image.begin(), image.end());
    }
    return requests;
}

// One thread's work: every fourth batch of the requests. Returns how many images it recognised.
static int serve(Model<Serving> const& model, Requests const& requests, std::size_t batch_size, std::size_t thread) {
    Workspace<Serving> workspace;
    int correct = 0;
    for (std::size_t first = thread * batch_size; first < requests.size(); first += 4 * batch_size) {
        std::size_t const n = std::min(batch_size, requests.size() - first);
        // [n][10] scores, valid until this workspace's next call.
        auto const scores = model(std::span(requests.images).subspan(first * image_size, n * image_size), workspace);
        for (std::size_t i = 0; i < n; ++i) {
            auto const row = scores.subspan(i * classes, classes);
            correct += std::max_element(row.begin(), row.end()) - row.begin() == requests.labels[first + i];
        }
    }
    return correct;
}

int main(int argument_count, char** arguments) try {
    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();

    // Something to serve; a server would only load it.
    std::string const file = "05_inference_threads.safetensors";
    auto trainer = train<Classifier>(SGD{.learning_rate = 0.02, .momentum = 0.9});
    trainer.fit(data.train.first(15'000), {.epochs = 2, .batch_size = 50});
    save(trainer.model(), file);

    Model<Serving> const model = fold_batch_norm(load<Classifier>(file));
    Requests const requests = requests_from(data.test);
    for (std::size_t const batch_size : {1u, 10u, 100u}) {
        std::array<int, 4> correct{};
        auto const start = std::chrono::steady_clock::now();
        std::array<std::thread, 4> threads;
        for (std::size_t t = 0; t < 4; ++t)
            threads[t] = std::thread([&, t] { correct[t] = serve(model, requests, batch_size, t); });
        for (auto& thread : threads) thread.join();
        std::chrono::duration<double> const elapsed = std::chrono::steady_clock::now() - start;
        std::printf("batches of %3zu: %d of %zu images recognised, %.0f images/s\n", batch_size,
                    correct[0] + correct[1] + correct[2] + correct[3], requests.size(),
                    static_cast<double>(requests.size()) / elapsed.count());
    }
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
