// The functions of safetensors_header.hpp that no network type touches.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/fixed_array.hpp"
#include "../core/tensor.hpp"
#include "json.hpp"
#include "metadata.hpp"
#include "safetensors_header.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE StoredTensor const* StoredTensors::find(std::string_view name) const {
    auto const at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                     [](Entry const& entry, std::string_view n) { return entry.name < n; });
    return at != entries_.end() && at->name == name ? &at->tensor : nullptr;
}

STRATA_DEFINE STRATA_COLD void StoredTensors::put_in_order() {
    FixedArray<Entry*> order(entries_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = &entries_[i];
    // Every program compiles this, whether it loads or not: qsort is a call, std::sort forty functions.
    std::qsort(order.data(), order.size(), sizeof order[0], [](void const* a, void const* b) {
        auto const *const x = *static_cast<Entry* const*>(a), *const y = *static_cast<Entry* const*>(b);
        int const names = x->name.compare(y->name);
        return names != 0 ? names : x < y ? -1 : 1;
    });
    std::vector<Entry> sorted;
    sorted.reserve(order.size());
    for (Entry* const entry : order) {
        if (!sorted.empty() && sorted.back().name == entry->name) sorted.pop_back();
        sorted.push_back(std::move(*entry));
    }
    entries_ = std::move(sorted);
}

STRATA_DEFINE STRATA_COLD std::string shape_text(std::vector<std::int64_t> const& shape) {
    std::string text = "[";
    char const* separator = "";
    for (auto const extent : shape) {
        append(text, separator, extent);
        separator = ", ";
    }
    text.push_back(']');
    return text;
}

namespace detail {
STRATA_DEFINE std::optional<std::uint64_t> checked_bytes(std::vector<std::int64_t> const& shape,
                                                         std::uint64_t element) {
    std::uint64_t bytes = 1;  // elements at first: a 0 before it keeps a large extent from overflowing
    for (auto const extent : shape)
        if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) return {};
    if (__builtin_mul_overflow(bytes, element, &bytes)) return {};
    return bytes;
}

STRATA_DEFINE STRATA_COLD void check_stored_tensor(std::string const& path, std::string_view name, StoredTensor& tensor,
                                                   std::uint64_t data_bytes) {
    auto const refuse = [&](auto const&... reason) { fail(path, ", tensor ", json_quoted(name), ": ", reason...); };
    if (tensor.begin > tensor.end || tensor.end > data_bytes)
        refuse("expected \"data_offsets\" within the ", data_bytes, " bytes of data, got [", tensor.begin, ", ",
               tensor.end, "]");
    auto const* const dtype =
        std::find_if(dtypes.begin(), dtypes.end(), [&](Dtype const& known) { return known.name == tensor.dtype; });
    if (dtype == dtypes.end()) return;  // a newer format's: nothing to check it with, refused if asked for
    tensor.type = dtype->type;
    auto const bytes = checked_bytes(tensor.shape, dtype->bytes);
    if (!bytes) refuse("expected a size that fits 64 bits, got ", tensor.dtype, " ", shape_text(tensor.shape));
    if (*bytes != tensor.end - tensor.begin)
        refuse("expected ", *bytes, " bytes for ", tensor.dtype, " ", shape_text(tensor.shape), ", got ",
               tensor.end - tensor.begin, " from \"data_offsets\" [", tensor.begin, ", ", tensor.end, "]");
}

}  // namespace detail

}  // namespace strata::inline STRATA_ABI
