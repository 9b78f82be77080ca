// What the workers and servers of a training have to have in common, as texts that can be compared.
#pragma once

#include <string>
#include <vector>

#include "../../io/checkpoint_file.hpp"
#include "../../train/policy_texts.hpp"
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
