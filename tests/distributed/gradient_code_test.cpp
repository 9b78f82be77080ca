// labels: isa
// Codes for gradients against a reference number by number: what is sent, what is kept, and what is said where a code is
// malformed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <strata/core/random.hpp>
#include <strata/distributed/code/bfloat16.hpp>
#include <strata/distributed/code/float16.hpp>
#include <strata/distributed/code/int4.hpp>
#include <strata/distributed/code/int8.hpp>
#include <strata/distributed/code/one_bit.hpp>
#include <strata/distributed/code/top_k.hpp>
#include <strata/distributed/code/uncompressed.hpp>
#include <strata/distributed/compressed.hpp>
#include <type_traits>
#include <vector>

using namespace strata;

namespace {

static_assert(GradientCode<Float16> && GradientCode<BFloat16> && GradientCode<Int8> && GradientCode<Int4> &&
              GradientCode<OneBit> && GradientCode<TopK> && GradientCode<Uncompressed>);

std::string error_of(auto const& action) {
    try {
        action();
    } catch (Error const& error) { return error.what(); }
    return "";
}

/// Of many magnitudes, some equal, some zero.
template <class T>
std::vector<T> gradient_of(std::size_t count, std::uint64_t seed) {
    Random random(seed, Purpose::user);
    std::vector<T> numbers(count);
    for (T& g : numbers) {
        g = static_cast<T>(random.normal() * std::pow(2.0, static_cast<int>(random.below(20)) - 15));
        if (random.below(16) == 0) g = static_cast<T>(0.125f);
        if (random.below(16) == 0) g = 0;
    }
    return numbers;
}

template <class T>
struct Sent {
    std::vector<std::byte> code;
    std::vector<T> decoded;
};
/// Encodes a range, and decodes what came of it.
template <class T, class Code>
Sent<T> send(Code const& code, std::vector<T> const& gradient, std::vector<T>& state) {
    Sent<T> sent{std::vector<std::byte>(encoded_bytes<T>(code, gradient.size()), std::byte{0x5a}),
                 std::vector<T>(gradient.size(), T(7))};
    encode(code, gradient, std::span<T>(state), sent.code);
    decode(code, std::span<std::byte const>(sent.code), std::span<T>(sent.decoded));
    return sent;
}

// What a chunk's decoded numbers have to be, from what there is to send; the chunk's residual is what is left.

template <class T>
T nearest(T x, int bits, int lowest_exponent) {
    if (x == 0) return x;
    int const exponent = std::max(std::ilogb(x), lowest_exponent);
    double const unit = std::ldexp(1.0, exponent - bits + 1);
    return static_cast<T>(std::nearbyint(static_cast<double>(static_cast<float>(x)) / unit) * unit);
}
template <class T>
std::vector<T> expected(Float16 const&, std::vector<T> const& x) {
    std::vector<T> y;
    for (T const value : x) y.push_back(std::clamp(nearest(value, 11, -14), T(-65504), T(65504)));
    return y;
}
template <class T>
std::vector<T> expected(BFloat16 const&, std::vector<T> const& x) {
    std::vector<T> y;
    for (T const value : x) y.push_back(nearest(value, 8, -126));
    return y;
}
template <class T>
T largest_of(std::vector<T> const& x) {
    T largest = 0;
    for (T const value : x) largest = std::max(largest, std::abs(value));
    return largest;
}
/// A scale of each 64 numbers, up to its eight bits; numbers are the nearest multiples.
template <class T>
std::vector<T> expected(Int4 const&, std::vector<T> const& x) {
    std::vector<T> y;
    for (std::size_t from = 0; from < x.size(); from += 64) {
        auto const begin = x.begin() + static_cast<std::ptrdiff_t>(from);
        std::vector<T> const block(begin,
                                   begin + static_cast<std::ptrdiff_t>(std::min<std::size_t>(64, x.size() - from)));
        T const scale = nearest(largest_of(block) / 7, 8, -126);
        for (T const value : block) y.push_back(scale > 0 ? std::nearbyint(value * (1 / scale)) * scale : T(0));
    }
    return y;
}
/// Of each 128 numbers the means of those with and those without a sign.
template <class T>
std::vector<T> expected(OneBit const&, std::vector<T> const& x) {
    std::vector<T> y;
    for (std::size_t from = 0; from < x.size(); from += 128) {
        std::size_t const end = std::min(from + 128, x.size());
        long double sums[2] = {};
        int numbers[2] = {};
        for (std::size_t i = from; i < end; ++i) {
            sums[std::signbit(x[i])] += x[i];
            ++numbers[std::signbit(x[i])];
        }
        for (std::size_t i = from; i < end; ++i) {
            bool const negative = std::signbit(x[i]);
            y.push_back(nearest(static_cast<T>(sums[negative] / numbers[negative]), 8, -126));
        }
    }
    return y;
}
template <class T>
std::vector<T> expected(TopK const& code, std::vector<T> const& x) {
    std::vector<std::size_t> order(x.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::abs(static_cast<float>(x[a])) > std::abs(static_cast<float>(x[b]));
    });
    std::vector<T> y(x.size());
    auto const k = static_cast<std::size_t>(std::ceil(code.fraction * static_cast<double>(x.size())));
    for (std::size_t i = 0; i < k; ++i) y[order[i]] = nearest(x[order[i]], 8, -126);
    return y;
}

