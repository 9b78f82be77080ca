// A file opened for reading, whose errors are sentences.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// True when there is a regular file of this name that can be opened for reading; archives of MNIST hold directories
/// named like its files.
STRATA_COLD inline bool readable(std::string const& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return false;
    struct stat about{};
    bool const is_regular = fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode);
    std::fclose(file);
    return is_regular;
}

/// A regular file, read from front to back. Throws Error, naming the file, when it cannot be opened or read.
class InputFile {
public:
    STRATA_COLD explicit InputFile(std::string path) : InputFile(std::move(path), "rb") {
        if (!file_) fail("cannot open ", path_, ": ", std::strerror(errno));
        struct stat about{};
        if (fstat(fileno(file_), &about) != 0) fail("cannot examine ", path_, ": ", std::strerror(errno));
        // The size of a pipe or device is unknown, and sizes are what headers are checked against.
        if (!S_ISREG(about.st_mode)) fail(path_, " is not a regular file");
        size_ = static_cast<std::uint64_t>(about.st_size);
    }
    InputFile(InputFile const&) = delete;
    InputFile& operator=(InputFile const&) = delete;
    STRATA_COLD ~InputFile() {
        if (file_) std::fclose(file_);
    }

    [[nodiscard]] std::string const& path() const { return path_; }
    /// Bytes in the file.
    [[nodiscard]] std::uint64_t size() const { return size_; }

    /// Reads up to `bytes` bytes, fewer only at the end of the file; returns their number.
    std::size_t read(void* to, std::size_t bytes) {
        std::size_t const got = std::fread(to, 1, bytes, file_);
        if (got < bytes && std::ferror(file_) != 0) fail("cannot read ", path_, ": ", std::strerror(errno));
        return got;
    }
    /// Continues at the front.
    void rewind() { std::rewind(file_); }

private:
    // A constructor of its own: what the other one throws leaves the destructor at work.
    InputFile(std::string path, char const* mode) : path_(std::move(path)), file_(std::fopen(path_.c_str(), mode)) {}

    std::string path_;
    std::FILE* file_;
    std::uint64_t size_ = 0;
};

}  // namespace strata::inline STRATA_ABI
