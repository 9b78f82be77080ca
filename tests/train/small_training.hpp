// Small networks, images made by a formula, and what tests of training compare.
#pragma once

#include <cstring>
#include <map>
#include <strata/strata.hpp>

#include "../io/files.hpp"

namespace strata {

/// A LeNet for images of 12 x 12.
using SmallLeNet = Network<Input<2, 12, 12>, Conv2d<4, 3>, ReLU, MaxPool2d<2>, Conv2d<6, 3>, ReLU, Flatten, Linear<20>,
                           ReLU, Linear<5>>;

/// BatchNorm, a residual with a strided option-A shortcut, two dropouts.
using SmallResNet =
    Network<Input<2, 12, 12>, Conv2d<4, 3, Stride<2>, Padding<1>, NoBias>, BatchNorm2d<>, ReLU,
            Residual<Main<Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, Dropout<0.1>,
                          Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>>,
                     After<ReLU>>,
            Residual<Main<Conv2d<8, 3, Stride<2>, Padding<1>, NoBias>, BatchNorm2d<>>, ZeroPadShortcut, After<ReLU>>,
            GlobalAvgPool2d, Flatten, Dropout<0.3>, Linear<5>>;

/// Noisy uint8 images [2][12][12] of five classes: a class brightens rows of its own.
inline Dataset small_images(std::size_t count, std::uint64_t seed = 1) {
    SampleShape const shape{2, 12, 12};
    std::vector<std::uint8_t> pixels(count * shape.size());
    std::vector<int> labels(count);
    Random random(seed, Purpose::user);
    for (std::size_t i = 0; i < count; ++i) {
        labels[i] = static_cast<int>(random.below(5));
        for (std::size_t p = 0; p < shape.size(); ++p) {
            bool const bright = static_cast<int>(p / 12 % 12) / 2 == labels[i];
            pixels[i * shape.size() + p] = static_cast<std::uint8_t>(random.below(120) + (bright ? 100 : 0));
        }
    }
    return from_memory(std::move(pixels), shape, labels, 5).with(Normalize{{0.3, 0.3}, {0.2, 0.25}});
}

/// The same with crop and flip.
inline Dataset augmented_images(std::size_t count) {
    return small_images(count).with(RandomCrop{.padding = 2}, RandomHorizontalFlip{});
}

/// All of a dataset as one batch, which lasts as long as this.
class OneBatch {
public:
    explicit OneBatch(Dataset const& data)
        : loader_(data, {.batch_size = static_cast<int>(data.size()), .threads = 0}) {
        loader_.begin_epoch(0);
        batch_ = loader_.next();
    }
    [[nodiscard]] Batch const& operator*() const { return *batch_; }

private:
    Loader loader_;
    Batch const* batch_;
};

template <class T>
bool same_bits(std::span<T const> a, std::span<T const> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// Everything the next step of a training depends on, and its history but for the clock.
struct Snapshot {
    std::map<std::string, std::string> entries;
    friend bool operator==(Snapshot const&, Snapshot const&) = default;
};
inline std::string bits_of(double value) { return {reinterpret_cast<char const*>(&value), sizeof value}; }

template <class Trainer>
Snapshot snapshot_of(Trainer& trainer, TemporaryDirectory const& directory) {
    std::string const path = directory / "snapshot";
    trainer.save_checkpoint(path);
    CheckpointFile const file(path);
    Snapshot result;
    for (auto const& [name, tensor] : file.tensors().tensors()) {
        auto const bytes = file.tensors().data(tensor);
        result.entries["tensor " + name] = std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    }
    for (std::size_t i = 0; i < file.metadata().size(); ++i)
        if (auto const& key = file.metadata().key(i); key != "history")
            result.entries["metadata " + key] = file.metadata().text(i);
    std::string& history = result.entries["history"];
    for (auto const& r : trainer.state().history) {
        history += concatenate(r.epoch, ' ', r.step, ' ');
        for (double const v : {r.learning_rate, r.train_loss, r.train_accuracy, r.test_loss, r.test_accuracy})
            history += bits_of(v);
    }
    return result;
}

/// Where two snapshots differ, for messages.
inline std::string difference(Snapshot const& a, Snapshot const& b) {
    std::string names;
    for (auto const& [key, value] : a.entries) {
        auto const other = b.entries.find(key);
        if (other == b.entries.end() || other->second != value) names += key + "; ";
    }
    return names;
}

}  // namespace strata