/// Three steps of one chunk: every decoded number and all that is left.
template <class T, class Code>
void check_chunk(Code const& code, std::size_t count) {
    CAPTURE(code.text());
    CAPTURE(count);
    std::vector<T> state(count * static_cast<std::size_t>(Code::states)), residual(count);
    for (std::uint64_t step = 0; step < 3; ++step) {
        auto const gradient = gradient_of<T>(count, step);
        auto const sent = send(code, gradient, state);
        std::vector<T> all(count);
        for (std::size_t i = 0; i < count; ++i) all[i] = residual[i] + gradient[i];
        int wrong = 0;
        if constexpr (std::is_same_v<Code, Int8>) {
            // The scale is the largest magnitude / 127, up to its 17 bits; numbers are the nearest multiples.
            T const scale = largest_of(all) / 127;
            for (std::size_t i = 0; i < count; ++i) {
                T const multiple = sent.decoded[i] / scale;
                wrong += std::abs(multiple - std::nearbyint(multiple)) > T(127 * 0x1p-16) ? 1 : 0;
                wrong += std::abs(all[i] - sent.decoded[i]) > scale * T(0.5 + 127 * 0x1p-16) ? 1 : 0;
            }
        } else {
            auto const wanted = expected(code, all);
            for (std::size_t i = 0; i < count; ++i)  // a mean on the edge may be rounded to the other side
                wrong += std::abs(sent.decoded[i] - wanted[i]) >
                                 (std::is_same_v<Code, OneBit> ? std::abs(wanted[i]) * T(0x1p-7) : T(0))
                             ? 1
                             : 0;
        }
        CHECK(wrong == 0);
        for (std::size_t i = 0; i < count; ++i) residual[i] = all[i] - sent.decoded[i];
        CHECK(std::equal(residual.begin(), residual.end(), state.begin()));
    }
}

template <class F>
void for_each_code(F const& f) {
    f(Float16{});
    f(BFloat16{});
    f(Int8{});
    f(Int4{});
    f(OneBit{});
    f(TopK{.fraction = 0.01});
    f(TopK{.fraction = 0.05});
    f(TopK{.fraction = 0.3});
}

}  // namespace

TEST_CASE("chunks of every size against a reference, float and double") {
    for (std::size_t const count : {1u, 2u, 7u, 63u, 64u, 65u, 100u, 1000u, 4095u, 4096u})
        for_each_code([&](auto const& code) {
            check_chunk<float>(code, count);
            check_chunk<double>(code, count);
        });
}

