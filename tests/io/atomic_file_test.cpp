// labels: libcxx
#include <strata/io/atomic_file.hpp>

#include <sys/resource.h>
#include <csignal>

#include "files.hpp"

using namespace strata;

namespace {
void write_atomically(std::string const& path, std::string const& bytes) {
    AtomicFile file(path);
    file.write(bytes.data(), bytes.size());
    file.commit();
}

// While it lives, no file of this process can grow beyond `bytes`: a disk that is full, for root too.
class FullDisk {
public:
    explicit FullDisk(rlim_t bytes) {
        old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
        REQUIRE(getrlimit(RLIMIT_FSIZE, &old_) == 0);
        rlimit const limit{bytes, old_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    ~FullDisk() {
        setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }

private:
    rlimit old_{};
    void (*old_handler_)(int) = nullptr;
};
}  // namespace

TEST_CASE("a new file appears, an old one is replaced, nothing else stays") {
    TemporaryDirectory directory;
    auto const path = directory / "file";
    write_atomically(path, "old");
    CHECK(read_bytes(path) == "old");
    write_atomically(path, std::string(100'000, 'x'));
    CHECK(read_bytes(path) == std::string(100'000, 'x'));
    CHECK(directory.file_count() == 1);
}

TEST_CASE("until commit the old file stays, and without commit for ever") {
    TemporaryDirectory directory;
    auto const path = directory / "file";
    write_atomically(path, "old");
    {
        AtomicFile file(path);
        file.write("new", 3);
        CHECK(read_bytes(path) == "old");
        CHECK(directory.file_count() == 2);
    }
    CHECK(read_bytes(path) == "old");
    CHECK(directory.file_count() == 1);
}

TEST_CASE("two writers of one file do not meet: the last commit wins, whole") {
    TemporaryDirectory directory;
    auto const path = directory / "file";
    AtomicFile first(path), second(path);
    first.write("first", 5);
    second.write("second", 6);
    second.commit();
    CHECK(read_bytes(path) == "second");
    first.commit();
    CHECK(read_bytes(path) == "first");
    CHECK(directory.file_count() == 1);
}

TEST_CASE("a full disk: an error with path and reason, the old file stays, the temporary one goes") {
    TemporaryDirectory directory;
    auto const path = directory / "file";
    write_atomically(path, "old");
    std::string message;
    {
        FullDisk full(1000);
        message = error_of([&] { write_atomically(path, std::string(5000, 'x')); });
    }
    CHECK_CONTAINS(message, path + ": cannot write the file: File too large");
    CHECK(read_bytes(path) == "old");
    CHECK(directory.file_count() == 1);
}

TEST_CASE("places that cannot be written") {
    TemporaryDirectory directory;
    CHECK_CONTAINS(error_of([&] { AtomicFile file(directory / "missing/file"); }),
                   directory / "missing/file: cannot create a temporary file beside it: No such file or directory");
    write_bytes(directory / "plain", "x");
    CHECK_CONTAINS(error_of([&] { AtomicFile file(directory / "plain/file"); }), "Not a directory");
    CHECK_CONTAINS(error_of([&] { AtomicFile file(directory.path()); }), "not a regular file");
    CHECK_CONTAINS(error_of([&] { AtomicFile file("/dev/null"); }), "not a regular file");
    CHECK_CONTAINS(error_of([&] { AtomicFile file(""); }), "expected a path");
    CHECK(directory.file_count() == 1);
    if (::geteuid() != 0) {
        std::filesystem::create_directory(directory / "locked");
        std::filesystem::permissions(directory / "locked", std::filesystem::perms{0500});
        CHECK_CONTAINS(error_of([&] { AtomicFile file(directory / "locked/file"); }), "Permission denied");
    } else {
        MESSAGE("a directory without write permission is not tested: root may write everywhere");
    }
}

TEST_CASE("a rename that fails leaves nothing behind") {
    TemporaryDirectory directory;
    auto const path = directory / "file";
    AtomicFile* const file = new AtomicFile(path);
    std::filesystem::create_directory(path);  // a directory took the name meanwhile
    CHECK_CONTAINS(error_of([&] { file->commit(); }), path + ": cannot rename the finished temporary file");
    delete file;
    CHECK(directory.file_count() == 1);
}

TEST_CASE("permissions are kept, links are followed, names may be as long as the file system allows") {
    TemporaryDirectory directory;
    auto const path = directory / "file";
    write_atomically(path, "old");
    std::filesystem::permissions(path, std::filesystem::perms{0640});
    std::filesystem::create_symlink("file", directory / "link");
    write_atomically(directory / "link", "new");
    CHECK(std::filesystem::is_symlink(directory / "link"));
    CHECK(read_bytes(path) == "new");
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms{0640});
    auto const long_name = directory / std::string(255, 'n');
    write_atomically(long_name, "long");
    CHECK(read_bytes(long_name) == "long");
}

TEST_CASE("a link to a file that is yet to come makes it, however many links there are") {
    TemporaryDirectory directory, elsewhere;
    std::filesystem::create_symlink("second", directory / "first");
    std::filesystem::create_symlink(elsewhere / "there", directory / "second");
    AtomicFile::check(directory / "first");
    CHECK(elsewhere.file_count() == 0);
    write_atomically(directory / "first", "new");
    CHECK(read_bytes(elsewhere / "there") == "new");
    CHECK(std::filesystem::is_symlink(directory / "first"));
    CHECK(std::filesystem::is_symlink(directory / "second"));
    write_atomically(directory / "first", "newer");
    CHECK(read_bytes(elsewhere / "there") == "newer");
    CHECK(directory.file_count() == 2);
    CHECK(elsewhere.file_count() == 1);
}

TEST_CASE("what can never be written is refused before a byte is, and asking leaves no trace") {
    TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "directory");
    std::filesystem::create_symlink("missing/file", directory / "dangling");
    std::filesystem::create_symlink("loop", directory / "loop");
    std::filesystem::create_symlink("one", directory / "two");
    std::filesystem::create_symlink("two", directory / "one");
    std::filesystem::create_symlink("directory", directory / "to_directory");
    std::filesystem::create_symlink("/dev/null", directory / "to_null");
    write_bytes(directory / "plain", "x");
    auto const files = directory.file_count();
    for (std::string const& name :
         {std::string("directory"), std::string("directory/"), std::string("new/"), std::string("plain/"),
          std::string("missing/file"), std::string("dangling"), std::string("loop"), std::string("one"),
          std::string("to_directory"), std::string("to_null"), std::string("."), std::string("directory/.."),
          std::string(256, 'n'), std::string("directory/") + std::string(5000, 'n')}) {
        INFO(name);
        auto const message = error_of([&] { AtomicFile::check(directory / name); });
        CHECK_CONTAINS(message, directory.path());
        CHECK_CONTAINS(message, ": cannot ");
        CHECK(message == error_of([&] { AtomicFile file(directory / name); }));
    }
    CHECK_CONTAINS(error_of([&] { AtomicFile::check(directory / "loop"); }), "Too many levels of symbolic links");
    CHECK_CONTAINS(error_of([&] { AtomicFile::check("/dev/null"); }), "not a regular file");
    AtomicFile::check(directory / "plain");
    AtomicFile::check(directory / "directory/file");
    CHECK(directory.file_count() == files);
    CHECK(std::filesystem::is_empty(directory / "directory"));
}

TEST_CASE("another user's file in a directory like /tmp can be written, but not replaced") {
    if (::geteuid() != 0) {
        MESSAGE("only root can make one");
        return;
    }
    TemporaryDirectory directory;
    std::filesystem::permissions(directory.path(), std::filesystem::perms{01777});
    auto const path = write_bytes(directory / "file", "x");
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
    REQUIRE(::seteuid(65534) == 0);
    std::string message;
    try {
        AtomicFile::check(path);
    } catch (Error const& error) { message = error.what(); }
    REQUIRE(::seteuid(0) == 0);
    CHECK_CONTAINS(message, path + ": cannot write the file: it belongs to another user");
    CHECK(directory.file_count() == 1);
}

TEST_CASE("a relative name") {
    TemporaryDirectory directory;
    auto const here = std::filesystem::current_path();
    std::filesystem::current_path(directory.path());
    write_atomically("file", "here");
    std::filesystem::current_path(here);
    CHECK(read_bytes(directory / "file") == "here");
}

TEST_CASE("reading: only regular files that exist") {
    TemporaryDirectory directory;
    CHECK(error_of([&] { FileDescriptor::open_to_read(directory / "none"); }) ==
          directory / "none: cannot open the file: No such file or directory");
    CHECK_CONTAINS(error_of([&] { FileDescriptor::open_to_read(directory.path()); }), "expected a regular file");
    REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
    CHECK_CONTAINS(error_of([&] { FileDescriptor::open_to_read(directory / "pipe"); }), "expected a regular file");
    auto file = FileDescriptor::open_to_read(write_bytes(directory / "file", "abc"));
    CHECK(file.size() == 3);
    char bytes[8];
    CHECK_CONTAINS(error_of([&] { file.read(bytes, 8); }), "ends 5 bytes too early");
}
