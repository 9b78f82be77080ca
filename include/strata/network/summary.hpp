// The summary of a network as text: one line a layer, then the totals. Works on a flat description, so that it is
// compiled once and not once a network type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../core/config.hpp"

namespace strata::inline STRATA_ABI {

/// One layer of a network, as the summary shows it.
struct LayerDescription {
    std::string name;               ///< as in files: "layer1.0.conv1", "3"
    std::string type;               ///< "Conv2d"
    std::string output_shape;       ///< of one sample: "6 x 28 x 28"
    std::int64_t parameters = 0;    ///< trained numbers
    double flops = 0;               ///< forward, one sample; a multiply-add is two
    std::int64_t memory_bytes = 0;  ///< of the activation it writes, one sample
};

/// A network, as the summary shows it. Where its samples are sequences, all that is said of one sample is said of a token.
struct NetworkDescription {
    std::string input_shape;  ///< of one sample: "3 x 32 x 32"
    std::vector<LayerDescription> layers;
    std::int64_t parameters = 0;
    double forward_flops = 0;   ///< one sample
    double training_flops = 0;  ///< forward and backward, one sample
    std::int64_t parameter_bytes = 0;
    std::int64_t training_workspace_bytes = 0;   ///< of a tile of 16 samples
    std::int64_t inference_workspace_bytes = 0;  ///< of a tile of 16 samples
    int longest_sequence = 0;                    ///< tokens; 0: samples are no sequences
};

namespace detail {
/// Three significant digits and a unit, as in "1.18 MFLOP", "84 B"; whole numbers below `base` stand without point.
std::string with_unit(double value, double base, std::vector<char const*> const& units);
}  // namespace detail

/// A number of floating-point operations in units of 1000: "1.18 MFLOP".
std::string format_flops(double flops);

/// A number of bytes in units of 1024: "18.4 KiB".
std::string format_bytes(std::int64_t bytes);

/// A whole number with its digits in groups of three: "62,006".
std::string format_count(std::int64_t count);

/// The table of a network's layers and its totals, in plain ASCII, each line ended.
std::string format_summary(NetworkDescription const& network);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "summary.ipp"
#endif
