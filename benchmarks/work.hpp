// The works that all sides of the comparison do, the data they do them on, how they are timed and how they are
// printed. C++17 and free of Strata, because the other frameworks' programs include it too.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace benchmark {

constexpr std::size_t classes = 10;
constexpr double learning_rate = 0.001, momentum = 0.9;

/// What a network is measured on: the extents of a sample, and the batches.
struct Subject {
    char const* name;
    std::vector<std::int64_t> input;
    std::vector<int> batches;
};
inline Subject const lenet{"lenet", {3, 32, 32}, {1, 2, 4, 8, 64, 256}};
inline Subject const lenet_bfloat16{"lenet_bfloat16", {3, 32, 32}, {64, 256}};  // its peers compute in float
inline Subject const vgg6{"vgg6", {3, 32, 32}, {1, 64}};
inline Subject const resnet20{"resnet20", {3, 32, 32}, {1, 128}};
inline Subject const separable{"separable", {3, 32, 32}, {1, 64}};  // depthwise-separable blocks
inline Subject const convnext{"convnext", {3, 32, 32}, {1, 64}};
inline Subject const unet{"unet", {3, 32, 32}, {1, 64}};
inline Subject const mlp{"mlp", {784}, {1, 64, 256}};
inline Subject const wide_mlp{"wide_mlp", {3072}, {256}};

/// A number in [-1, 1) for each index (SplitMix64's mixing: Steele, Lea, Flood, OOPSLA 2014).
inline double number(std::uint64_t index) {
    std::uint64_t z = (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<double>((z ^ (z >> 31)) >> 40) * 0x1p-23 - 1.0;
}

/// Images [batch][extents of a sample…] and labels [batch], the same on all sides.
struct Samples {
    std::vector<float> images;
    std::vector<std::int32_t> labels;

    Samples(Subject const& subject, int batch) : labels(static_cast<std::size_t>(batch)) {
        std::size_t size = labels.size();
        for (auto const extent : subject.input) size *= static_cast<std::size_t>(extent);
        images.resize(size);
        for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(1.7 * number(i));
        for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>((i * 7 + 3) % classes);
    }
};

/// Fills parameter tensors, visited in PyTorch's state-dict order, with the same weights on all sides: Kaiming uniform
/// for matrices, about 1 for the weights of a BatchNorm, small for biases.
class Weights {
public:
    template <class Extents>
    void fill(std::string_view name, Extents const& shape, float* tensor) {
        std::size_t size = 1, fan = 1, rank = 0;
        for (auto const extent : shape) {
            size *= static_cast<std::size_t>(extent);
            if (rank++ > 0) fan *= static_cast<std::size_t>(extent);
        }
        bool const bias = name.size() >= 4 && name.substr(name.size() - 4) == "bias";
        double const centre = rank == 1 && !bias ? 1.0 : 0.0;
        double const range = rank == 1 ? 0.1 : std::sqrt(6.0 / static_cast<double>(fan));
        for (std::size_t i = 0; i < size; ++i) tensor[i] = static_cast<float>(centre + range * number(next_++));
    }

private:
    std::uint64_t next_ = 1u << 30;  // away from the images' numbers
};

/// What the command line selects: `networks [FILTER] [THREADS] [SECONDS]`.
struct Selection {
    std::string filter;  ///< a work is measured when its label contains this
    std::vector<int> threads{1, 2};
    double seconds = 1.0;  ///< of measuring, a work; 0: the works are only named

    Selection(int argument_count, char** arguments) {
        if (argument_count > 1) filter = arguments[1];
        if (argument_count > 2 && std::atoi(arguments[2]) > 0) threads = {std::atoi(arguments[2])};
        if (argument_count > 3) seconds = std::atof(arguments[3]);
    }
    /// `networks losses` computes check values and measures nothing.
    [[nodiscard]] bool checks() const { return filter == "losses"; }
};

/// One work: a network, what is done with it, the batch and the threads.
struct Work {
    char const* network;
    /// "train": forward, loss, backward, update; "infer": forward in evaluation mode; "invariant": the same with a
    /// sample's bits those that it has alone, Strata's only.
    char const* mode;
    int batch, threads;

    [[nodiscard]] std::string label() const {
        return std::string(network) + " " + mode + " batch=" + std::to_string(batch) +
               " threads=" + std::to_string(threads);
    }
    /// Whether the work is to be measured; names it where the selection only asks for the names.
    [[nodiscard]] bool selected(Selection const& selection) const {
        if (label().find(selection.filter) == std::string::npos) return false;
        if (selection.seconds <= 0) std::puts(label().c_str());
        return selection.seconds > 0;
    }
};

/// The most memory that this process has had so far, in MiB; 0 where there is no /proc. Not getrusage's ru_maxrss,
/// which also counts the process that started this one.
inline double peak_memory() {
    double kibibytes = 0;
    if (std::FILE* const status = std::fopen("/proc/self/status", "r")) {
        for (char line[256]; std::fgets(line, sizeof line, status) && kibibytes <= 0;)
            if (std::string_view(line).substr(0, 6) == "VmHWM:") kibibytes = std::atof(line + 6);
        std::fclose(status);
    }
    return kibibytes / 1024;
}

/// Repeats a step for the selected time, and at least five times, and prints the work's line with the median.
template <class Step>
void measure(Work const& work, Selection const& selection, Step step) {
    using Clock = std::chrono::steady_clock;
    auto const seconds_since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    for (int warm_up = 0; warm_up < 3; ++warm_up) step();
    std::vector<double> times;
    auto const begin = Clock::now();
    while (times.size() < 5 || seconds_since(begin) < selection.seconds) {
        auto const start = Clock::now();
        step();
        times.push_back(seconds_since(start));
    }
    auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    std::printf("%s median_ms=%.4f images_per_s=%.1f peak_MiB=%.1f\n", work.label().c_str(), *middle * 1e3,
                work.batch / *middle, peak_memory());
    std::fflush(stdout);
}

/// The check values of a network: `losses` of its training steps from `Weights`, then `outputs` [batch][classes] in
/// evaluation mode. compare.py wants them equal on all sides before it believes any time.
inline void print_check(char const* network, std::vector<double> const& losses, std::vector<float> const& outputs) {
    double sum = 0;
    for (float const output : outputs) sum += std::abs(static_cast<double>(output));
    for (std::size_t i = 0; i < losses.size(); ++i)
        std::printf("%s loss_of_step_%zu %.7f\n", network, i + 1, losses[i]);
    std::printf("%s mean_absolute_output %.7f\n", network, sum / static_cast<double>(outputs.size()));
}
// Two steps show forward, backward, update and momentum; further ones amplify the rounding of either side (VGG-6:
// tenfold a step).
constexpr int check_batch = 24, check_steps = 2;

}  // namespace benchmark
