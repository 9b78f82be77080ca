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

/// A text as a message can hold it: of a longer one its beginning, and a checksum of all of it.
inline std::string message_text(std::string const& text) {
    constexpr std::size_t longest = most_text - 100;
    if (text.size() <= longest) return text;
    Checksum sum;
    sum.add(text);
    return concatenate(std::string_view(text).substr(0, longest), "... (checksum ", hexadecimal(sum.value()), ")");
}

template <class Net, class Precision, class Optimizer>
std::vector<MessageItem> identity_items(Optimizer const& optimizer) {
    return {{"the network, precision and instruction set",
             message_text(concatenate(type_text<ServedNetwork<Net, Precision>>(), ", ",
                                      std::int64_t{Net::parameter_count}, " parameters"))},
            {"the optimizer", optimizer_text<typename Precision::master>(optimizer)}};
}

/// Throws Error that says what differs unless items of one name have the same values; others are added to `known`, of
/// which there are `most` at most.
inline void compare_items(std::vector<MessageItem>& known, std::vector<MessageItem> const& theirs, std::uint32_t worker,
                          std::size_t most) {
    for (auto const& item : theirs) {
        auto const own = std::find_if(known.begin(), known.end(), [&](auto const& k) { return k.what == item.what; });
        if (own == known.end()) {
            if (known.size() >= most)
                fail("worker ", worker, " says what ", item.what, " is, beyond the ", most,
                     " things that a server compares");
            known.push_back(item);
        } else if (own->value != item.value) {
            auto const [here, there] = shown_difference(own->value, item.value);
            fail(item.what, " is ", here, ", on worker ", worker, " it is ", there,
                 ": all workers and servers have to run the same training");
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail
