// Writing a safetensors file.
#pragma once

#include <span>

#include "../core/fixed_array.hpp"
#include "atomic_file.hpp"
#include "safetensors_header.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
// Sorts by name. qsort: a use of std::sort is 4 KB of code, which every program that saves a model would compile.
void sort_by_name(FixedArray<TensorView const*>& tensors);

// The element types in the order of the reference implementation, the larger first, so that all data are aligned. Its
// list ends ..., U8, ..., F16, BF16, ..., F32, ..., F64, I64.
inline constexpr DataType file_order[] = {DataType::int64,    DataType::float64, DataType::float32,
                                          DataType::bfloat16, DataType::float16, DataType::uint8};

// Appends one tensor's entry to a header; `end` is where its data begin, then where they end.
void append_entry(std::string& header, std::string const& path, TensorView const& tensor, std::uint64_t& end);

// The header of a file with these tensors, in this order.
std::string file_header(std::string const& path, FixedArray<TensorView const*> const& order, Metadata const& metadata);

void check_utf8(std::string const& path, std::string_view text);

// What comes into a file, checked.
struct FileLayout {
    FixedArray<TensorView const*> order;  // by type, then by name
    std::string header;
};
FileLayout file_layout(std::string const& path, std::span<TensorView const> tensors, Metadata const& metadata);
}  // namespace detail

/// Writes the tensors and the metadata to `path`, atomically (see AtomicFile). The bytes equal those of the reference
/// implementation for the same tensors.
///
/// Throws Error when two tensors have one name, a name or a metadata text is not UTF-8, a shape is impossible, or the
/// file cannot be written; a file that was there before then stays as it was.
void write_safetensors(std::string const& path, std::span<TensorView const> tensors, Metadata const& metadata = {});

/// Throws what write_safetensors would throw before it writes the first byte, and leaves no trace.
void check_safetensors(std::string const& path, std::span<TensorView const> tensors, Metadata const& metadata = {});

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "write_safetensors.ipp"
#endif
