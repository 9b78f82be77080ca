// The functions of atomic_file.hpp that no network type touches.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <climits>

#include "atomic_file.hpp"
#include "file_descriptor.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE AtomicFile::~AtomicFile() {
    if (!committed_) ::unlink(temporary_path_.c_str());
}

STRATA_DEFINE STRATA_COLD void AtomicFile::commit() {
    if (::fsync(file_.get()) != 0) fail_with_errno(path_, "cannot flush the file to the disk");
    file_.close();
    if (::rename(temporary_path_.c_str(), path_.c_str()) != 0)
        fail_with_errno(path_, "cannot rename the finished temporary file");
    committed_ = true;
    // The rename itself is durable only once the directory is on the disk. A directory that may be written but not
    // read cannot be opened, and some file systems cannot flush one: no reason to call the save a failure.
    FileDescriptor directory(::open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), path_);
    if (directory.get() >= 0 && ::fsync(directory.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
        fail_with_errno(path_, "the file is written, but its directory cannot be flushed to the disk");
}

STRATA_DEFINE STRATA_COLD std::string AtomicFile::directory_of(std::string const& path) {
    auto const slash = path.rfind('/');
    return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

STRATA_DEFINE STRATA_COLD std::string AtomicFile::followed(std::string path) {
    if (path.empty()) fail("cannot write a file: expected a path, got an empty one");
    // Link by link and not by realpath, which refuses a link to a file that is yet to come.
    std::string const given = path;
    for (int links = 0;; ++links) {
        struct stat status{};
        if (::lstat(path.c_str(), &status) != 0) {
            if (errno != ENOENT) fail_with_errno(given, "cannot write the file");
            return path;
        }
        if (!S_ISLNK(status.st_mode)) {
            if (!S_ISREG(status.st_mode))
                fail(given, ": cannot write the file: something that is not a regular file has this name");
            check_may_be_replaced(given, path, status);
            return path;
        }
        constexpr int most_links = 40;  // as Linux
        errno = ELOOP;
        if (links == most_links) fail_with_errno(given, "cannot follow the symbolic link");
        char target[PATH_MAX];
        auto const length = ::readlink(path.c_str(), target, sizeof target);
        if (length < 0) fail_with_errno(given, "cannot follow the symbolic link");
        std::string const text(target, static_cast<std::size_t>(length));
        path = text.starts_with('/') ? text : directory_of(path) + text;
    }
}

STRATA_DEFINE STRATA_COLD void AtomicFile::check_may_be_replaced(std::string const& given, std::string const& path,
                                                                 struct stat const& file) {
    struct stat directory{};
    auto const user = ::geteuid();
    if (::stat(directory_of(path).c_str(), &directory) == 0 && (directory.st_mode & S_ISVTX) != 0 && user != 0 &&
        user != file.st_uid && user != directory.st_uid)
        fail(given,
             ": cannot write the file: it belongs to another user, in a directory where only owners may "
             "replace files");
}

STRATA_DEFINE STRATA_COLD int AtomicFile::open_temporary(std::string const& path, std::string& temporary_path) {
    static std::atomic<unsigned> counter{0};
    struct stat old{};
    bool const replaces = ::stat(path.c_str(), &old) == 0;
    for (;;) {
        // A name of its own rather than path + suffix: a name of 255 characters must stay writable.
        temporary_path =
            concatenate(directory_of(path), ".strata-", static_cast<long>(::getpid()), '-', ++counter, ".tmp");
        int const descriptor = ::open(temporary_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0) {
            // Permissions are kept where possible; a file of another owner may not allow it.
            if (replaces) static_cast<void>(::fchmod(descriptor, old.st_mode & 0777) == 0);
            return descriptor;
        }
        if (errno != EEXIST) fail_with_errno(path, "cannot create a temporary file beside it");
    }
}

}  // namespace strata::inline STRATA_ABI
