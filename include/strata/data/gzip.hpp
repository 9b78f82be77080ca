// Files that may be compressed with gzip. The only header that includes <zlib.h>: programs that read .gz files link
// with -lz; where zlib is not installed, plain files still work and a compressed one ends in a clear error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "input_file.hpp"

#if __has_include(<zlib.h>)
#include <zlib.h>
#endif

namespace strata::inline STRATA_ABI {

/// The path of a file of this name, plain or with .gz behind it, in a directory; empty where there is none to read.
[[nodiscard]] STRATA_COLD inline std::string plain_or_gzip(std::string const& directory, std::string_view name) {
    std::string path = concatenate(directory, "/", name);
    if (readable(path)) return path;
    path += ".gz";
    return readable(path) ? path : "";
}

/// A file read from front to back and decompressed on the way when its first two bytes, not its name, say gzip.
class GzipFile {
public:
    STRATA_COLD explicit GzipFile(std::string path) : file_(std::move(path)) {
        unsigned char magic[2] = {};
        compressed_ = file_.read(magic, 2) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
        file_.rewind();
        if (!compressed_) return;
#if __has_include(<zlib.h>)
        stream_ = gzopen(file_.path().c_str(), "rb");
        if (!stream_) fail("cannot open ", file_.path(), " as a gzip file");
        gzbuffer(stream_, 1u << 17);
#else
        fail(file_.path(),
             " is compressed and this program was built without zlib: decompress it with gunzip, or install "
             "zlib's headers (Debian: zlib1g-dev) and rebuild");
#endif
    }

#if __has_include(<zlib.h>)
    STRATA_COLD ~GzipFile() {
        if (stream_) gzclose(stream_);
    }
#endif

    [[nodiscard]] std::string const& path() const { return file_.path(); }
    [[nodiscard]] bool compressed() const { return compressed_; }
    /// Bytes on disk: of the content where the file is not compressed.
    [[nodiscard]] std::uint64_t size_on_disk() const { return file_.size(); }

    /// Reads up to `bytes` bytes of the content, fewer only at its end; returns their number. Throws Error on damaged
    /// or truncated gzip data.
    std::size_t read(void* to, std::size_t bytes) {
        if (!compressed_) return file_.read(to, bytes);
        std::size_t got = 0;
#if __has_include(<zlib.h>)
        while (got < bytes) {
            auto const chunk = static_cast<unsigned>(std::min<std::size_t>(bytes - got, 1u << 20));
            int const n = gzread(stream_, static_cast<unsigned char*>(to) + got, chunk);
            int code = Z_OK;
            if (n < static_cast<int>(chunk)) gzerror(stream_, &code);
            if (code == Z_BUF_ERROR) fail(path(), " is truncated: the gzip data ends in the middle");
            if (n < 0) fail(path(), " is damaged: the gzip data cannot be decompressed");
            if (n == 0) break;
            got += static_cast<std::size_t>(n);
        }
#endif
        return got;
    }

    /// Reads at most `most` bytes of the content. The memory grows with what is really there, so `most` may come from
    /// an untrusted header.
    std::vector<std::uint8_t> read_at_most(std::uint64_t most) {
        std::vector<std::uint8_t> content;
        while (content.size() < most) {
            std::size_t const have = content.size(), step = std::max<std::size_t>(have, 1u << 20);
            content.resize(have + static_cast<std::size_t>(std::min<std::uint64_t>(step, most - have)));
            std::size_t const got = read(content.data() + have, content.size() - have);
            if (have + got < content.size()) {
                content.resize(have + got);
                break;
            }
        }
        return content;
    }

private:
    InputFile file_;
    bool compressed_ = false;
#if __has_include(<zlib.h>)
    gzFile stream_ = nullptr;
#endif
};

}  // namespace strata::inline STRATA_ABI
