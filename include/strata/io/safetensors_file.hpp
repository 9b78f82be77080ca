// Reading a safetensors file.
#pragma once

#include <concepts>
#include <cstddef>
#include <new>
#include <span>

#include "../core/aligned.hpp"
#include "file_descriptor.hpp"
#include "foreign_file.hpp"
#include "safetensors_header.hpp"

namespace strata::inline STRATA_ABI {

/// A safetensors file in memory, checked as a whole: when the constructor returns, every tensor's description is
/// consistent and its data are there.
class SafetensorsFile {
public:
    /// Reads the file. The header is checked before the data are read; nothing is allocated that the file's length does
    /// not cover. Throws Error that names the file, the tensor and what was expected.
    template <std::convertible_to<std::string> Path>
    explicit SafetensorsFile(Path const& path) : path_(path) {
        auto file = FileDescriptor::open_to_read(path_);
        auto const file_bytes = file.size();
        if (file_bytes < 8)
            fail(path_, ": expected a safetensors file, which has at least 8 bytes, got ", file_bytes, " bytes");
        std::uint64_t header_bytes = 0;
        file.read(&header_bytes, 8);
        if (header_bytes > most_safetensors_header_bytes || header_bytes > file_bytes - 8) {
            std::string begin(static_cast<std::size_t>((std::min<std::uint64_t>)(file_bytes, foreign_file_bytes)),
                              '\0');
            std::memcpy(begin.data(), &header_bytes, 8);
            file.read(begin.data() + 8, begin.size() - 8);
            if (auto const advice = foreign_file(path_, begin); !advice.empty()) fail(path_, ": ", advice);
            fail(path_, ": expected a header of at most ", (std::min)(most_safetensors_header_bytes, file_bytes - 8),
                 " bytes, got a header length of ", header_bytes, " (truncated, or not a safetensors file)");
        }
        std::string text(header_bytes, '\0');
        file.read(text.data(), text.size());
        auto const data_bytes = file_bytes - 8 - header_bytes;
        header_ = parse_safetensors_header(text, data_bytes, path_);
        try {
            data_ = AlignedVector<std::byte>(data_bytes);
        } catch (std::bad_alloc const&) { fail(path_, ": not enough memory for ", data_bytes, " bytes of data"); }
        file.read(data_.data(), data_bytes);
    }

    [[nodiscard]] std::string const& path() const { return path_; }

    /// All tensors by name.
    [[nodiscard]] StoredTensors const& tensors() const { return header_.tensors; }

    [[nodiscard]] Metadata const& metadata() const { return header_.metadata; }

    /// The tensor of this name, or nullptr.
    [[nodiscard]] StoredTensor const* find(std::string_view name) const { return header_.tensors.find(name); }

    /// The bytes of one of tensors(). They need not be aligned to the element type.
    [[nodiscard]] std::span<std::byte const> data(StoredTensor const& tensor) const {
        return {data_.data() + tensor.begin, tensor.end - tensor.begin};
    }

    /// The whole data section.
    [[nodiscard]] std::span<std::byte const> data() const { return {data_.data(), data_.size()}; }

private:
    std::string path_;
    SafetensorsHeader header_;
    AlignedVector<std::byte> data_;
};

}  // namespace strata::inline STRATA_ABI
