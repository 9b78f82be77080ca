// An open POSIX file that closes itself.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// Throws Error "path: what: <text of errno>".
[[noreturn]] inline void fail_with_errno(std::string_view path, std::string_view what) {
    int const number = errno;
    fail(path, ": ", what, ": ", std::strerror(number));
}

/// Owns a file descriptor. The path is kept for messages only.
class FileDescriptor {
public:
    FileDescriptor(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    FileDescriptor(FileDescriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
    FileDescriptor(FileDescriptor const&) = delete;
    FileDescriptor& operator=(FileDescriptor const&) = delete;
    ~FileDescriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    /// Opens a regular file for reading. Throws Error when it does not exist, cannot be read or is something else (a
    /// directory, a pipe).
    static FileDescriptor open_to_read(std::string const& path) {
        // O_NONBLOCK: opening a pipe without a writer would wait for ever; it means nothing for a regular file.
        FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), path);
        if (file.descriptor_ < 0) fail_with_errno(path, "cannot open the file");
        struct stat status{};
        if (::fstat(file.descriptor_, &status) != 0) fail_with_errno(path, "cannot find out the size of the file");
        if (!S_ISREG(status.st_mode)) fail(path, ": expected a regular file");
        return file;
    }

    [[nodiscard]] int get() const { return descriptor_; }

    /// Bytes in the file now.
    [[nodiscard]] std::uint64_t size() const {
        struct stat status{};
        if (::fstat(descriptor_, &status) != 0) fail_with_errno(path_, "cannot find out the size of the file");
        return static_cast<std::uint64_t>(status.st_size);
    }

    /// Reads exactly `bytes` bytes. Throws Error when the file ends before.
    void read(void* destination, std::size_t bytes) {
        auto* to = static_cast<char*>(destination);
        while (bytes > 0) {
            auto const got = ::read(descriptor_, to, (std::min)(bytes, most_at_once));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) fail_with_errno(path_, "cannot read the file");
            if (got == 0) fail(path_, ": the file ends ", bytes, " bytes too early (it was cut while being read)");
            to += got;
            bytes -= static_cast<std::size_t>(got);
        }
    }

    /// Writes all `bytes` bytes.
    void write(void const* source, std::size_t bytes) {
        auto const* from = static_cast<char const*>(source);
        while (bytes > 0) {
            auto const put = ::write(descriptor_, from, (std::min)(bytes, most_at_once));
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) fail_with_errno(path_, "cannot write the file");
            from += put;
            bytes -= static_cast<std::size_t>(put);
        }
    }

    /// Closes now, so that an error is seen (a network file system may report a full disk only here).
    void close() {
        int const descriptor = descriptor_;
        descriptor_ = -1;
        if (::close(descriptor) != 0 && errno != EINTR) fail_with_errno(path_, "cannot close the file");
    }

private:
    static constexpr std::size_t most_at_once = std::size_t{1} << 30;  // Linux moves at most 2 GiB a call

    int descriptor_;
    std::string path_;
};

}  // namespace strata::inline STRATA_ABI
