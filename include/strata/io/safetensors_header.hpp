// The header of a safetensors file: what tensors there are and where. Reading checks everything before it is used.
//
// The file: 8 bytes, little-endian, the length of the header; the header, a JSON object padded with spaces,
//   {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...};
// the data, to which data_offsets are relative, without holes or overlaps.
// Source: https://huggingface.co/docs/safetensors, and the reference implementation for what the text leaves open.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/fixed_array.hpp"
#include "../core/tensor.hpp"
#include "json.hpp"
#include "metadata.hpp"

namespace strata::inline STRATA_ABI {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are copied as they are: little-endian only");

/// A tensor as a safetensors header describes it.
struct StoredTensor {
    std::string dtype;             ///< as in the file, for example "F32"; may be one that Strata does not know
    std::optional<DataType> type;  ///< dtype as Strata's type, if it has one
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0;  ///< bytes of the data section
};

/// Descriptions by name, in the order of the names. Not a std::map, which takes long to compile.
class StoredTensors {
public:
    struct Entry {
        std::string name;
        StoredTensor tensor;
    };

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] auto begin() { return entries_.begin(); }
    [[nodiscard]] auto end() { return entries_.end(); }
    [[nodiscard]] auto begin() const { return entries_.begin(); }
    [[nodiscard]] auto end() const { return entries_.end(); }

    /// The tensor of a name, nullptr where there is none.
    [[nodiscard]] StoredTensor const* find(std::string_view name) const;
    /// Adds tensors, to be put in order before anything else is done; of a name that comes twice the last one counts.
    void add(std::string name, StoredTensor tensor) { entries_.push_back({std::move(name), std::move(tensor)}); }
    void put_in_order();

private:
    std::vector<Entry> entries_;
};

/// The parsed header.
struct SafetensorsHeader {
    StoredTensors tensors;
    Metadata metadata;
};

/// The reference implementation refuses longer headers; so do we, before allocating.
inline constexpr std::uint64_t most_safetensors_header_bytes = 100'000'000;

/// The format's name of a type.
[[nodiscard]] constexpr std::string_view dtype_name(DataType type) {
    switch (type) {
        case DataType::uint8:
            return "U8";
        case DataType::int64:
            return "I64";
        case DataType::float16:
            return "F16";
        case DataType::bfloat16:
            return "BF16";
        case DataType::float32:
            return "F32";
        case DataType::float64:
            return "F64";
        case DataType::uint16:
            return "U16";
        case DataType::int32:
            return "I32";
    }
    return "";
}

/// A shape as it is written, "[2, 3]"; "[]" for a scalar.
[[nodiscard]] std::string shape_text(std::vector<std::int64_t> const& shape);

namespace detail {
struct Dtype {
    std::string_view name;
    std::uint64_t bytes;
    std::optional<DataType> type;
};
inline constexpr std::array dtypes{Dtype{"BOOL", 1, {}},
                                   Dtype{"U8", 1, DataType::uint8},
                                   Dtype{"I8", 1, {}},
                                   Dtype{"F8_E5M2", 1, {}},
                                   Dtype{"F8_E4M3", 1, {}},
                                   Dtype{"I16", 2, {}},
                                   Dtype{"U16", 2, {}},
                                   Dtype{"F16", 2, DataType::float16},
                                   Dtype{"BF16", 2, DataType::bfloat16},
                                   Dtype{"I32", 4, {}},
                                   Dtype{"U32", 4, {}},
                                   Dtype{"F32", 4, DataType::float32},
                                   Dtype{"C64", 8, {}},
                                   Dtype{"F64", 8, DataType::float64},
                                   Dtype{"I64", 8, DataType::int64},
                                   Dtype{"U64", 8, {}}};

// Bytes of a tensor, or nothing where they do not fit 64 bits or an extent is negative.
std::optional<std::uint64_t> checked_bytes(std::vector<std::int64_t> const& shape, std::uint64_t element);

// Reads one tensor's description; reader.at() has its name.
template <class Reader>
StoredTensor read_stored_tensor(Reader& reader) {
    // PyTorch's own limit; without one, a header of 100 MB could ask for gigabytes of extents.
    constexpr std::size_t most_dimensions = 64;
    StoredTensor tensor;
    bool has_dtype = false, has_shape = false;
    std::vector<std::uint64_t> offsets;
    auto const once = [&](bool seen, std::string const& key) {
        if (seen) reader.refuse("the name ", json_quoted(key), " comes twice");
    };
    reader.object([&](std::string const& key) {
        if (key == "dtype") {
            once(has_dtype, key);
            tensor.dtype = reader.string("a string for \"dtype\"");
            has_dtype = true;
        } else if (key == "shape") {
            once(has_shape, key);
            reader.array("an array for \"shape\"", [&] {
                auto const extent = reader.unsigned_integer("a non-negative integer in \"shape\"");
                if (extent > static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)()))
                    reader.refuse("expected extents below 2^63 in \"shape\", got ", extent);
                if (tensor.shape.size() == most_dimensions)
                    reader.refuse("expected at most ", most_dimensions, " dimensions in \"shape\"");
                tensor.shape.push_back(static_cast<std::int64_t>(extent));
            });
            has_shape = true;
        } else if (key == "data_offsets") {
            once(!offsets.empty(), key);
            reader.array("an array for \"data_offsets\"", [&] {
                if (offsets.size() == 2) reader.refuse("expected two numbers in \"data_offsets\", got more");
                offsets.push_back(reader.unsigned_integer("a non-negative integer in \"data_offsets\""));
            });
            if (offsets.size() != 2) reader.refuse("expected two numbers in \"data_offsets\", got ", offsets.size());
        } else {
            reader.skip();  // of a newer format or another tool, as the reference does
        }
    });
    if (!has_dtype) reader.refuse("expected a \"dtype\", got none");
    if (!has_shape) reader.refuse("expected a \"shape\", got none");
    if (offsets.empty()) reader.refuse("expected \"data_offsets\", got none");
    tensor.begin = offsets[0];
    tensor.end = offsets[1];
    return tensor;
}

