// Files made and read by hand.
#pragma once

#include <cstdint>

#include "../temporary_directory.hpp"

inline std::string write_bytes(std::string const& path, std::string const& bytes) {
    std::remove(path.c_str());  // ext4 flushes a file that is truncated and written again: thousands would take minutes
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    std::size_t const written = bytes.empty() ? 0 : std::fwrite(bytes.data(), 1, bytes.size(), file);
    REQUIRE(std::fclose(file) == 0);
    REQUIRE(written == bytes.size());
    return path;
}

inline std::string read_bytes(std::string const& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    REQUIRE(file != nullptr);
    std::string bytes(std::filesystem::file_size(path), '\0');
    std::size_t const got = bytes.empty() ? 0 : std::fread(bytes.data(), 1, bytes.size(), file);
    REQUIRE(std::fclose(file) == 0);
    REQUIRE(got == bytes.size());
    return bytes;
}

/// A safetensors file with this header text and this many bytes of data.
inline std::string safetensors_bytes(std::string const& header, std::size_t data_bytes) {
    std::string bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 255);
    bytes += header;
    return bytes.append(data_bytes, '\0');
}

#define CHECK_CONTAINS(text, part)                                 \
    do {                                                           \
        std::string const got_ = (text);                           \
        CHECK_MESSAGE(got_.find(part) != std::string::npos, got_); \
    } while (false)
