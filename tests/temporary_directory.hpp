// A directory of a test's own, removed with everything in it at the end of the scope, and what an action throws.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <strata/core/error.hpp>
#include <string>

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        // mkdtemp puts letters in the place of six X.
        std::string name = (std::filesystem::temp_directory_path() / "strata_").string() + std::string(6, 'X');
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    TemporaryDirectory(TemporaryDirectory const&) = delete;
    TemporaryDirectory& operator=(TemporaryDirectory const&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

    std::string const& path() const { return path_; }
    std::string operator/(std::string const& name) const { return path_ + "/" + name; }

    /// Makes a file of these bytes, a string or vector; returns its path.
    template <class Bytes = std::string>
    std::string write(std::string const& name, Bytes const& bytes) const {
        std::FILE* const file = std::fopen((*this / name).c_str(), "wb");
        REQUIRE(file != nullptr);
        if (!bytes.empty()) REQUIRE(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
        REQUIRE(std::fclose(file) == 0);
        return *this / name;
    }
    /// Number of files in it, hidden ones too: shows temporary files left behind.
    std::size_t file_count() const {
        std::size_t count = 0;
        for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator(path_)) ++count;
        return count;
    }

private:
    std::string path_;
};

/// The message of the strata::Error that `action` throws; a failed check when it throws none.
template <class Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (strata::Error const& error) { return error.what(); }
    FAIL("no strata::Error was thrown");
    return {};
}
