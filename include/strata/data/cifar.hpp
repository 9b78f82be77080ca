// CIFAR-10 and CIFAR-100 in their binary versions.
//
// A file is a sequence of records: one label byte (CIFAR-100: the coarse, then the fine label), then 3072 bytes of a
// 32 x 32 image, [3][32][32], red, green, blue.
// Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
// https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/fixed_array.hpp"
#include "dataset.hpp"
#include "input_file.hpp"

namespace strata::inline STRATA_ABI {

/// Which of its two labels a CIFAR-100 image gets: one of 100 classes or one of 20 superclasses.
enum class Cifar100Labels : std::uint8_t { fine, coarse };

/// How a record of a CIFAR file begins.
struct CifarFormat {
    std::size_t label_bytes = 1;  ///< before the pixels
    std::size_t label_at = 0;     ///< the one that is used
    int classes = 10;
};

/// The records of these files, in this order, as samples [3][32][32]. A file may hold any number of records but none.
/// Throws Error when one is missing or empty, has a torn record, or a label out of range.
STRATA_COLD inline Dataset cifar_records(std::vector<std::string> const& paths, CifarFormat format) {
    constexpr std::size_t pixels = 3 * 32 * 32, block = 256;
    std::size_t const record = format.label_bytes + pixels;
    FixedArray<std::uint8_t> buffer(block * record);
    std::size_t total = 0;
    for (auto const& path : paths) {
        std::uint64_t const size = InputFile(path).size();
        if (size == 0) fail(path, " is empty, expected records of ", record, " bytes");
        if (size % record != 0)
            fail(path, " has ", size, " bytes, expected a multiple of ", record,
                 ", the size of a record: it is truncated or not a binary CIFAR file");
        total += static_cast<std::size_t>(size / record);
    }
    FixedArray<std::uint8_t> images(total * pixels), labels(total);
    std::size_t at = 0;
    for (auto const& path : paths) {
        InputFile file(path);
        std::uint64_t const records = file.size() / record;
        for (std::uint64_t done = 0; done < records;) {
            auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(block, records - done));
            if (file.read(buffer.data(), n * record) != n * record) fail(path, " became shorter while it was read");
            for (std::size_t i = 0; i < n; ++i, ++done, ++at) {
                std::uint8_t const* const bytes = buffer.data() + i * record;
                std::uint8_t const label = bytes[format.label_at];
                if (label >= format.classes)
                    fail(path, ": label ", +label, " of record ", done, " is not in 0 to ", format.classes - 1);
                labels[at] = label;
                std::memcpy(images.data() + at * pixels, bytes + format.label_bytes, pixels);
            }
        }
    }
    return from_memory(std::move(images), SampleShape{3, 32, 32}, labels, format.classes);
}

namespace detail {
STRATA_COLD inline std::vector<std::string> cifar_paths(std::string const& directory,
                                                        std::initializer_list<char const*> names, char const* archive) {
    std::vector<std::string> paths;
    for (char const* const name : names) {
        paths.push_back(concatenate(directory, "/", name));
        if (!readable(paths.back()))
            fail("there is no readable ", name, " in ", directory, ": unpack ", archive,
                 " of https://www.cs.toronto.edu/~kriz/cifar.html and give the directory with its .bin files");
    }
    return paths;
}
}  // namespace detail

/// CIFAR-10 from a directory with data_batch_1.bin … data_batch_5.bin and test_batch.bin.
STRATA_COLD inline TrainTest cifar10(std::string const& directory) {
    char const* const archive = "cifar-10-binary.tar.gz";
    auto const train = detail::cifar_paths(
        directory, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
        archive);
    auto const test = detail::cifar_paths(directory, {"test_batch.bin"}, archive);
    // Plain pointers first: ten std::string constructors in a row are slow to compile.
    char const* const classes[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                   "dog",      "frog",       "horse", "ship", "truck"};
    std::vector<std::string> const names(std::begin(classes), std::end(classes));
    return {cifar_records(train, {}).with_class_names(names), cifar_records(test, {}).with_class_names(names)};
}

/// CIFAR-100 from a directory with train.bin and test.bin.
STRATA_COLD inline TrainTest cifar100(std::string const& directory, Cifar100Labels labels = Cifar100Labels::fine) {
    char const* const archive = "cifar-100-binary.tar.gz";
    auto const train = detail::cifar_paths(directory, {"train.bin"}, archive);
    auto const test = detail::cifar_paths(directory, {"test.bin"}, archive);
    bool const fine = labels == Cifar100Labels::fine;
    CifarFormat const format{.label_bytes = 2, .label_at = fine ? 1u : 0u, .classes = fine ? 100 : 20};
    return {cifar_records(train, format), cifar_records(test, format)};
}

}  // namespace strata::inline STRATA_ABI
