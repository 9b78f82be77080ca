// A file opened for reading, whose errors are sentences.
#pragma once

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
bool readable(std::string const& path);

/// A regular file, read from front to back. Throws Error, naming the file, when it cannot be opened or read.
class InputFile {
public:
    explicit InputFile(std::string path);
    InputFile(InputFile const&) = delete;
    InputFile& operator=(InputFile const&) = delete;
    ~InputFile();

    [[nodiscard]] std::string const& path() const { return path_; }
    /// Bytes in the file.
    [[nodiscard]] std::uint64_t size() const { return size_; }

    /// Reads up to `bytes` bytes, fewer only at the end of the file; returns their number.
    std::size_t read(void* to, std::size_t bytes);
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

#ifndef STRATA_FILES
#include "input_file.ipp"
#endif
