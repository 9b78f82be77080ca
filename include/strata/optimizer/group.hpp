// Group: parameters whose names fit a pattern, or that are of a kind, have a learning rate or a weight decay of their own, as
// PyTorch's parameter groups. Policies of a training, as many as are wanted, beside any optimizer:
//
//   train<Net>(AdamW{…}, Group{ParameterKind::vectors, {.weight_decay = 0}}, Group{"head.*", {.rate = 10}})
//
// Where several groups fit a parameter, the last one that gives an option says it: head.bias above has both. (In PyTorch,
// where groups are lists, a parameter in two of them is an error.)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/name_pattern.hpp"

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

/// Parameters by their shapes, those of `shape` in `tensors()`. What has one extent, or is called bias, are vectors: biases,
/// scales and shifts of BatchNorm, GroupNorm, LayerNorm2d, slopes of PReLU. All others are matrices: weights of Linear and
/// of convolutions, and of a LayerNorm over images. The halves of timm.optim.param_groups_weight_decay.
enum class ParameterKind : std::uint8_t { vectors, matrices };

/// Which parameters of a network a group has: a pattern of names ("layer1.0.conv1.weight", as in model files), in which every
/// * stands for any characters, or a kind.
class GroupMembers {
public:
    GroupMembers(std::string pattern = {}) : pattern_(std::move(pattern)) {}
    GroupMembers(char const* pattern) : pattern_(pattern) {}
    GroupMembers(ParameterKind kind) : kind_(kind) {}

    [[nodiscard]] STRATA_COLD bool has(std::string_view layer, std::string_view name,
                                       std::span<int const> shape) const {
        if (!kind_) return matches_pattern(concatenate(layer, ".", name), pattern_);
        return (shape.size() <= 1 || name == "bias") == (*kind_ == ParameterKind::vectors);
    }
    /// As it is written: `"*.bias"`.
    [[nodiscard]] STRATA_COLD std::string text() const {
        if (!kind_) return concatenate('"', pattern_, '"');
        return *kind_ == ParameterKind::vectors ? "ParameterKind::vectors" : "ParameterKind::matrices";
    }
    /// What a network has none of.
    [[nodiscard]] char const* wanted() const { return kind_ ? "of this kind" : "called so"; }

private:
    std::string pattern_;
    std::optional<ParameterKind> kind_;
};

/// Some parameters, and their options. Training throws Error where a network has no such parameter.
struct Group {
    using policy = GroupPolicy;
    GroupMembers members;
    GroupOptions options{};
};

}  // namespace strata::inline STRATA_ABI
