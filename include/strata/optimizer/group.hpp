// Group: parameters whose names fit a pattern have a learning rate or a weight decay of their own, as PyTorch's parameter
// groups. Policies of a training, as many as are wanted, beside any optimizer:
//
//   train<Net>(AdamW{…}, Group{"*.bias", {.weight_decay = 0}}, Group{"head.*", {.rate = 10}})
//
// Where several groups fit a parameter, the last one that gives an option says it: head.bias above has both. (In PyTorch,
// where groups are lists, a parameter in two of them is an error.)
#pragma once

#include <optional>
#include <string>

#include "../core/config.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of the policies that give some parameters options of their own.
struct GroupPolicy {};

/// What is another one for a group; what is not given is the optimizer's.
struct GroupOptions {
    std::optional<double> weight_decay{};  ///< takes the place of the optimizer's; of a matrix optimizer's `rest`, too
    /// Factor of the learning rate, after the schedule. A group of PyTorch's with `lr` of its own, of which the schedule
    /// takes the same fraction, has a rate of that `lr` over the optimizer's.
    std::optional<double> rate{};
};

/// The parameters whose names ("layer1.0.conv1.weight", as in model files) fit a pattern, in which every * stands for any
/// characters. Training throws Error where a pattern fits no parameter.
struct Group {
    using policy = GroupPolicy;
    std::string pattern;
    GroupOptions options{};
};

}  // namespace strata::inline STRATA_ABI
