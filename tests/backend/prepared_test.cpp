// labels: threads
// options: -O1
// Kernels that prepare the parameters (Winograd's transformed weights, pairs of bfloat16) do so once for all tiles of a
// batch, or step by step for a single tile: the same bits either way and for any number of threads, and never those of
// weights that an update has changed.
#include "../tested_types.hpp"
#include "../train/small_training.hpp"

using namespace strata;

namespace {

template <class... Norm>
using ConvNet = Network<Input<2, 12, 12>, Conv2d<16, 3, Padding<1>>, Norm..., ReLU, Conv2d<24, 3, Padding<1>>, Norm...,
                        ReLU, MaxPool2d<2>, Conv2d<32, 3, Padding<1>>, Norm..., ReLU, GlobalAvgPool2d, Linear<5>>;
using Streaming = ConvNet<>;
using BatchWide = ConvNet<BatchNorm2d<>>;

struct DirectFloat32 : Float32 {
    static constexpr bool winograd = false;
};

template <class Net, class Precision>
auto trainer_of(int threads) {
    return train<Net>(Cpu{.threads = threads}, Precision{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, Seed{1});
}

/// Losses and weights of three steps.
struct Trained {
    std::vector<double> losses;
    std::vector<float> weights;
    friend bool operator==(Trained const&, Trained const&) = default;
};
template <class Net, class Precision>
Trained trained(int threads, int batch_size) {
    auto trainer = trainer_of<Net, Precision>(threads);
    Loader loader(small_images(static_cast<std::size_t>(3 * batch_size)), {.batch_size = batch_size, .threads = 0});
    loader.begin_epoch(0);
    Trained result;
    for (int step = 0; step < 3; ++step) result.losses.push_back(trainer.train_step(*loader.next()).loss);
    auto const weights = trainer.model().parameters();
    result.weights.assign(weights.begin(), weights.end());
    return result;
}

template <class Net, class Precision, bool Training = true>
constexpr int prepared = detail::program_of<Net, Precision, CrossEntropy, Training>().prepared;

}  // namespace

TEST_CASE("who prepares, and how much") {
    static_assert(prepared<Streaming, Float32> > 0 && prepared<BatchWide, Float32> > 0);
    static_assert(prepared<Streaming, DirectFloat32> == 0);
    // One phase in which all wait for their weights takes more than phases of a convolution each; inference has one.
    static_assert(prepared<BatchWide, Float32> < prepared<Streaming, Float32>);
    static_assert(prepared<BatchWide, Float32, false> == prepared<Streaming, Float32, false>);
    static_assert(prepared<SmallLeNet, Float64> == 0);
}

TEST_CASE_TEMPLATE("the same bits for any number of threads", Net, Streaming, BatchWide) {
    for (int const batch_size : tested_of({2, 16, 40})) {
        CAPTURE(batch_size);
        auto const alone = trained<Net, Float32>(1, batch_size);
        for (int const threads : tested_of({2, 3, 4})) CHECK(trained<Net, Float32>(threads, batch_size) == alone);
    }
    auto const alone = trained<Net, Mixed<bfloat16>>(1, 40);
    for (int const threads : {2, 4}) CHECK(trained<Net, Mixed<bfloat16>>(threads, 40) == alone);
}

TEST_CASE_TEMPLATE("training follows that of kernels that read the weights themselves", Net, Streaming, BatchWide) {
    for (int const batch_size : tested_of({2, 16, 40})) {
        CAPTURE(batch_size);
        auto const got = trained<Net, Float32>(2, batch_size).losses,
                   expected = trained<Net, DirectFloat32>(1, batch_size).losses;
        // Losses of about 1 from sums of some hundred products, three steps from the same start; a step with the
        // weights of the one before is off by 1e-2.
        for (std::size_t step = 0; step < got.size(); ++step) CHECK(std::abs(got[step] - expected[step]) < 1e-5);
        CHECK(std::abs(got[2] - got[0]) > 1e-3);
    }
}

TEST_CASE_TEMPLATE("a sample's outputs do not depend on the number of tiles", Precision, Float32, Mixed<bfloat16>) {
    Random random(11, Purpose::user);
    std::vector<float> x(48 * 288);
    for (float& v : x) v = static_cast<float>(random.normal());
    Model<BatchWide, Precision> const model;
    for (int const threads : {1, 2}) {
        Workspace<BatchWide, Precision> many(Cpu{.threads = threads}), one(Cpu{.threads = threads});
        auto const together = model(x, many);
        for (std::size_t tile = 0; tile < 3; ++tile) {
            auto const alone = model(std::span<float const>(x).subspan(tile * 16 * 288, 16 * 288), one);
            CHECK(same_bits<float>(together.subspan(tile * 80, 80), alone));
        }
    }
}

TEST_CASE_TEMPLATE("the memory is known beforehand", Net, Streaming, BatchWide) {
    for (int const workers : {1, 2})
        for (int const batch_size : tested_of({2, 16, 40})) {
            auto trainer = trainer_of<Net, Float32>(workers);
            auto const data = small_images(40);
            Loader loader(data, {.batch_size = batch_size, .threads = 0});
            loader.begin_epoch(0);
            trainer.train_step(*loader.next());
            constexpr auto prepared_bytes = sizeof(float) * static_cast<std::size_t>(prepared<Net, Float32>);
            auto const held = trainer.executor().memory_bytes();
            CHECK(held == decltype(trainer)::Executor::training_memory_bytes(workers, batch_size));
            CHECK(held > prepared_bytes);
        }
}

/// A convolution that Winograd takes along the row on tiles of one and of four samples, too.
using FiveTaps = Network<Input<3, 20, 20>, Conv2d<6, 5>, ReLU, Conv2d<16, 5>, ReLU, GlobalAvgPool2d, Linear<5>>;

TEST_CASE_TEMPLATE("inference keeps what it prepared as long as the weights stay the same", Net, Streaming, BatchWide,
                   FiveTaps) {
    constexpr auto size = static_cast<std::size_t>(Net::InputShape::size);
    Random random(12, Purpose::user);
    std::vector<float> x(17 * size);
    for (float& v : x) v = static_cast<float>(random.normal());
    for (int const threads : {1, 2}) {
        Model<Net> model(1), other(2);
        Workspace<Net> kept(Cpu{.threads = threads});
        auto const check = [&](Model<Net> const& m, std::size_t batch) {
            CAPTURE(batch);
            Workspace<Net> fresh(Cpu{.threads = threads});
            auto const samples = std::span<float const>(x).first(batch * size);
            auto const expected = m(samples, fresh);
            CHECK(same_bits<float>(m(samples, kept), expected));
        };
        for (std::size_t const batch : {1u, 1u, 4u, 17u, 17u, 1u}) check(model, batch);
        for (std::size_t const batch : {1u, 4u, 17u}) {
            check(other, batch);
            check(model, batch);
            check(model, batch);
            // Weights changed where they lie, the first one and the last of a layer.
            for (auto const& tensor : model.tensors()) {
                if (tensor.name != "0.weight" && tensor.name != "0.bias") continue;
                auto* const values = static_cast<float*>(tensor.data);
                for (std::size_t const at : {std::size_t{0}, tensor.size() - 1}) {
                    values[at] += 0.25f;
                    check(model, batch);
                }
            }
        }
    }
}

TEST_CASE("evaluating between steps of training sees the weights of now") {
    auto const data = small_images(40);
    auto watched = trainer_of<Streaming, Float32>(2), alone = trainer_of<Streaming, Float32>(2);
    Loader first(data, {.batch_size = 16, .threads = 0}), second(data, {.batch_size = 16, .threads = 0});
    first.begin_epoch(0);
    second.begin_epoch(0);
    for (int step = 0; step < 3; ++step) {
        watched.train_step(*first.next());
        alone.train_step(*second.next());
        auto const now = watched.evaluate(data);
        CHECK(watched.evaluate(data).loss == now.loss);
        if (step == 2) CHECK(alone.evaluate(data).loss == now.loss);
    }
    CHECK(same_bits<float>(watched.model().parameters(), alone.model().parameters()));
}
