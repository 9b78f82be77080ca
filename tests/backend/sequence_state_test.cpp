// Sequences that are continued call by call have the bits of whole ones.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "../tested_types.hpp"
#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/data/sequence_batch.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/norm/layer_norm.hpp"
#include "strata/layer/sequence/attention.hpp"
#include "strata/network/sequence_state.hpp"
#include "strata/precision/mixed.hpp"
#include "strata/testing/continuation_check.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

/// y = mean of x over the token and those before it
template <class X>
struct RunningMeanOf {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using SeesSequence = void;
    using State = KeptInput<0, X::size>;
    static constexpr Keep keep = Keep::nothing;

    /// Which tokens of the lane see token s, and how many they see.
    template <class Io>
    static auto see(Io const& io, int s) {
        return lane_index<typename Io::L>(io.position) >= typename Io::L(s);
    }
    template <class Io>
    static auto forward(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        int const i = X::index(at), end = std::min(io.position + width_of<L>, io.length);
        L sum(0);
        for (int s = 0; s < end; ++s) sum = select(see(io, s), sum + io.column(s).x[i], sum);
        return sum / (lane_index<L>(io.position) + L(1));
    }
    template <class Io>
    static auto input_gradient(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        L sum(0);
        for (int t = io.position; t < io.length; ++t) {
            auto const sees = lane_index<L>(io.position) <= L(t);
            sum = select(sees, sum + io.column(t).dy[X::index(at)] / L(t + 1), sum);
        }
        return sum;
    }
};
struct RunningMean {
    template <class X>
    using On = RunningMeanOf<X>;
};

/// The same, which reads what it does not keep.
template <class X>
struct ForgetfulOf : RunningMeanOf<X> {
    using State = KeptInput<1, X::size - 1>;
};
struct Forgetful {
    template <class X>
    using On = ForgetfulOf<X>;
};

/// y = x divided by the sequence's length, which is not known before its end.
template <class X>
struct ByLengthOf : RunningMeanOf<X> {
    template <class Io>
    static auto forward(Position<X::rank> at, Io const& io) {
        return io.x[X::index(at)] / typename Io::L(io.length);
    }
};
struct ByLength {
    template <class X>
    using On = ByLengthOf<X>;
};

using Net = Network<Sequence<Input<5>, 80>, Linear<12>,
                    Residual<Main<LayerNorm<>, Linear<36>, Attention<3, Causal>, Linear<12>>>, RunningMean, Linear<7>>;
static_assert(Net::state_size == 24 + 12);

std::vector<int> const lengths{1, 37, 66, 16, 20, 70, 61};

template <class T>
struct Tokens {
    std::vector<T> x;
    std::vector<std::size_t> starts{0};
    Tokens() {
        Random random(3, Purpose::user);
        for (int const length : lengths) starts.push_back(starts.back() + static_cast<std::size_t>(length));
        x.resize(5 * starts.back());
        for (T& value : x) value = static_cast<T>(random.normal());
    }
};

}  // namespace

TEST_CASE_TEMPLATE("tokens one by one, in chunks, alone and beside others, have the bits of whole sequences", Precision,
                   Float32, Float64, Mixed<bfloat16>) {
    using T = typename Precision::compute;
    Model<Net, Precision> const model(2);
    Tokens<T> const tokens;
    Workspace<Net, Precision> whole({.batch_invariant = true});
    auto const y = model(SequenceBatch(tokens.x, {5}, Lengths(lengths)), whole);
    int const slots[] = {3, 0, 6, 1, 2, 5, 4};  // of each sequence
    for (int const threads : {1, 2})
        for (int const longest_chunk : {1, 4, 40}) {
            CAPTURE(threads);
            CAPTURE(longest_chunk);
            Workspace<Net, Precision> workspace({.threads = threads, .team_flops = 0, .batch_invariant = true});
            SequenceState<Net, Precision> state(7, 70);
            Random random(11, Purpose::user);
            int different = 0, calls = 0;
            for (std::size_t left = tokens.starts.back(); left > 0; ++calls) {
                std::vector<T> x;
                std::vector<int> chosen, counts;
                std::vector<std::size_t> rows;
                for (std::size_t i = 0; i < lengths.size(); ++i) {
                    int const there = state.length(slots[i]), rest = lengths[i] - there;
                    if (rest == 0 || random.uniform() < 0.3) continue;
                    int const count = std::min(rest, 1 + static_cast<int>(random.uniform() * longest_chunk));
                    chosen.push_back(slots[i]);
                    counts.push_back(count);
                    for (int t = there; t < there + count; ++t) {
                        rows.push_back(tokens.starts[i] + static_cast<std::size_t>(t));
                        x.insert(x.end(), tokens.x.begin() + static_cast<std::ptrdiff_t>(5 * rows.back()),
                                 tokens.x.begin() + static_cast<std::ptrdiff_t>(5 * rows.back() + 5));
                    }
                }
                if (chosen.empty()) continue;
                auto const got = model.append(SequenceBatch(x, {5}, Lengths(counts)), state[chosen], workspace);
                REQUIRE(got.size() == 7 * rows.size());
                for (std::size_t row = 0; row < rows.size(); ++row)
                    different += std::memcmp(&got[7 * row], &y[7 * rows[row]], 7 * sizeof(T)) != 0;
                left -= rows.size();
            }
            CHECK(different == 0);
            CHECK(calls > 2);
        }
}

