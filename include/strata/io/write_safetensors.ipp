// The functions of write_safetensors.hpp that no network type touches.
#pragma once

#include <cstdlib>
#include <span>

#include "../core/fixed_array.hpp"
#include "atomic_file.hpp"
#include "safetensors_header.hpp"
#include "write_safetensors.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE void sort_by_name(FixedArray<TensorView const*>& tensors) {
    std::qsort(tensors.data(), tensors.size(), sizeof tensors[0], [](void const* a, void const* b) {
        return (*static_cast<TensorView const* const*>(a))
            ->name.compare((*static_cast<TensorView const* const*>(b))->name);
    });
}

STRATA_DEFINE STRATA_COLD void append_entry(std::string& header, std::string const& path, TensorView const& tensor,
                                            std::uint64_t& end) {
    auto const name = json_quoted(tensor.name);
    auto const refuse = [&](char const* reason, std::string_view what = "") {
        fail(path, ": cannot write tensor ", name, ": ", reason, what);
    };
    if (tensor.name == "__metadata__") refuse("the format keeps this name for the metadata");
    auto const bytes = checked_bytes(tensor.shape, size_of(tensor.type));
    std::uint64_t const begin = end;
    if (!bytes || __builtin_add_overflow(begin, *bytes, &end))
        refuse("expected non-negative extents and a size that fits 64 bits, got ", shape_text(tensor.shape));
    if (*bytes > 0 && tensor.data == nullptr) refuse("expected data, got a null pointer");
    append(header, header.size() == 1 ? "" : ",", name, ":{\"dtype\":\"", dtype_name(tensor.type), "\",\"shape\":[");
    char const* separator = "";
    for (auto const extent : tensor.shape) {
        append(header, separator, extent);
        separator = ",";
    }
    append(header, "],\"data_offsets\":[", begin, ",", end, "]}");
}

STRATA_DEFINE STRATA_COLD std::string file_header(std::string const& path, FixedArray<TensorView const*> const& order,
                                                  Metadata const& metadata) {
    std::string header = "{";
    for (std::size_t i = 0; i < metadata.size(); ++i)
        append(header, i == 0 ? "\"__metadata__\":{" : ",", json_quoted(metadata.key(i)), ":",
               json_quoted(metadata.text(i)));
    if (!metadata.empty()) header.push_back('}');
    std::uint64_t end = 0;
    for (auto const* tensor : order) append_entry(header, path, *tensor, end);
    header.push_back('}');
    while (header.size() % 8 != 0) header.push_back(' ');
    if (header.size() > most_safetensors_header_bytes)
        fail(path, ": cannot write a header of ", header.size(), " bytes, the format allows ",
             most_safetensors_header_bytes);
    return header;
}

STRATA_DEFINE STRATA_COLD void check_utf8(std::string const& path, std::string_view text) {
    if (!is_utf8(text)) fail(path, ": cannot write ", json_quoted(text), ": expected UTF-8");
}

STRATA_DEFINE STRATA_COLD FileLayout file_layout(std::string const& path, std::span<TensorView const> tensors,
                                                 Metadata const& metadata) {
    FixedArray<TensorView const*> named(tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) named[i] = &tensors[i];
    sort_by_name(named);
    for (std::size_t i = 1; i < named.size(); ++i)
        if (named[i]->name == named[i - 1]->name)
            fail(path, ": cannot write: the name ", json_quoted(named[i]->name), " comes twice");
    for (auto const* tensor : named) check_utf8(path, tensor->name);
    for (std::size_t i = 0; i < metadata.size(); ++i) {
        check_utf8(path, metadata.key(i));
        check_utf8(path, metadata.text(i));
        if (metadata.find(metadata.key(i)) != &metadata.text(i))
            fail(path, ": cannot write: the metadata key ", json_quoted(metadata.key(i)), " comes twice");
    }
    FileLayout layout{FixedArray<TensorView const*>(tensors.size()), {}};
    std::size_t ordered = 0;
    for (auto const type : file_order)
        for (auto const* tensor : named)
            if (tensor->type == type) layout.order[ordered++] = tensor;
    layout.header = file_header(path, layout.order, metadata);
    return layout;
}

}  // namespace detail

STRATA_DEFINE STRATA_COLD void write_safetensors(std::string const& path, std::span<TensorView const> tensors,
                                                 Metadata const& metadata) {
    auto const layout = detail::file_layout(path, tensors, metadata);
    AtomicFile file(path);
    std::uint64_t const header_bytes = layout.header.size();
    file.write(&header_bytes, 8);
    file.write(layout.header.data(), layout.header.size());
    for (auto const* tensor : layout.order) file.write(tensor->data, tensor->bytes());
    file.commit();
}

STRATA_DEFINE STRATA_COLD void check_safetensors(std::string const& path, std::span<TensorView const> tensors,
                                                 Metadata const& metadata) {
    static_cast<void>(detail::file_layout(path, tensors, metadata));
    AtomicFile::check(path);
}

}  // namespace strata::inline STRATA_ABI
