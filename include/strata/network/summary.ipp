// The functions of summary.hpp that no network type touches.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "../core/fixed_array.hpp"
#include "summary.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE std::string with_unit(double value, double base, std::vector<char const*> const& units) {
    std::size_t unit = 0;
    // 999.5 would be printed as 1000, so it belongs to the next unit.
    for (; unit + 1 < units.size() && value >= (base == 1000 ? 999.5 : 1023.5); ++unit) value /= base;
    int const decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    char text[352];
    std::snprintf(text, sizeof text, "%.*f %s", decimals, value, units[unit]);
    return text;
}

}  // namespace detail

STRATA_DEFINE std::string format_flops(double flops) {
    return detail::with_unit(flops, 1000, {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"});
}

STRATA_DEFINE std::string format_bytes(std::int64_t bytes) {
    return detail::with_unit(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

STRATA_DEFINE std::string format_count(std::int64_t count) {
    auto text = std::to_string(count);
    auto const first = static_cast<std::ptrdiff_t>(text[0] == '-' ? 1 : 0);
    for (auto at = std::ssize(text) - 3; at > first; at -= 3) text.insert(static_cast<std::size_t>(at), 1, ',');
    return text;
}

STRATA_DEFINE std::string format_summary(NetworkDescription const& network) {
    constexpr std::size_t column_count = 6, text_columns = 3;  // the columns after these are numbers, set to the right
    FixedArray<std::array<std::string, column_count>> rows(network.layers.size() + 2);
    rows[0] = {"layer", "type", "output shape", "parameters", "FLOPs", "memory"};
    bool const sequences = network.longest_sequence > 0;
    rows[1] = {"", sequences ? "Sequence" : "Input", network.input_shape, "", "", ""};
    for (std::size_t k = 0; k < network.layers.size(); ++k) {
        auto const& layer = network.layers[k];
        rows[k + 2] = {layer.name,
                       layer.type,
                       layer.output_shape,
                       layer.parameters == 0 ? "-" : format_count(layer.parameters),
                       layer.flops == 0 ? "-" : format_flops(layer.flops),
                       layer.memory_bytes == 0 ? "-" : format_bytes(layer.memory_bytes)};
    }

    std::size_t widths[column_count] = {};
    for (auto const& row : rows)
        for (std::size_t c = 0; c < column_count; ++c) widths[c] = (std::max)(widths[c], row[c].size());
    std::size_t total_width = 2 * (column_count - 1);
    for (auto const width : widths) total_width += width;
    auto const rule = std::string(total_width, '-') + '\n';

    std::string text;
    for (auto const& row : rows) {
        std::string line;
        for (std::size_t c = 0; c < column_count; ++c) {
            std::string const space(widths[c] - row[c].size(), ' ');
            line += c < text_columns ? row[c] + space : space + row[c];
            line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
        if (&row == rows.begin()) text += rule;
    }
    text += rule;

    auto const total = [&](std::string_view name, std::string const& value) {
        text.append(name).append(std::string(22 - name.size(), ' ')).append(value) += '\n';
    };
    total("parameters", format_count(network.parameters) + " (" + format_bytes(network.parameter_bytes) + ")");
    total(sequences ? "forward, a token" : "forward, a sample", format_flops(network.forward_flops));
    total(sequences ? "training, a token" : "training, a sample", format_flops(network.training_flops));
    auto const workspace = [&](std::int64_t of_16) {  // tiles of sequences have as many columns as those need
        return sequences ? format_bytes(of_16 / 16) + " a token" : format_bytes(of_16) + " a tile of 16";
    };
    total("workspace, training", workspace(network.training_workspace_bytes));
    total("workspace, inference", workspace(network.inference_workspace_bytes));
    if (sequences) total("longest sequence", format_count(network.longest_sequence) + " tokens");
    return text;
}

}  // namespace strata::inline STRATA_ABI
