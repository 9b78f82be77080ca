// The functions of checkpoint_file.hpp that no network type touches.
#pragma once

#include <cstdlib>

#include "checkpoint_file.hpp"
#include "checksum.hpp"
#include "safetensors_file.hpp"
#include "write_safetensors.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE std::string hexadecimal(std::uint64_t number) {
    std::string text(16, '0');
    for (std::size_t i = 0; i < 16; ++i) text[15 - i] = "0123456789abcdef"[(number >> (4 * i)) & 15];
    return text;
}

STRATA_DEFINE STRATA_COLD std::uint64_t checksum_of(std::string_view name, DataType type,
                                                    std::vector<std::int64_t> const& shape, void const* data,
                                                    std::uint64_t bytes) {
    Checksum sum;
    sum.add(name);
    sum.add(dtype_name(type));
    sum.add(shape.data(), shape.size() * sizeof(std::int64_t));
    sum.add(data, bytes);
    return sum.value();
}

STRATA_DEFINE STRATA_COLD std::string checkpoint_checksum(Metadata const& metadata, std::uint64_t tensors) {
    Checksum sum;
    // By key, because JSON's objects have no order.
    FixedArray<Metadata::Entry> entries(metadata.size());
    for (std::size_t i = 0; i < metadata.size(); ++i) entries[i] = {metadata.key(i), metadata.text(i)};
    std::qsort(entries.data(), entries.size(), sizeof entries[0], [](void const* a, void const* b) {
        return static_cast<Metadata::Entry const*>(a)->key.compare(static_cast<Metadata::Entry const*>(b)->key);
    });
    for (auto const& entry : entries) {
        sum.add(entry.key);
        sum.add(entry.text);
    }
    sum.add(tensors);
    return hexadecimal(sum.value());
}

}  // namespace detail

STRATA_DEFINE STRATA_COLD void write_checkpoint(std::string const& path, std::span<TensorView const> tensors,
                                                Metadata metadata) {
    for (std::size_t i = 0; i < metadata.size(); ++i)
        if (metadata.key(i).starts_with("strata."))
            fail(path, ": the metadata key ", json_quoted(metadata.key(i)),
                 " is kept for the checkpoint format, choose one without "
                 "\"strata.\"");
    std::uint64_t sum = 0;
    for (auto const& tensor : tensors) {
        auto const bytes = detail::checked_bytes(tensor.shape, size_of(tensor.type));
        if (!bytes || (*bytes > 0 && tensor.data == nullptr)) continue;  // write_safetensors says what is wrong
        sum += detail::checksum_of(tensor.name, tensor.type, tensor.shape, tensor.data, *bytes);
    }
    auto checksum = detail::checkpoint_checksum(metadata, sum);
    metadata.add("strata.format", detail::checkpoint_format);
    metadata.add("strata.version", detail::checkpoint_version);
    metadata.add("strata.checksum", std::move(checksum));
    write_safetensors(path, tensors, metadata);
}

STRATA_DEFINE std::string CheckpointFile::take(char const* key) {
    std::string const* const found = metadata_.find(key);
    std::string text = found ? *found : "";
    metadata_.erase(key);
    return text;
}

}  // namespace strata::inline STRATA_ABI
