// A directory of a test's own, removed with everything in it at the end of the scope, and files in it made by hand.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <strata/core/error.hpp>
#include <string>

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "strata_io_XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    TemporaryDirectory(TemporaryDirectory const&) = delete;
    TemporaryDirectory& operator=(TemporaryDirectory const&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

    std::string const& path() const { return path_; }
    std::string operator/(std::string const& name) const { return path_ + "/" + name; }

    /// Number of files in it, hidden ones too: shows temporary files left behind.
    std::size_t file_count() const {
        std::size_t count = 0;
        for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator(path_)) ++count;
        return count;
    }

private:
    std::string path_;
};

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

/// The message of the strata::Error that `action` throws; a failed check when it throws none.
template <class Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (strata::Error const& error) { return error.what(); }
    FAIL("no strata::Error was thrown");
    return {};
}

#define CHECK_CONTAINS(text, part)                                 \
    do {                                                           \
        std::string const got_ = (text);                           \
        CHECK_MESSAGE(got_.find(part) != std::string::npos, got_); \
    } while (false)