TEST_CASE("slots: chosen, all of them, cleared, shortened, and what does not fit") {
    Model<Net> const model(2);
    Tokens<float> const tokens;
    std::span<float const> const x(tokens.x);
    Workspace<Net> workspace({.batch_invariant = true}), whole({.batch_invariant = true});
    auto const y = model(SequenceBatch(x.subspan(5, 37 * 5), {5}, Lengths({37})), whole);  // the second sequence
    auto const of = [&](int first, int count) {
        return x.subspan(static_cast<std::size_t>(5 + 5 * first), static_cast<std::size_t>(5 * count));
    };
    auto const same = [&](std::span<float const> got, std::size_t row, std::size_t from, int count) {
        return std::memcmp(&got[7 * row], &y[7 * from], 7 * sizeof(float) * static_cast<std::size_t>(count)) == 0;
    };
    SequenceState<Net> state(3, 35);
    CHECK(state.slots() == 3);
    CHECK(state.capacity() == 35);
    CHECK(state.memory_bytes() == 3 * 35 * 36 * sizeof(float));
    CHECK(state.memory_bytes() == SequenceState<Net>::memory_bytes(3, 35));

    CHECK(same(model.append(of(0, 10), state[1], workspace), 0, 0, 10));
    CHECK(same(model.append(of(10, 1), state[{1}], workspace), 0, 10, 1));
    // As many tokens for each slot: 11 to 12, and the first two.
    std::vector<float> both(of(11, 2).begin(), of(11, 2).end());
    both.insert(both.end(), of(0, 2).begin(), of(0, 2).end());
    auto got = model.append(both, state[{1, 0}], workspace);
    CHECK(same(got, 0, 11, 2));
    CHECK(same(got, 2, 0, 2));
    CHECK(state.length(0) == 2);
    CHECK(state.length(1) == 13);
    CHECK(state.length(2) == 0);
    state.keep_first(1, 3);
    CHECK(same(model.append(of(3, 4), state[1], workspace), 0, 3, 4));
    state.clear(1);
    CHECK(same(model.append(of(0, 3), state[1], workspace), 0, 0, 3));
    state.clear();
    std::vector<float> three;
    for (int k = 0; k < 3; ++k) three.insert(three.end(), of(0, 1).begin(), of(0, 1).end());
    got = model.append(three, state, workspace);
    CHECK((same(got, 0, 0, 1) && same(got, 1, 0, 1) && same(got, 2, 0, 1)));

    CHECK_THROWS_WITH(model.append(of(0, 36), state[2], workspace),
                      "append: slot 2 has 1 tokens and room for 34 more, got 36");
    CHECK_THROWS_WITH(model.append(of(0, 1), state[3], workspace),
                      "SequenceState: there is no slot 3, expected 0 to 2");
    CHECK_THROWS_WITH(model.append(of(0, 2), state[{1, 1}], workspace), "append: slot 1 is given twice");
    CHECK_THROWS_WITH(model.append(of(0, 1), state[std::vector<int>{}], workspace),
                      "append: no slots of the state are given");
    CHECK_THROWS_WITH(model.append(of(0, 3), state[{0, 1}], workspace),
                      "append: got 3 tokens for 2 slots, expected as many for each, or a SequenceBatch");
    CHECK_THROWS_WITH(model.append(SequenceBatch(three, {5}, Lengths({1, 2})), state, workspace),
                      "append: got 2 sequences for 3 slots");
    CHECK_THROWS_WITH(static_cast<void>(state.length(-1)), "SequenceState: there is no slot -1, expected 0 to 2");
    CHECK_THROWS_WITH(state.keep_first(0, 2), "SequenceState: slot 0 has 1 tokens, cannot keep the first 2");
    CHECK_THROWS_WITH((SequenceState<Net>(0, 40)), "SequenceState: got 0 slots, expected 1 to 65536");
    CHECK_THROWS_WITH((SequenceState<Net>(1, 81)),
                      "SequenceState: got room for 81 tokens, expected 1 to 80, what the network's "
                      "Sequence<Input<...>, longest> says");
    for (int slot = 0; slot < 3; ++slot) CHECK(state.length(slot) == 1);  // an Error changes nothing
    CHECK(same(model.append(of(1, 9), state[2], workspace), 0, 1, 9));
}

TEST_CASE("a layer of one's own with a State: gradients, and a word where it does not do what it says") {
    using Own = Network<Sequence<Input<3>>, RunningMean>;
    CHECK(check_gradients<Own, 19, 4>().error < 1e-6);
    CHECK_NOTHROW(check_continuation(Model<Own>()));
    CHECK_THROWS_WITH_AS(check_continuation(Model<Network<Sequence<Input<3>>, ByLength>>()),
                         doctest::Contains("token 0 has other outputs in chunks of 1 than in the whole sequence: "),
                         Error);
    CHECK_THROWS_WITH(
        check_continuation(Model<Network<Sequence<Input<3>>, Forgetful>>()),
        "layer 0 (layer): forward reads element 0 of another token's io.x, which its State does not keep");
}
