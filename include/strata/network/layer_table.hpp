// A network's layers as rows of constants: names in files, summaries and messages come from them, by code that is
// compiled once and not once a layer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "op_list.hpp"

namespace strata::inline STRATA_ABI {

/// One operation of a network.
struct LayerRow {
    std::string_view name;              ///< as in files: "layer1.0.conv1", "3"
    std::string_view type;              ///< "Conv2d"
    std::span<int const> output_shape;  ///< of one sample
    std::ptrdiff_t parameters = 0;      ///< trained numbers, and those that are Frozen
    bool has_tensors = false;           ///< parameters or buffers, which are saved under its name
    double flops = 0;                   ///< forward, one sample; a multiply-add is two
};

namespace detail {

/// `names` must have static storage: the characters of the list's names, apart from its rows, which no program needs.
template <std::size_t N, std::size_t Characters>
consteval auto layer_table(std::array<OperationRow, N> const& rows, std::array<char, Characters> const& names) {
    std::array<LayerRow, N> table{};
    for (std::size_t i = 0; i < N; ++i) {
        auto const& row = rows[i];
        table[i] = {{names.data() + row.name, row.name_end - row.name},
                    row.type,
                    row.output_shape,
                    row.parameters + row.frozen,
                    row.has_tensors,
                    row.flops};
    }
    return table;
}

/// False where two layers with tensors have one name.
template <std::size_t N>
consteval bool names_differ(std::array<LayerRow, N> const& table) {
    // Checksums (FNV-1a) in order, so that only neighbours are compared.
    struct Entry {
        std::uint32_t checksum;
        std::size_t row;
    };
    std::array<Entry, N> entries{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < N; ++i) {
        if (!table[i].has_tensors) continue;
        std::uint32_t checksum = 2166136261u;
        for (char const c : table[i].name) checksum = (checksum ^ static_cast<unsigned char>(c)) * 16777619u;
        entries[count++] = {checksum, i};
    }
    // Shell's sort: each use of std::sort takes as long to compile as a kernel.
    for (std::size_t gap = count / 2; gap > 0; gap /= 2)
        for (std::size_t i = gap; i < count; ++i)
            for (std::size_t at = i; at >= gap && entries[at].checksum < entries[at - gap].checksum; at -= gap)
                std::swap(entries[at], entries[at - gap]);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = i + 1; j < count && entries[j].checksum == entries[i].checksum; ++j)
            if (table[entries[i].row].name == table[entries[j].row].name) return false;
    return true;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
