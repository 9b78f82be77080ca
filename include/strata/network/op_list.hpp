// The flat op list as constants: a row for each operation and the characters of all names. Value 0 is the network's
// input; the operation of row i makes value i + 1. Rows are values and not types: what reads all of them, from the plan
// to the summary, is a loop and not a template instantiated once an operation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "../core/operation.hpp"
#include "value_list.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class S>
struct ExtentsOf;
/// The extents of a shape as an array.
template <int... E>
struct ExtentsOf<Shape<E...>> {
    static constexpr std::array<int, sizeof...(E)> value{E...};
};

template <class Op>
constexpr bool has_buffers() {
    return requires { typename Op::Buffers; } && !requires { typename Op::IsLaterUse; };
}

/// One operation of the op list.
struct OperationRow {
    std::string_view type;              ///< "Conv2d"
    std::span<int const> output_shape;  ///< of one sample
    std::ptrdiff_t output_size = 0;
    std::ptrdiff_t parameters = 0, buffers = 0;  ///< numbers in each of the flat arenas
    std::ptrdiff_t frozen = 0;                   ///< of the buffers: parameters that are not trained
    std::ptrdiff_t trained = 0;  ///< parameters whose gradient it makes, its own or those that it shares
    int owner = -1;              ///< the operation whose parameters it works with; -1: its own
    int statistics = 0;          ///< what passes over the batch leave, doubles
    std::ptrdiff_t state = 0;    ///< numbers that it keeps of a token
    int view_offset = 0;         ///< of a view: where it begins in its input
    bool has_tensors = false;    ///< parameters or buffers, which are saved under its name
    double flops = 0;            ///< forward, one sample; a multiply-add is two
    Keep keep = Keep::nothing;
    int forward_passes = 0, backward_passes = 0;  ///< numbers that they leave, of one sample
    bool is_view = false, is_elementwise = false, is_training_only = false, keeps_extra = false,
         is_concatenation = false, is_batch_wide = false, is_frozen = false;
    bool is_depthwise = false, is_pointwise = false;  ///< convolutions
    bool sees_sequence = false, reduces_sequence = false;
    OperationRow const* operation = nullptr;  ///< the row of its type, which tells types apart
    ValueList inputs{};                       ///< values read
    std::size_t name = 0, name_end = 0;       ///< its characters
};

/// The row of an operation, but for where it stands.
template <class Op>
constexpr OperationRow make_row() {
    constexpr bool training_only = requires { typename Op::IsTrainingOnly; };
    OperationRow row{.type = type_of<Op>(),
                     .output_shape = ExtentsOf<typename Op::Output>::value,
                     .output_size = Op::Output::size,
                     .parameters = Op::Parameters::size,
                     .trained = Op::Parameters::size,
                     .statistics = batch_numbers<Op>,
                     .state = kept_numbers<Op>(),
                     .has_tensors = Op::Parameters::size > 0 || has_buffers<Op>(),
                     .flops = flops_of<Op>(),
                     .keep = keep_of<Op>(),
                     .forward_passes = forward_passes<Op>::size,
                     .backward_passes = backward_passes<Op>::size,
                     .is_view = is_view<Op>(),
                     .is_elementwise = is_elementwise<Op>(),
                     .is_training_only = training_only,
                     .keeps_extra = keeps_extra<Op>(),
                     .is_concatenation = is_concatenation<Op>(),
                     .is_batch_wide = is_batch_wide<Op>(),
                     .sees_sequence = sees_sequence<Op>(),
                     .reduces_sequence = reduces_sequence<Op>()};
    if constexpr (requires { Op::is_depthwise; }) {
        row.is_depthwise = Op::is_depthwise;
        row.is_pointwise = Op::is_pointwise;
    }
    if constexpr (requires { Op::view_offset; }) row.view_offset = Op::view_offset;
    if constexpr (has_buffers<Op>()) row.buffers = Op::Buffers::size;
    return row;
}
template <class Op>
inline constexpr OperationRow row_of = make_row<Op>();

/// Where a layer stands: its index in its surroundings or the name that takes the index's place.
struct LayerPath {
    LayerPath const* scope = nullptr;
    int index = 0;
    std::string_view name{};
};

