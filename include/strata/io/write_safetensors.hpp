// Writing a safetensors file.
#pragma once

#include <set>
#include <span>

#include "atomic_file.hpp"
#include "safetensors_header.hpp"

namespace strata {

namespace detail {
// The order of the reference implementation: the larger element type first, so that all data are aligned, then by name.
// Its list of types ends ..., U8, ..., F16, BF16, ..., F32, ..., F64, I64.
inline std::vector<TensorView const*> in_file_order(std::span<TensorView const> tensors) {
    auto const rank = [](DataType type) {
        switch (type) {
            case DataType::uint8:
                return 0;
            case DataType::float16:
                return 1;
            case DataType::bfloat16:
                return 2;
            case DataType::float32:
                return 3;
            case DataType::float64:
                return 4;
            case DataType::int64:
                return 5;
        }
        return 0;
    };
    std::vector<TensorView const*> order;
    order.reserve(tensors.size());
    for (auto const& tensor : tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [&](TensorView const* a, TensorView const* b) {
        return a->type != b->type ? rank(a->type) > rank(b->type) : a->name < b->name;
    });
    return order;
}

// True for well-formed UTF-8 (Unicode 15, table 3-7). Checked by hand: the JSON library would cost every program that
// saves a model a second of compile time for it.
inline bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        auto const lead = static_cast<unsigned char>(text[i++]);
        if (lead < 0x80) continue;
        int const more = lead >= 0xC2 && lead <= 0xDF   ? 1
                         : lead >= 0xE0 && lead <= 0xEF ? 2
                         : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                        : 0;
        if (more == 0) return false;
        for (int k = 0; k < more; ++k, ++i) {
            if (i == text.size()) return false;
            auto const byte = static_cast<unsigned char>(text[i]);
            unsigned low = 0x80, high = 0xBF;
            if (k == 0 && lead == 0xE0) low = 0xA0;   // no overlong forms
            if (k == 0 && lead == 0xED) high = 0x9F;  // no surrogates
            if (k == 0 && lead == 0xF0) low = 0x90;
            if (k == 0 && lead == 0xF4) high = 0x8F;  // nothing beyond U+10FFFF
            if (byte < low || byte > high) return false;
        }
    }
    return true;
}
}  // namespace detail

/// Writes the tensors and the metadata to `path`, atomically (see AtomicFile). The bytes equal those of the reference
/// implementation for the same tensors.
///
/// Throws Error when two tensors have one name, a name or a metadata text is not UTF-8, a shape is impossible, or the
/// file cannot be written; a file that was there before then stays as it was.
inline void write_safetensors(std::string const& path, std::span<TensorView const> tensors,
                              Metadata const& metadata = {}) {
    auto const order = detail::in_file_order(tensors);
    std::set<std::string_view> names;
    for (auto const& tensor : tensors)
        if (!names.insert(tensor.name).second)
            fail(path, ": cannot write: the name ", json_quoted(tensor.name), " comes twice");
    auto const check_text = [&](std::string_view text) {
        if (!detail::is_utf8(text)) fail(path, ": cannot write ", json_quoted(text), ": expected UTF-8");
    };
    for (auto const name : names) check_text(name);
    for (auto const& [key, value] : metadata) {
        check_text(key);
        check_text(value);
    }
    std::string header = "{";
    auto const separate = [&] { header += header.size() == 1 ? "" : ","; };
    if (!metadata.empty()) {
        header += "\"__metadata__\":{";
        char const* separator = "";
        for (auto const& [key, value] : metadata) {
            header += concatenate(separator, json_quoted(key), ":", json_quoted(value));
            separator = ",";
        }
        header += '}';
    }
    std::uint64_t end = 0;
    for (auto const* tensor : order) {
        auto const refuse = [&](auto const&... reason) {
            fail(path, ": cannot write tensor ", json_quoted(tensor->name), ": ", reason...);
        };
        if (tensor->name == "__metadata__") refuse("the format keeps this name for the metadata");
        auto const bytes = detail::checked_bytes(tensor->shape, size_of(tensor->type));
        std::uint64_t const begin = end;
        if (!bytes || __builtin_add_overflow(begin, *bytes, &end))
            refuse("expected non-negative extents and a size that fits 64 bits, got ", shape_text(tensor->shape));
        if (*bytes > 0 && tensor->data == nullptr) refuse("expected data, got a null pointer");
        separate();
        header += concatenate(json_quoted(tensor->name), ":{\"dtype\":\"", dtype_name(tensor->type), "\",\"shape\":[");
        for (std::size_t i = 0; i < tensor->shape.size(); ++i)
            header += concatenate(i == 0 ? "" : ",", tensor->shape[i]);
        header += concatenate("],\"data_offsets\":[", begin, ",", end, "]}");
    }
    header += '}';
    header.resize((header.size() + 7) / 8 * 8, ' ');
    if (header.size() > most_safetensors_header_bytes)
        fail(path, ": cannot write a header of ", header.size(), " bytes, the format allows ",
             most_safetensors_header_bytes);
    AtomicFile file(path);
    std::uint64_t const header_bytes = header.size();
    file.write(&header_bytes, 8);
    file.write(header.data(), header.size());
    for (auto const* tensor : order) file.write(tensor->data, tensor->bytes());
    file.commit();
}

}  // namespace strata
