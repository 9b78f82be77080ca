// A network's layers as rows of constants: names in files, summaries and messages come from them, by code that is
// compiled once and not once a layer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "expand.hpp"

namespace strata::inline STRATA_ABI {

/// One operation of a network.
struct LayerRow {
    std::string_view name;              ///< as in files: "layer1.0.conv1", "3"
    std::string_view type;              ///< "Conv2d"
    std::span<int const> output_shape;  ///< of one sample
    int parameters = 0;                 ///< trained numbers
    bool has_tensors = false;           ///< parameters or buffers, which are saved under its name
    double flops = 0;                   ///< forward, one sample; a multiply-add is two
};

namespace detail {

template <class S>
struct ExtentsOf;
/// The extents of a shape as an array.
template <int... E>
struct ExtentsOf<Shape<E...>> {
    static constexpr std::array<int, sizeof...(E)> value{E...};
};

template <class Op>
constexpr bool has_buffers() {
    return requires { typename Op::Buffers; };
}

template <class... Nodes>
consteval std::array<LayerRow, sizeof...(Nodes)> layer_table(List<Nodes...>) {
    return {LayerRow{Nodes::Name::text(), Nodes::Op::type, ExtentsOf<typename Nodes::Op::Output>::value,
                     Nodes::Op::Parameters::size, Nodes::Op::Parameters::size > 0 || has_buffers<typename Nodes::Op>(),
                     Nodes::Op::flops}...};
}

/// False where two layers with tensors have one name.
template <std::size_t N>
consteval bool names_differ(std::array<LayerRow, N> const& table) {
    // Checksums first (FNV-1a): a deep network has tens of thousands of pairs.
    std::array<std::uint32_t, N> checksum{};
    for (std::size_t i = 0; i < N; ++i) {
        checksum[i] = 2166136261u;
        for (char const c : table[i].name) checksum[i] = (checksum[i] ^ static_cast<unsigned char>(c)) * 16777619u;
    }
    for (std::size_t i = 0; i < N; ++i)
        for (std::size_t j = 0; table[i].has_tensors && j < i; ++j)
            if (checksum[i] == checksum[j] && table[j].has_tensors && table[i].name == table[j].name) return false;
    return true;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
