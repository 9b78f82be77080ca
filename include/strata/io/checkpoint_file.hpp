// Checkpoints: safetensors files that say what they are and prove that they are whole.
//
// A checkpoint is a safetensors file (any tool can look into it) with three more metadata entries: "strata.format",
// "strata.version" and "strata.checksum", 16 hexadecimal digits over all tensors and all other metadata.
#pragma once

#include <cstdlib>

#include "checksum.hpp"
#include "safetensors_file.hpp"
#include "write_safetensors.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
inline constexpr char const* checkpoint_format = "checkpoint";
inline constexpr char const* checkpoint_version = "1";

inline std::string hexadecimal(std::uint64_t number) {
    std::string text(16, '0');
    for (std::size_t i = 0; i < 16; ++i) text[15 - i] = "0123456789abcdef"[(number >> (4 * i)) & 15];
    return text;
}

STRATA_COLD inline std::uint64_t checksum_of(std::string_view name, DataType type,
                                             std::vector<std::int64_t> const& shape, void const* data,
                                             std::uint64_t bytes) {
    Checksum sum;
    sum.add(name);
    sum.add(dtype_name(type));
    sum.add(shape.data(), shape.size() * sizeof(std::int64_t));
    sum.add(data, bytes);
    return sum.value();
}

// Tensors have no order of their own, so their checksums are added; `tensors` is the total.
STRATA_COLD inline std::string checkpoint_checksum(Metadata const& metadata, std::uint64_t tensors) {
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

/// Writes a checkpoint atomically (see AtomicFile). Metadata keys that begin with "strata." are kept for the format.
/// Throws Error as write_safetensors does.
STRATA_COLD inline void write_checkpoint(std::string const& path, std::span<TensorView const> tensors,
                                         Metadata metadata = {}) {
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

/// A checkpoint in memory, checked as a whole.
class CheckpointFile {
public:
    /// Reads the file. Throws Error that says why it is refused: no safetensors file or a truncated one, a safetensors
    /// file that is no checkpoint, another version, or contents that do not match the checksum.
    template <std::convertible_to<std::string> Path>
    explicit CheckpointFile(Path const& path) : file_(path), metadata_(file_.metadata()) {
        if (take("strata.format") != detail::checkpoint_format)
            fail(file_.path(), ": expected a Strata checkpoint, got a safetensors file without its mark");
        if (auto const version = take("strata.version"); version != detail::checkpoint_version)
            fail(file_.path(), ": expected a checkpoint of version ", detail::checkpoint_version, ", got version ",
                 json_quoted(version));
        auto const expected = take("strata.checksum");
        std::uint64_t sum = 0;
        for (auto const& [name, tensor] : file_.tensors()) {
            if (!tensor.type)
                fail(file_.path(), ", tensor ", json_quoted(name), ": a checkpoint never has the dtype ",
                     json_quoted(tensor.dtype), " (the file is damaged)");
            sum += detail::checksum_of(name, *tensor.type, tensor.shape, file_.data(tensor).data(),
                                       file_.data(tensor).size());
        }
        if (auto const got = detail::checkpoint_checksum(metadata_, sum); got != expected)
            fail(file_.path(), ": the file is damaged: expected the checksum ", json_quoted(expected),
                 ", its contents have \"", got, "\"");
    }

    /// The tensors, for load_tensors.
    [[nodiscard]] SafetensorsFile const& tensors() const { return file_; }

    /// The metadata as given to write_checkpoint.
    [[nodiscard]] Metadata const& metadata() const { return metadata_; }

private:
    std::string take(char const* key) {
        std::string const* const found = metadata_.find(key);
        std::string text = found ? *found : "";
        metadata_.erase(key);
        return text;
    }

    SafetensorsFile file_;
    Metadata metadata_;
};

}  // namespace strata::inline STRATA_ABI
