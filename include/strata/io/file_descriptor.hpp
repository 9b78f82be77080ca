// An open POSIX file that closes itself.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// Throws Error "path: what: <text of errno>".
[[noreturn]] void fail_with_errno(std::string_view path, std::string_view what);

/// Owns a file descriptor. The path is kept for messages only.
class FileDescriptor {
public:
    FileDescriptor(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    FileDescriptor(FileDescriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
    FileDescriptor(FileDescriptor const&) = delete;
    FileDescriptor& operator=(FileDescriptor const&) = delete;
    ~FileDescriptor();

    /// Opens a regular file for reading. Throws Error when it does not exist, cannot be read or is something else (a
    /// directory, a pipe).
    static FileDescriptor open_to_read(std::string const& path);

    [[nodiscard]] int get() const { return descriptor_; }

    /// Bytes in the file now.
    [[nodiscard]] std::uint64_t size() const;

    /// Reads exactly `bytes` bytes. Throws Error when the file ends before.
    void read(void* destination, std::size_t bytes);

    /// Writes all `bytes` bytes.
    void write(void const* source, std::size_t bytes);

    /// Closes now, so that an error is seen (a network file system may report a full disk only here).
    void close();

private:
    static constexpr std::size_t most_at_once = std::size_t{1} << 30;  // Linux moves at most 2 GiB a call

    int descriptor_;
    std::string path_;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "file_descriptor.ipp"
#endif
