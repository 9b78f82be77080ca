// Runs an example program in a directory of the test's own, and makes small data sets for it.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "../temporary_directory.hpp"

/// What a program left behind.
struct Run {
    int exit_code = -1;
    std::string output, errors;

    /// The last line of the output, without its end.
    std::string last_line() const {
        auto const end = output.find_last_not_of('\n');
        if (end == std::string::npos) return "";
        auto const begin = output.rfind('\n', end);
        return output.substr(begin == std::string::npos ? 0 : begin + 1,
                             end - (begin == std::string::npos ? 0 : begin + 1) + 1);
    }
};

class Directory : public TemporaryDirectory {
public:
    /// Runs an example in this directory; `arguments` are words for the shell.
    Run run(std::string const& program, std::string const& arguments) const {
        std::string const command = "cd '" + path() + "' && '" STRATA_EXAMPLES_DIR "/" + program + "' " + arguments +
                                    " > .output 2> .errors < /dev/null";
        int const status = std::system(command.c_str());
        Run run{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(".output"), read(".errors")};
        std::filesystem::remove(*this / ".output");
        std::filesystem::remove(*this / ".errors");
        return run;
    }
    std::string read(std::string const& name) const {
        std::ifstream file(*this / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void write(std::string const& name, std::string const& bytes) const {
        std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
        std::ofstream file(*this / name, std::ios::binary);
        file << bytes;
        REQUIRE(file.good());
    }
    /// The names of all files in it, hidden ones and those in directories too.
    std::set<std::string> files() const {
        std::set<std::string> names;
        for (auto const& entry : std::filesystem::recursive_directory_iterator(path()))
            if (entry.is_regular_file()) names.insert(std::filesystem::relative(entry.path(), path()).string());
        return names;
    }
};

/// An image [channels][height][width] of one class: grey noise with a bright stripe whose place tells the class, so
/// that a network can learn it.
inline std::string image_of_class(int label, int number, int channels, int height, int width) {
    std::string image;
    auto state = static_cast<std::uint32_t>(number + 1) * 2654435761u;
    for (int c = 0; c < channels; ++c)
        for (int h = 0; h < height; ++h)
            for (int w = 0; w < width; ++w) {
                state = state * 1664525u + 1013904223u;
                image += static_cast<char>((state >> 26) + (h * 10 / height == label ? 160u : 0u));
            }
    return image;
}

/// Fails unless the program ended with exactly one sentence on standard error that contains `part`,
/// and a non-zero exit code.
inline void check_one_sentence(Run const& run, std::string const& part) {
    INFO("output: ", run.output, "\nerrors: ", run.errors);
    CHECK(run.exit_code == 1);
    CHECK(run.output.empty());
    CHECK(run.errors.find(part) != std::string::npos);
    CHECK(run.errors.find('\n') == run.errors.size() - 1);
}
