// Checkpoints: safetensors files that say what they are and prove that they are whole.
//
// A checkpoint is a safetensors file (any tool can look into it) with three more metadata entries: "strata.format",
// "strata.version" and "strata.checksum", 16 hexadecimal digits over all tensors and all other metadata.
#pragma once

#include "checksum.hpp"
#include "safetensors_file.hpp"
#include "write_safetensors.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
inline constexpr char const* checkpoint_format = "checkpoint";
inline constexpr char const* checkpoint_version = "1";

std::string hexadecimal(std::uint64_t number);

std::uint64_t checksum_of(std::string_view name, DataType type, std::vector<std::int64_t> const& shape,
                          void const* data, std::uint64_t bytes);

// Tensors have no order of their own, so their checksums are added; `tensors` is the total.
std::string checkpoint_checksum(Metadata const& metadata, std::uint64_t tensors);
}  // namespace detail

/// Writes a checkpoint atomically (see AtomicFile). Metadata keys that begin with "strata." are kept for the format.
/// Throws Error as write_safetensors does.
void write_checkpoint(std::string const& path, std::span<TensorView const> tensors, Metadata metadata = {});

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
    std::string take(char const* key);

    SafetensorsFile file_;
    Metadata metadata_;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "checkpoint_file.ipp"
#endif
