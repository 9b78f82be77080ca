// The functions of file_descriptor.hpp that no network type touches.
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

#include "../core/error.hpp"
#include "file_descriptor.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE void fail_with_errno(std::string_view path, std::string_view what) {
    int const number = errno;
    fail(path, ": ", what, ": ", std::strerror(number));
}

STRATA_DEFINE FileDescriptor::~FileDescriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

STRATA_DEFINE FileDescriptor FileDescriptor::open_to_read(std::string const& path) {
    // O_NONBLOCK: opening a pipe without a writer would wait for ever; it means nothing for a regular file.
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), path);
    if (file.descriptor_ < 0) fail_with_errno(path, "cannot open the file");
    struct stat status{};
    if (::fstat(file.descriptor_, &status) != 0) fail_with_errno(path, "cannot find out the size of the file");
    if (!S_ISREG(status.st_mode)) fail(path, ": expected a regular file");
    return file;
}

STRATA_DEFINE std::uint64_t FileDescriptor::size() const {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0) fail_with_errno(path_, "cannot find out the size of the file");
    return static_cast<std::uint64_t>(status.st_size);
}

STRATA_DEFINE void FileDescriptor::read(void* destination, std::size_t bytes) {
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

STRATA_DEFINE void FileDescriptor::write(void const* source, std::size_t bytes) {
    auto const* from = static_cast<char const*>(source);
    while (bytes > 0) {
        auto const put = ::write(descriptor_, from, (std::min)(bytes, most_at_once));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) fail_with_errno(path_, "cannot write the file");
        from += put;
        bytes -= static_cast<std::size_t>(put);
    }
}

STRATA_DEFINE void FileDescriptor::close() {
    int const descriptor = descriptor_;
    descriptor_ = -1;
    if (::close(descriptor) != 0 && errno != EINTR) fail_with_errno(path_, "cannot close the file");
}

}  // namespace strata::inline STRATA_ABI
