// The functions of input_file.hpp that no network type touches.
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
#include "input_file.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD bool readable(std::string const& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return false;
    struct stat about{};
    bool const is_regular = fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode);
    std::fclose(file);
    return is_regular;
}

STRATA_DEFINE STRATA_COLD InputFile::InputFile(std::string path) : InputFile(std::move(path), "rb") {
    if (!file_) fail("cannot open ", path_, ": ", std::strerror(errno));
    struct stat about{};
    if (fstat(fileno(file_), &about) != 0) fail("cannot examine ", path_, ": ", std::strerror(errno));
    // The size of a pipe or device is unknown, and sizes are what headers are checked against.
    if (!S_ISREG(about.st_mode)) fail(path_, " is not a regular file");
    size_ = static_cast<std::uint64_t>(about.st_size);
}

STRATA_DEFINE STRATA_COLD InputFile::~InputFile() {
    if (file_) std::fclose(file_);
}

STRATA_DEFINE std::size_t InputFile::read(void* to, std::size_t bytes) {
    std::size_t const got = std::fread(to, 1, bytes, file_);
    if (got < bytes && std::ferror(file_) != 0) fail("cannot read ", path_, ": ", std::strerror(errno));
    return got;
}

}  // namespace strata::inline STRATA_ABI