// Checks a tensor against itself and the data section.
void check_stored_tensor(std::string const& path, std::string_view name, StoredTensor& tensor,
                         std::uint64_t data_bytes);
}  // namespace detail

/// Parses and checks the text of a header against the length of the data section. Allocates in proportion to the text.
/// Of a tensor's name or a metadata key that comes twice the last counts, and keys that the format does not know are
/// skipped, as in the reference implementation. Throws Error, beginning with `path`, that names the tensor and what was
/// expected.
///
/// A template, as are the functions that read files with it, so that programs that read none do not compile it.
template <class Reader = JsonReader>
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes,
                                                         std::string const& path) {
    SafetensorsHeader header;
    Reader reader(text, path);
    reader.at("header");
    bool has_metadata = false;
    reader.object([&](std::string const& key) {
        if (key == "__metadata__") {
            reader.at("header, \"__metadata__\"");
            if (has_metadata) reader.refuse("the name comes twice");
            has_metadata = true;
            if (!reader.null())
                reader.object([&](std::string const& name) { header.metadata.add(name, reader.string("a string")); });
        } else {
            reader.at(concatenate("tensor ", json_quoted(key)));
            header.tensors.add(key, detail::read_stored_tensor(reader));
        }
        reader.at("header");
    });
    reader.end();
    header.metadata.keep_last();
    header.tensors.put_in_order();
    for (auto& [name, tensor] : header.tensors) detail::check_stored_tensor(path, name, tensor, data_bytes);

    // Data must lie end to end. Only empty tensors may share a place.
    std::vector<StoredTensors::Entry const*> places;
    for (auto const& entry : header.tensors) places.push_back(&entry);
    std::sort(places.begin(), places.end(), [](auto const* a, auto const* b) {
        return a->tensor.begin != b->tensor.begin ? a->tensor.begin < b->tensor.begin
               : a->tensor.end != b->tensor.end   ? a->tensor.end < b->tensor.end
                                                  : a->name < b->name;
    });
    std::uint64_t covered = 0;
    StoredTensors::Entry const* before = nullptr;
    for (auto const* const entry : places) {
        auto const begin = entry->tensor.begin;
        if (before && begin == before->tensor.begin && before->tensor.end > begin)
            fail(path, ", tensor ", json_quoted(entry->name), ": expected data of its own, got those of tensor ",
                 json_quoted(before->name));
        if (begin != covered)
            fail(path, ", tensor ", json_quoted(entry->name), ": expected data without ",
                 begin < covered ? "overlaps" : "holes", ", beginning at byte ", covered, ", got ", begin);
        covered = entry->tensor.end;
        before = entry;
    }
    if (covered != data_bytes) fail(path, ": expected ", covered, " bytes of data after the header, got ", data_bytes);
    return header;
}

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "safetensors_header.ipp"
#endif
