// Writing a file so that a reader sees either the old file or the complete new one, whatever happens in between.
#pragma once

#include <sys/stat.h>

#include "file_descriptor.hpp"

namespace strata::inline STRATA_ABI {

/// A file that appears under its name only on commit(). Until then the bytes go to a temporary file in the same
/// directory, which is removed if the AtomicFile dies uncommitted, and a file that already has the name stays as it is.
///
/// A symbolic link is followed: its target is replaced, or made where it is not there yet. Anything else that is not a
/// regular file is refused, so that saving to /dev/null cannot replace the device. The new file keeps the permissions
/// of the one it replaces.
///
/// Every function throws Error with the path and the text of errno.
class AtomicFile {
public:
    STRATA_COLD explicit AtomicFile(std::string path)
        : path_(followed(std::move(path))), temporary_path_(), file_(open_temporary(path_, temporary_path_), path_) {}
    AtomicFile(AtomicFile const&) = delete;
    AtomicFile& operator=(AtomicFile const&) = delete;
    ~AtomicFile();

    /// Throws what opening `path` would throw, and leaves no trace: for asking before hours of work whether their result
    /// can be written.
    STRATA_COLD static void check(std::string const& path) { AtomicFile const file(path); }

    /// Appends bytes.
    void write(void const* source, std::size_t bytes) { file_.write(source, bytes); }

    /// Makes the file durable and gives it its name. Nothing may be written afterwards. On failure the old file stays,
    /// except when only the directory's fsync fails: then the new file is there, but might not survive a power cut.
    void commit();

private:
    static std::string directory_of(std::string const& path);

    static std::string followed(std::string path);

    // In a directory like /tmp only their owners may replace files.
    static void check_may_be_replaced(std::string const& given, std::string const& path, struct stat const& file);

    static int open_temporary(std::string const& path, std::string& temporary_path);

    std::string path_;
    std::string temporary_path_;
    FileDescriptor file_;
    bool committed_ = false;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "atomic_file.ipp"
#endif
