// Sequences that are continued call by call against whole ones: for authors of layers with a State.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "../backend/cpu/run/workspace.hpp"
#include "../network/sequence_state.hpp"
#include "body_audit.hpp"

namespace strata::inline STRATA_ABI {

/// Appends a sequence of random tokens in chunks of one token, of two, three and so on up to a vector and one more. Throws
/// Error where a token has not the bits that it has in the whole sequence: a layer looks at tokens that its State does not
/// keep, at io.length, or at tokens that a place of its lane does not see. The sequence has 40 tokens, or the longest of the
/// network; `batch_invariant` layers are what is compared.
template <class Net, class Precision = Float32>
STRATA_COLD void check_continuation(Model<Net, Precision> const& model, std::uint64_t seed = 1) {
    using T = typename Precision::compute;
    constexpr int length = (std::min)(40, Net::longest_sequence), most = width_of<widest_lane<T>> + 1;
    constexpr auto inputs = static_cast<std::size_t>(Net::InputShape::size),
                   outputs = static_cast<std::size_t>(Net::OutputShape::size);
    audit_bodies(Model<Net, Float64>());  // what is not kept would be read outside of what is
    Random random(seed, Purpose::user);
    using Token = std::conditional_t<Net::has_ids, std::int32_t, T>;
    static_assert(Net::id_parts.size() <= 1, "check_continuation: tokens of one vocabulary, without numbers");
    std::vector<Token> x(inputs * static_cast<std::size_t>(length));
    for (Token& value : x) {
        if constexpr (Net::has_ids)
            value = static_cast<Token>(random.below(static_cast<std::uint32_t>(Net::id_parts[0].vocabulary)));
        else
            value = static_cast<Token>(random.normal());
    }
    Workspace<Net, Precision> one({.threads = 1, .batch_invariant = true}),
        other({.threads = 1, .batch_invariant = true});
    SequenceState<Net, Precision> state(1, length);
    auto const whole = model.append(x, state, one);
    for (int chunk = 1; chunk <= most; ++chunk) {
        state.clear();
        for (int from = 0; from < length; from += chunk) {
            int const count = (std::min)(chunk, length - from);
            auto const first = static_cast<std::size_t>(from);
            auto const part = model.append(
                std::span<Token const>(x).subspan(inputs * first, inputs * static_cast<std::size_t>(count)), state,
                other);
            for (std::size_t k = 0; k < part.size(); ++k)
                if (std::memcmp(&part[k], &whole[outputs * first + k], sizeof(T)) != 0)
                    fail("token ", from + static_cast<int>(k / outputs), " has other outputs in chunks of ", chunk,
                         " than in the whole sequence: ", static_cast<double>(part[k]), " and ",
                         static_cast<double>(whole[outputs * first + k]));
        }
    }
}

}  // namespace strata::inline STRATA_ABI