/// A fixed object for a type, to compare types of which constexpr code knows nothing else.
template <class T>
inline constexpr char identity_of = 0;
/// Whether two addresses are one, at compile time. That those of two objects differ, g++ does not know with
/// -fsanitize=undefined or -fno-delete-null-pointer-checks: then it is no constant, and never true.
template <class T>
constexpr bool is_one_object(T const* a, T const* b) {
    return __builtin_constant_p(a == b) && a == b;
}

/// The first use of Shared layers.
struct SharedLayers {
    std::string_view name;
    char const* layers = nullptr;  ///< what they are: identity_of
    int first = 0;                 ///< their first operation
};
/// What is wrong with Shared layers.
enum class SharedFault : std::uint8_t { none, too_many, other_layers, frozen };

/// Writes the op list, or counts the characters of its names where it is given no memory.
struct OpListWriter {
    OperationRow* rows = nullptr;
    char* text = nullptr;
    int operations = 0;
    std::size_t characters = 0;
    std::array<SharedLayers, 64> shared{};  ///< the names so far
    int names = 0;
    SharedFault fault = SharedFault::none;

    /// The operations from `first` on are Shared layers: of a later use, work with those of the first one.
    constexpr void share(std::string_view name, char const* layers, int first) {
        if (rows == nullptr || fault != SharedFault::none) return;
        for (auto const& known : std::span(shared).first(static_cast<std::size_t>(names))) {
            if (known.name != name) continue;
            if (!is_one_object(known.layers, layers)) {
                fault = SharedFault::other_layers;
                return;
            }
            for (int i = first; i < operations; ++i) {
                auto& row = rows[i];
                if (!row.has_tensors) continue;
                row.owner = known.first + (i - first);
                row.parameters = row.buffers = row.frozen = 0;
                row.has_tensors = false;
            }
            return;
        }
        if (static_cast<std::size_t>(names) == shared.size())
            fault = SharedFault::too_many;
        else
            shared[static_cast<std::size_t>(names++)] = {name, layers, first};
    }
    /// Appends an operation, the row of its type, that reads some values; returns the value that it makes.
    constexpr int add(OperationRow const& operation, LayerPath const& at, ValueList const& inputs) {
        std::size_t const begin = characters;
        write(at);
        if (rows != nullptr) {
            auto& row = rows[operations];
            row = operation;
            row.operation = &operation;
            row.inputs = inputs;
            row.name = begin;
            row.name_end = characters;
        }
        return ++operations;
    }

private:
    /// "layer1.0.conv1"
    constexpr void write(LayerPath const& at) {
        if (at.scope != nullptr) {
            write(*at.scope);
            write('.');
        }
        if (at.name.empty()) write(at.index);
        for (char const c : at.name) write(c);
    }
    constexpr void write(int number) {
        if (number >= 10) write(number / 10);
        write(static_cast<char>('0' + number % 10));
    }
    constexpr void write(char c) {
        if (text != nullptr) text[characters] = c;
        ++characters;
    }
};

/// The operations of a list that differ: as many as a network has types and code of, however deep it is.
template <int Operations>
struct OperationKinds {
    std::array<int, static_cast<std::size_t>(Operations)> of{};     ///< of each operation, which of them it is
    std::array<int, static_cast<std::size_t>(Operations)> first{};  ///< of each of them, the first such operation
    int count = 0;

    constexpr explicit OperationKinds(std::array<OperationRow, static_cast<std::size_t>(Operations)> const& rows) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            int kind = 0;
            while (kind < count &&
                   !is_alike(rows[i], rows[static_cast<std::size_t>(first[static_cast<std::size_t>(kind)])]))
                ++kind;
            of[i] = kind;
            if (kind == count) first[static_cast<std::size_t>(count++)] = static_cast<int>(i);
        }
    }

private:
    /// Whether Network::OperationAt is one type.
    static constexpr bool is_alike(OperationRow const& a, OperationRow const& b) {
        return is_one_object(a.operation, b.operation) && a.is_frozen == b.is_frozen &&
               (a.owner >= 0) == (b.owner >= 0);
    }
};

template <int Operations, std::size_t Characters>
struct OpList {
    std::array<OperationRow, static_cast<std::size_t>(Operations)> rows{};
    std::array<char, Characters> names{};
    SharedFault fault = SharedFault::none;
};

}  // namespace strata::inline STRATA_ABI::detail