TEST_CASE("bytes are what the codes say") {
    CHECK(encoded_bytes(Float16{}, 5000) == 10000);
    CHECK(encoded_bytes(BFloat16{}, 5000) == 10000);
    CHECK(encoded_bytes(Int8{}, 5000) == 5000 + 2 * 4);
    CHECK(encoded_bytes(Int4{}, 5000) == 2048 + 14 * 32 + 8 + 2 * (64 + 15));
    CHECK(encoded_bytes(Int4{}, 63) == 32 + 2);
    CHECK(encoded_bytes(OneBit{}, 5000) == 512 + 113 + 4 * (32 + 8));
    CHECK(encoded_bytes(OneBit{.warm_up_steps = 3}, 5000) == 512 + 113 + 4 * (32 + 8));
    CHECK(encoded_bytes(OneBit{.warm_up_steps = 3}.at(2), 5000) == 10000);
    CHECK(encoded_bytes(OneBit{.warm_up_steps = 3}.at(3), 5000) == 512 + 113 + 4 * (32 + 8));
    CHECK(encoded_bytes(TopK{.fraction = 0.01}.back(8), 4096) == 512 + 2 * 8 * 41);  // what eight codes have at most
    CHECK(TopK{.fraction = 0.3}.back(8).kept(100) == 100);
    CHECK(encoded_bytes(TopK{.fraction = 0.01}, 5000) == 4 * (41 + 10));
    CHECK(encoded_bytes(TopK{.fraction = 0.25}, 4096) == 512 + 2 * 1024);  // a bit a number is shorter
    CHECK(encoded_bytes(Uncompressed{}, 5000) == 20000);
    CHECK(encoded_bytes<double>(Uncompressed{}, 5000) == 40000);
    CHECK(encoded_bytes(Int8{}, 0) == 0);
    for (std::size_t const count : {1u, 41u, 100u, 4096u})
        CHECK(TopK{.fraction = 0.07}.kept(count) ==
              static_cast<std::size_t>(std::ceil(0.07 * static_cast<double>(count))));
}

TEST_CASE("what is sent and what is left add up to the gradients") {
    // In double nothing but the additions of gradient and residual is rounded.
    for_each_code([](auto const& code) {
        CAPTURE(code.text());
        std::size_t const count = 4096 + 130;
        auto const states = static_cast<std::size_t>(code.states);
        std::vector<double> state(count * states), given(count), got(count);
        for (std::uint64_t step = 0; step < 50; ++step) {
            auto const gradient = gradient_of<double>(count, step);
            auto const sent = send(code, gradient, state);
            for (std::size_t i = 0; i < count; ++i) {
                given[i] += gradient[i];
                got[i] += sent.decoded[i];
            }
        }
        double furthest = 0;
        for (std::size_t i = 0; i < count; ++i) {
            // [chunk][states][numbers of the chunk]
            std::size_t const at = i < 4096 ? i : states * 4096 + (i - 4096);
            furthest = std::max(furthest, std::abs(given[i] - got[i] - state[at]));
        }
        CHECK(furthest < 1e-10);  // numbers up to some 100, sums of 50: 2^-53 · 100 · 50 · 4
    });
}

TEST_CASE("the bits do not depend on how a range is cut") {
    for_each_code([](auto const& code) {
        CAPTURE(code.text());
        std::size_t const count = 3 * 4096 + 77;
        auto const states = static_cast<std::size_t>(code.states);
        std::vector<float> whole(count * states), pieces(count * states);
        for (std::uint64_t step = 0; step < 2; ++step) {
            auto const gradient = gradient_of<float>(count, step);
            auto const sent = send(code, gradient, whole);
            std::vector<std::byte> bytes(sent.code.size());
            std::size_t to = 0;
            for (std::size_t from = 0; from < count;) {  // 2 chunks, then the others
                std::size_t const end = from == 0 ? 2 * 4096 : count;
                std::size_t const size = encoded_bytes(code, end - from);
                encode(code, std::span(gradient).subspan(from, end - from),
                       std::span(pieces).subspan(from * states, (end - from) * states),
                       std::span(bytes).subspan(to, size));
                from = end;
                to += size;
            }
            CHECK(bytes == sent.code);
            CHECK(pieces == whole);
        }
    });
}

TEST_CASE("gradients that are not finite are not finite when they arrive, and leave the state as it was") {
    float const infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (float const bad : {infinity, -infinity, nan})
        for (std::size_t const count : {70u, 4096u})
            for (std::size_t const at : {std::size_t{0}, std::size_t{33}, count - 1})
                for_each_code([&](auto const& code) {
                    CAPTURE(code.text());
                    CAPTURE(bad);
                    std::vector<float> state(count * static_cast<std::size_t>(code.states));
                    auto gradient = gradient_of<float>(count, 1);
                    send(code, gradient, state);
                    auto const before = state;
                    gradient[at] = bad;
                    auto const sent = send(code, gradient, state);
                    CHECK(state == before);
                    CHECK(std::any_of(sent.decoded.begin(), sent.decoded.end(), [](float x) { return !is_finite(x); }));
                    gradient[at] = 0;
                    auto const next = send(code, gradient, state);
                    CHECK(std::all_of(next.decoded.begin(), next.decoded.end(), [](float x) { return is_finite(x); }));
                });
    // Two finite numbers whose sum is not.
    std::vector<float> state{3e38f}, gradient{3e38f};
    CHECK_FALSE(is_finite(send(Int8{}, gradient, state).decoded[0]));
    CHECK(state[0] == 3e38f);
}

