// Sequences that are continued call by call have the bits of whole ones.
// labels: threads
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "../tested_types.hpp"
#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/data/sequence_batch.hpp"
#include "strata/layer/activation/gelu.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/norm/layer_norm.hpp"
#include "strata/layer/sequence/attention.hpp"
#include "strata/network/sequence_state.hpp"
#include "strata/precision/mixed.hpp"

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

using Net = Network<Sequence<Input<5>, 80>, Linear<12>,
                    Residual<Main<LayerNorm<>, Linear<36>, Attention<3, Causal>, Linear<12>>>, GELU, RunningMean,
                    Linear<7>>;
static_assert(Net::state_size == 24 + 12);

std::vector<int> const lengths{1, 37, 66, 16, 20};

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
    int const slots[] = {3, 0, 4, 1, 2};  // of each sequence
    for (int const threads : {1, 2})
        for (int const longest_chunk : {1, 4, 40}) {
            CAPTURE(threads);
            CAPTURE(longest_chunk);
            Workspace<Net, Precision> workspace({.threads = threads, .team_flops = 0, .batch_invariant = true});
            SequenceState<Net, Precision> state(5, 70);
            Random random(11, Purpose::user);
            int different = 0, calls = 0;
            for (std::size_t left = tokens.starts.back(); left > 0; ++calls) {
                std::vector<T> x;
                std::vector<int> chosen, counts;
                std::vector<std::size_t> rows;
                for (std::size_t i = 0; i < lengths.size(); ++i) {
                    int const there = state.length(slots[i]), rest = lengths[i] - there;
                    if (rest == 0 || random.uniform() < 0.5) continue;
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
            CHECK(calls > 5);
        }
}
