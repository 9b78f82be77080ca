// The functions of load_tensors.hpp that no network type touches.
#pragma once

#include "../core/name_pattern.hpp"
#include "convert.hpp"
#include "load_differences.hpp"
#include "load_tensors.hpp"
#include "safetensors_file.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE bool is_counter(TensorView const& target) {
    return target.type == DataType::int64 && target.name.ends_with("num_batches_tracked");
}

STRATA_DEFINE STRATA_COLD std::optional<std::int64_t> counter_value(StoredTensor const& tensor, std::byte const* data) {
    if (tensor.type && is_convertible(*tensor.type, DataType::float64)) {
        double value = 0;
        convert_elements(*tensor.type, data, DataType::float64, &value, 1);
        if (value >= 0 && value < 0x1p63) return static_cast<std::int64_t>(value);
        return {};
    }
    auto const bytes = tensor.end - tensor.begin;
    bool const is_signed = tensor.dtype.starts_with("I");
    if (bytes > 8 || (!is_signed && !tensor.dtype.starts_with("U"))) return {};
    std::int64_t value = 0;
    std::memcpy(&value, data, bytes);
    // Counters are not negative: what is, is no count.
    if (value < 0 || (is_signed && value >> (8 * bytes - 1) != 0)) return {};
    return value;
}

STRATA_DEFINE STRATA_COLD bool shapes_fit(std::vector<std::int64_t> const& stored,
                                          std::vector<std::int64_t> const& target) {
    if (stored == target) return true;
    if (target.empty()) return stored.size() == 1 && stored[0] == 1;
    return stored.size() == 3 && target.size() == 4 && stored[0] == target[0] && stored[1] == target[1] &&
           ((target[2] == 1 && stored[2] == target[3]) || (target[3] == 1 && stored[2] == target[2]));
}

STRATA_DEFINE std::string_view accepted_dtypes(DataType target) {
    if (target == DataType::uint8 || target == DataType::int64) return dtype_name(target);
    return "F16, BF16, F32 or F64";
}

}  // namespace detail

}  // namespace strata::inline STRATA_ABI