TEST_CASE("numbers beyond a code's range are sent by and by") {
    std::vector<float> state(1);
    CHECK(send(Float16{}, {100000.0f}, state).decoded[0] == 65504);
    CHECK(state[0] == 100000.0f - 65504.0f);
    CHECK(send(Float16{}, {0.0f}, state).decoded[0] == 34496);
    CHECK(state[0] == 0);
    state[0] = 0;
    CHECK(send(Float16{}, {0x1p-26f}, state).decoded[0] == 0);
    CHECK(send(Float16{}, {0x1p-26f}, state).decoded[0] == 0);  // half of the smallest number, a tie
    CHECK(send(Float16{}, {0x1p-26f}, state).decoded[0] == 0x1p-24f);
    CHECK(state[0] == -0x1p-26f);
    std::vector<float> large(1);
    float const most = std::numeric_limits<float>::max();
    CHECK(send(BFloat16{}, {most}, large).decoded[0] == 0x1.fep127f);
    large[0] = 0;
    large = {0, 0};
    CHECK(send(OneBit{}, {most}, large).decoded[0] == 0x1.fep127f);
    CHECK(large[0] == most - 0x1.fep127f);
    large = {0};
    CHECK(send(Int8{}, {1e-40f}, large).decoded[0] == 0);
    CHECK(large[0] == 1e-40f);
    for_each_code([](auto const& code) {  // in double too, where the scale is a float
        std::vector<double> wide(static_cast<std::size_t>(code.states));
        auto const sent = send(code, {1e300}, wide);
        CHECK(is_finite(sent.decoded[0]));
        CHECK(sent.decoded[0] > 60000);
        CHECK(wide[0] == 1e300);
    });
}

TEST_CASE("momentum before a code, and Nesterov's, are those of SGD") {
    // Products are rounded in float alone.
    std::size_t const count = 200;
    auto const plus = [](float velocity, float gradient) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
        return std::fma(0.75f, velocity, gradient);
#else
        return 0.75f * velocity + gradient;
#endif
    };
    auto const check = [&](auto const& code) {
        CAPTURE(code.text());
        std::vector<float> state(2 * count), velocity(count), residual(count);
        for (std::uint64_t step = 0; step < 20; ++step) {
            auto const gradient = gradient_of<float>(count, step);
            auto const sent = send(code, gradient, state);
            for (std::size_t i = 0; i < count; ++i) {
                velocity[i] = plus(velocity[i], gradient[i]);
                residual[i] += code.nesterov ? plus(velocity[i], gradient[i]) : velocity[i];
            }
            if constexpr (std::is_same_v<decltype(code), TopK const&>) CHECK(sent.decoded == expected(code, residual));
            for (std::size_t i = 0; i < count; ++i) residual[i] -= sent.decoded[i];
            CHECK(std::equal(residual.begin(), residual.end(), state.begin()));
            CHECK(std::equal(velocity.begin(), velocity.end(), state.begin() + count));
        }
    };
    for (bool const nesterov : {false, true}) {
        check(TopK{.fraction = 0.05, .momentum = 0.75, .nesterov = nesterov});
        check(OneBit{.momentum = 0.75, .nesterov = nesterov});
        check(OneBit{.momentum = 0.75, .nesterov = nesterov, .warm_up_steps = 1}.at(0));
    }
}

TEST_CASE("OneBit: a block's two means, of what is there") {
    std::vector<float> state(2 * 130), gradient(130, 1.0f);
    gradient[3] = 3;
    gradient[5] = -7;
    gradient[129] = -2;
    auto const sent = send(OneBit{}, gradient, state).decoded;
    CHECK(sent[0] == 1.015625f);  // 129 / 127, of eight bits
    CHECK(sent[5] == -7);
    CHECK(sent[128] == 1);
    CHECK(sent[129] == -2);
    CHECK(state[3] == 3 - 1.015625f);
}

