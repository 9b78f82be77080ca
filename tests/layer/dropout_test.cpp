// Dropout: which elements it keeps follows from Philox's words alone, forward and backward, on tiles of every size.
#include "strata/layer/dropout.hpp"

#include "layer_run.hpp"
#include "strata/backend/cpu/run/executor.hpp"
#include "strata/layer/dropout2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
using X = Shape<3, 3, 3>;  // 27 elements: the last block of four is not full
constexpr std::size_t size = 27, batch = 37;
constexpr double p = 0.3;
constexpr RandomKey key{.seed = 0x123456789abcdef, .operation = 7, .step = 11};

/// The mask as the layer's header defines it.
bool kept(RandomKey k, std::size_t sample, std::size_t element) {
    auto const words = philox(
        {static_cast<std::uint32_t>(element / 4), static_cast<std::uint32_t>(Purpose::dropout) | k.operation << 8,
         k.step, static_cast<std::uint32_t>(sample)},
        k.seed);
    return uniform_float(words[element % 4]) >= static_cast<float>(p);
}
template <class Precision, int S>
LayerResult run(RandomKey k) {
    std::vector<double> const ones(size * batch, 1.0), twos(size * batch, 2.0);
    return run_layer(kernels_of<DropoutOperation<X, p>, Precision, S>(), ones, {}, twos, 3, k);
}
}  // namespace

TEST_CASE("the mask and its scale, forward and backward, the same on every tile size") {
    auto const check = [](LayerResult const& result, double scale) {
        int wrong = 0;
        for (std::size_t s = 0; s < batch; ++s)
            for (std::size_t e = 0; e < size; ++e) {
                bool const keep = kept(key, s, e);
                wrong += result.y[s * size + e] == (keep ? scale : 0) ? 0 : 1;
                wrong += result.dx[s * size + e] == (keep ? 2 * scale : 0) ? 0 : 1;
            }
        CHECK(wrong == 0);
    };
    check(run<Float64, 1>(key), 1 / (1 - p));
    check(run<Float64, 8>(key), 1 / (1 - p));
    double const single = static_cast<double>(static_cast<float>(1 / (1 - p)));
    check(run<Float32, 1>(key), single);
    check(run<Float32, 2>(key), single);
    check(run<Float32, 16>(key), single);
}

TEST_CASE("as many are kept as should be, in every word and every sample's share") {
    auto const y = run<Float32, 16>(key).y;
    double kept_by_word[4] = {}, count_by_word[4] = {}, total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
        kept_by_word[i % size % 4] += y[i] != 0 ? 1 : 0;
        count_by_word[i % size % 4] += 1;
        total += y[i] != 0 ? 1 : 0;
    }
    // Five standard deviations of a binomial count.
    CHECK(std::abs(total / (size * batch) - (1 - p)) < 5 * std::sqrt(p * (1 - p) / (size * batch)));
    for (int w = 0; w < 4; ++w)
        CHECK(std::abs(kept_by_word[w] / count_by_word[w] - (1 - p)) < 5 * std::sqrt(p * (1 - p) / count_by_word[w]));
}

TEST_CASE("another step, operation or seed has another mask") {
    auto const y = run<Float32, 16>(key).y;
    auto const agreement = [&](RandomKey k) {
        auto const other = run<Float32, 16>(k).y;
        double same = 0;
        for (std::size_t i = 0; i < y.size(); ++i) same += y[i] == other[i] ? 1 : 0;
        return same / static_cast<double>(y.size());
    };
    double const independent = p * p + (1 - p) * (1 - p);  // 0.58
    for (RandomKey const k : {RandomKey{key.seed, 7, 12}, RandomKey{key.seed, 8, 11}, RandomKey{key.seed + 1, 7, 11},
                              RandomKey{key.seed + (std::uint64_t{1} << 40), 7, 11}})
        CHECK(std::abs(agreement(k) - independent) < 0.08);  // five standard deviations of 999 elements
    CHECK(agreement(key) == 1);
}

