// What the workers and servers of a training have to have in common, as texts that can be compared.
#pragma once

#include <string>
#include <vector>

#include "../../backend/cpu/update.hpp"
#include "../../io/checkpoint_file.hpp"
#include "../../train/rank_steps.hpp"
#include "messages.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Net, class Precision>
struct ServedNetwork {};

inline std::string checksum_text(std::string_view text) {
    Checksum sum;
    sum.add(text);
    return hexadecimal(sum.value());
}

/// What an optimizer with these options does to some numbers: its bytes would not do, for some of them mean nothing.
template <class Scalar, class Optimizer>
std::string optimizer_text(Optimizer const& optimizer) {
    constexpr int states = states_of<Optimizer>();
    constexpr std::size_t count = 4;
    Checksum sum;
    for (std::int64_t const index : {0, 7}) {
        Scalar weights[count] = {Scalar(0), Scalar(0.7), Scalar(-0.3), Scalar(0)};
        Scalar const gradients[count] = {Scalar(1e-9), Scalar(0.4), Scalar(-5), Scalar(0.01)};
        Scalar state[count * (states + 1)] = {};
        for (std::size_t i = 1; i < count * states; i += 2) state[i] = Scalar(0.05) * static_cast<Scalar>(i);
        update_parameters<states>(optimizer.template prepare<Scalar>(OptimizerStep{0.1, {}, index}), weights, gradients,
                                  state, static_cast<std::ptrdiff_t>(count), 0, static_cast<std::ptrdiff_t>(count));
        sum.add(weights, sizeof weights);
        sum.add(state, sizeof state);
    }
    return concatenate(name_of_optimizer<Optimizer>(), " (checksum of its options ", hexadecimal(sum.value()), ")");
}

template <class Net, class Precision, class Optimizer>
std::vector<MessageItem> identity_items(Optimizer const& optimizer) {
    return {{"the network, precision and instruction set",
             concatenate(std::int64_t{Net::parameter_count}, " parameters (checksum of the type ",
                         checksum_text(type_text<ServedNetwork<Net, Precision>>()), ")")},
            {"the optimizer", optimizer_text<typename Precision::master>(optimizer)}};
}

/// Throws Error that says what differs unless items of one name have the same values; others are added to `known`.
inline void compare_items(std::vector<MessageItem>& known, std::vector<MessageItem> const& theirs,
                          std::uint32_t worker) {
    for (auto const& item : theirs) {
        auto const own = std::find_if(known.begin(), known.end(), [&](auto const& k) { return k.what == item.what; });
        if (own == known.end() && known.size() < most_items)
            known.push_back(item);
        else if (own != known.end() && own->value != item.value)
            fail(item.what, " is ", own->value, ", on worker ", worker, " it is ", item.value,
                 ": all workers and servers have to run the same training");
    }
}

}  // namespace strata::inline STRATA_ABI::detail