TEST_CASE("TopK: the sum of several codes comes back whole") {
    std::size_t const count = 566;
    TopK const code{.fraction = 0.01, .momentum = 0.5};
    std::vector<float> sum(count), back(2 * count);
    for (std::uint64_t shard = 0; shard < 8; ++shard) {
        std::vector<float> state(2 * count);
        auto const sent = send(code, gradient_of<float>(count, shard), state);
        for (std::size_t i = 0; i < count; ++i) sum[i] += sent.decoded[i];
    }
    auto const came = send(code.back(8), sum, back).decoded;
    for (std::size_t i = 0; i < count; ++i) CHECK(came[i] == nearest(sum[i], 8, -126));
}

TEST_CASE("TopK: of equal numbers the first, and warm-up by quarters") {
    std::vector<float> state(2 * 100), gradient(100, -2.0f);
    gradient[70] = 3;
    auto const sent = send(TopK{.fraction = 0.03}, gradient, state);
    CHECK(sent.decoded[0] == -2);
    CHECK(sent.decoded[1] == -2);
    CHECK(sent.decoded[2] == 0);
    CHECK(sent.decoded[70] == 3);
    std::vector<float> zeros(100);
    std::fill(state.begin(), state.end(), 0.0f);
    CHECK(send(TopK{.fraction = 0.03}, zeros, state).decoded == zeros);

    TopK const warm{.fraction = 0.01, .momentum = 0.9, .warm_up_steps = 300};
    CHECK(warm.at(0).fraction == 0.25);
    CHECK(warm.at(99).fraction == 0.25);
    CHECK(warm.at(100).fraction == 0.0625);
    CHECK(warm.at(299).fraction == 0.015625);
    CHECK(warm.at(300).fraction == 0.01);
    CHECK(warm.at(0).momentum == 0.9);
    CHECK(TopK{.fraction = 0.5, .warm_up_steps = 10}.at(0).fraction == 0.5);
}

TEST_CASE("a descent with each code ends where one without ends") {
    // f(w) = sum of c (w - 1)^2 / 2, with curvatures from 0.1 to 1, a slope of noise and four gradients at a time.
    std::size_t const count = 300;
    auto const distance = [&](auto const& code, int steps) {
        std::vector<float> w(count), mean(count);
        std::vector<std::vector<float>> states(4, std::vector<float>(count * static_cast<std::size_t>(code.states)));
        for (int step = 0; step < steps; ++step) {
            std::fill(mean.begin(), mean.end(), 0.0f);
            for (std::size_t shard = 0; shard < 4; ++shard) {
                std::vector<float> gradient(count);
                for (std::size_t i = 0; i < count; ++i)
                    gradient[i] = (0.1f + 0.9f * static_cast<float>(i) / count) * (w[i] - 1) +
                                  (shard % 2 == 0 ? 0.5f : -0.5f);  // what differs between shards comes to nothing
                auto const sent = send(code, gradient, states[shard]);
                for (std::size_t i = 0; i < count; ++i) mean[i] += sent.decoded[i] / 4;
            }
            for (std::size_t i = 0; i < count; ++i) w[i] -= 0.05f * mean[i];
        }
        float furthest = 0;
        for (float const value : w) furthest = std::max(furthest, std::abs(value - 1));
        return furthest;
    };
    CHECK(distance(Uncompressed{}, 2000) < 1e-3f);
    CHECK(distance(Float16{}, 2000) < 2e-3f);
    CHECK(distance(BFloat16{}, 2000) < 2e-3f);
    CHECK(distance(Int8{}, 2000) < 2e-3f);
    // Every step these are off by as much as a residual's share: a constant rate ends near the minimum.
    CHECK(distance(Int4{}, 2000) < 0.1f);
    CHECK(distance(OneBit{}, 2000) < 0.1f);
    CHECK(distance(OneBit{.momentum = 0.5, .nesterov = true}, 2000) < 0.2f);
    CHECK(distance(TopK{.fraction = 0.1}, 2000) < 0.5f);
    CHECK(distance(TopK{.fraction = 0.1, .momentum = 0.5}, 2000) < 0.5f);
}