TEST_CASE("two dropouts of a network differ, threads do not change them, evaluation is the identity") {
    using Net = Network<Input<40>, Dropout<0.5>, Dropout<0.5>, Linear<3, NoBias>>;
    Model<Net, Float64> model(1);
    auto const x = std::vector<double>(40 * 40, 1.0), targets = reference_values(2, 40 * 3);
    Batch b;
    b.size = 40;
    b.shape = {1, 1, 40};
    b.type = b.target_type = DataType::float64;
    b.inputs = x.data();
    b.targets = targets.data();
    std::vector<double> first;
    for (int const threads : {1, 2, 3}) {
        CpuExecutor<Net, Float64, DotProduct> executor(Cpu{.threads = threads}, {});
        executor.gradients(model, b, {.seed = 1, .operation = 0, .step = 2});
        std::vector<double> const gradient(executor.gradient().begin(), executor.gradient().end());
        if (first.empty()) first = gradient;
        CHECK(gradient == first);
    }
    // Were the two masks one, weights would see 4 or 0; independent masks leave a quarter of the
    // inputs: 4 x / 4 on average.
    double kept_both = 0;
    for (std::size_t s = 0; s < 40; ++s)
        for (std::uint32_t e = 0; e < 40; ++e) {
            auto const word = [&](std::uint32_t operation) {
                return philox({e / 4, static_cast<std::uint32_t>(Purpose::dropout) | operation << 8, 2,
                               static_cast<std::uint32_t>(s)},
                              1)[e % 4];
            };
            kept_both += uniform_float(word(0)) >= 0.5f && uniform_float(word(1)) >= 0.5f ? 1 : 0;
        }
    CHECK(std::abs(kept_both / 1600 - 0.25) < 0.055);
    double expected = 0;  // d loss / d weight(0, 0)
    for (std::size_t s = 0; s < 40; ++s) {
        auto const keep = [&](std::uint32_t operation) {
            return uniform_float(philox({0, static_cast<std::uint32_t>(Purpose::dropout) | operation << 8, 2,
                                         static_cast<std::uint32_t>(s)},
                                        1)[0]) >= 0.5f;
        };
        if (keep(0) && keep(1)) expected += 4 * targets[s * 3] / 40;
    }
    CHECK(first[0] == doctest::Approx(expected));

    CpuExecutor<Net, Float64, DotProduct> executor(Cpu{.threads = 1}, {});
    std::vector<double> outputs(40 * 3);
    executor.evaluate(model, b, nullptr, outputs.data());
    double sum = 0;
    for (int i = 0; i < 40; ++i) sum += model.parameters()[static_cast<std::size_t>(i)];
    CHECK(outputs[0] == doctest::Approx(sum));
}

TEST_CASE("Dropout2d drops whole channels, by the words of Dropout, in kernels and bodies") {
    using Image = Shape<6, 3, 5>;
    using Op = ChannelDropout<Image, p>;
    constexpr auto numbers = static_cast<std::size_t>(Image::size);
    auto const x = reference_values(1, numbers * batch), dy = reference_values(4, numbers * batch);
    auto const check = [&]<class Precision>(LayerKernels<Precision> const& kernels, Precision) {
        CAPTURE(kernels.lanes);
        auto const result = run_layer(kernels, x, {}, dy, 3, key);
        using T = typename Precision::compute;
        int wrong = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            auto const factor = static_cast<T>(kept(key, i / numbers, i % numbers / 15) ? 1 / (1 - p) : 0);
            wrong += result.y[i] == static_cast<double>(static_cast<T>(x[i]) * factor) ? 0 : 1;
            wrong += result.dx[i] == static_cast<double>(static_cast<T>(dy[i]) * factor) ? 0 : 1;
        }
        CHECK(wrong == 0);
    };
    check(generic_kernels_of<Op, Float64, 1>(), Float64{});
    check(generic_kernels_of<Op, Float32, 16>(), Float32{});
    check(kernels_of<Op, Float64, 2>(), Float64{});
    check(kernels_of<Op, Float32, 1>(), Float32{});
    check(kernels_of<Op, Float32, 4>(), Float32{});
    check(kernels_of<Op, Float32, 32>(), Float32{});
}