TEST_CASE("malformed codes, sizes and options are errors") {
    std::vector<float> numbers(100), state(200);
    auto const bytes_for = [](auto const& code, std::size_t count) {
        return std::vector<std::byte>(encoded_bytes(code, count));
    };
    auto const decoded = [&](auto const& code, std::vector<std::byte> const& bytes) {
        return error_of([&] { decode(code, std::span<std::byte const>(bytes), std::span<float>(numbers)); });
    };
    TopK const sparse{.fraction = 0.03}, dense{.fraction = 0.3};
    auto bytes = bytes_for(sparse, 100);
    CHECK(decoded(sparse, bytes) == "TopK: a number at 0, expected one from 1 to 99");  // three times 0
    bytes[2] = std::byte{1};
    bytes[4] = std::byte{100};
    CHECK(decoded(sparse, bytes) == "TopK: a number at 100, expected one from 2 to 99");
    bytes[4] = std::byte{99};
    CHECK(decoded(sparse, bytes) == "");
    auto mask = bytes_for(dense, 100);
    CHECK(decoded(dense, mask) == "TopK: 0 numbers of 100, expected 30");
    for (int k = 0; k < 4; ++k) mask[static_cast<std::size_t>(k)] = std::byte{0xff};
    CHECK(decoded(dense, mask) == "TopK: more numbers than the 30 of 100 that are expected");
    mask[3] = std::byte{0x1f};
    mask[12] = std::byte{0x10};  // number 100
    CHECK(decoded(dense, mask) == "TopK: more numbers than the 30 of 100 that are expected");
    mask[12] = std::byte{0x08};
    CHECK(decoded(dense, mask) == "");

    for_each_code([&](auto const& code) {
        CAPTURE(code.text());
        auto short_code = bytes_for(code, 100);
        short_code.pop_back();
        std::string const name = code.name;
        CHECK(decoded(code, short_code).starts_with(name + ": "));
        CHECK(error_of([&] { encode(code, numbers, std::span<float>(state), short_code); }).starts_with(name + ": "));
        auto const right = bytes_for(code, 100);
        CHECK(error_of([&] {
                  code.decode(std::span<std::byte const>(right).first(1), std::span<float>(numbers));
              }).starts_with(name + ": 1 bytes for 100 numbers"));
        CHECK(error_of([&] {
                  code.encode(std::span<float const>(numbers), std::span<float>(state).first(3), {});
              }).starts_with(name + ": 3 numbers of state, expected "));
    });
    // Any bytes of the right size are numbers or an Error, and nothing else.
    Random random(3, Purpose::user);
    for (int run = 0; run < 300; ++run)
        for_each_code([&](auto const& code) {
            auto noise = bytes_for(code, 100);
            for (auto& byte : noise) byte = static_cast<std::byte>(random.below(256));
            static_cast<void>(decoded(code, noise));
        });

    CHECK(error_of([] { TopK{.fraction = 0}.check(); }) ==
          "TopK: fraction is 0, expected a number above 0 and at most 1");
    CHECK(error_of([] { TopK{.fraction = std::nan("")}.check(); }) != "");
    CHECK(error_of([] { TopK{.momentum = 1}.check(); }) ==
          "TopK: momentum is 1, expected a number of at least 0 and below 1");
    CHECK(error_of([] { TopK{.warm_up_steps = -1}.check(); }) == "TopK: warm_up_steps is -1, expected at least 0");
    CHECK(error_of([] { TopK{.codes = 0}.check(); }) == "TopK: codes is 0, expected 1 to 64");
    CHECK(error_of([] { OneBit{.nesterov = true}.check(); }) == "OneBit: nesterov is true without momentum");
    CHECK(error_of([] { OneBit{.momentum = -1}.check(); }) ==
          "OneBit: momentum is -1, expected a number of at least 0 and below 1");
    CHECK(error_of([] { Compressed<Int8>{.shards = 65}.check(); }) == "Compressed: shards is 65, expected 1 to 64");
    Compressed<TopK> const policy{.code = {.fraction = 0.1}, .shards = 4};
    policy.check();
    CHECK(policy.text() == "TopK, fraction 0.1, momentum 0, warm_up_steps 0, shards 4");
    CHECK(TopK{.fraction = 0.1 + 1e-12}.text() != TopK{.fraction = 0.1}.text());
}
