// IDX files, the format of MNIST and its family, plain or compressed with gzip.
//
// An IDX file is: two zero bytes, a type code (0x08: unsigned bytes), the number of dimensions, each dimension as a
// big-endian 32-bit integer, then the values, the last dimension fastest.
// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "dataset.hpp"
#include "gzip.hpp"

namespace strata::inline STRATA_ABI {

/// The content of an IDX file of unsigned bytes.
struct IdxArray {
    std::vector<std::int64_t> dimensions;
    std::vector<std::uint8_t> values;
};

/// Reads an IDX file of unsigned bytes with this many dimensions (1 for labels, 3 for images). Throws Error, naming the
/// file, unless it is exactly that. No memory is reserved on the word of the header.
STRATA_COLD inline IdxArray read_idx(std::string const& path, int dimensions) {
    GzipFile file(path);
    auto const rank = static_cast<std::size_t>(dimensions);
    std::array<std::uint8_t, 4 + 4 * 255> header{};
    std::size_t const header_size = 4 + 4 * rank, got = file.read(header.data(), header_size);
    if (got < 4) fail(path, " is not an IDX file: it has ", got, " bytes, too few for a header");
    if (header[0] != 0 || header[1] != 0)
        fail(path, " is not an IDX file: it begins with bytes ", +header[0], " ", +header[1], ", expected 0 0");
    if (header[2] != 0x08) fail(path, " has IDX type code ", +header[2], " at byte 2, expected 8 (unsigned bytes)");
    if (header[3] != dimensions)
        fail(path, " has ", +header[3], " dimensions (byte 3), expected ", dimensions,
             dimensions == 1 ? ": is it a file of labels?" : ": is it a file of images?");
    if (got < header_size)
        fail(path, " is truncated: it ends after ", got, " of ", header_size, " bytes of its header");

    IdxArray array;
    std::uint64_t expected = 1;
    for (std::size_t d = 0; d < rank; ++d) {
        std::uint8_t const* const b = header.data() + 4 + 4 * d;
        std::uint32_t const extent =
            std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
        if (extent == 0) fail(path, " is empty: dimension ", d, " is 0");
        if (extent > static_cast<std::uint32_t>((std::numeric_limits<std::int32_t>::max)()) ||
            expected > (std::numeric_limits<std::uint64_t>::max)() / 4 / extent)
            fail(path, ": dimension ", d, " is ", extent, " (byte ", 4 + 4 * d, "), more than any file holds");
        expected *= extent;
        array.dimensions.push_back(extent);
    }
    if (!file.compressed() && file.size_on_disk() - header_size < expected)
        fail(path, " is truncated: it has ", file.size_on_disk() - header_size, " of the ", expected,
             " bytes of data that its header announces");
    array.values = file.read_at_most(expected);
    if (array.values.size() < expected)
        fail(path, " is truncated: it has ", array.values.size(), " of the ", expected,
             " bytes of data that its header announces");
    std::uint8_t extra = 0;
    if (file.read(&extra, 1) != 0)
        fail(path, " has trailing bytes after the ", expected, " bytes of data that its header announces");
    return array;
}

/// Images [N][H][W] and labels [N] of two IDX files, as samples [1][H][W]. Throws Error when a file is missing, damaged
/// or foreign, when the counts differ, or when a label is not in 0 … classes - 1.
STRATA_COLD inline Dataset idx_images(std::string const& images_path, std::string const& labels_path,
                                      int classes = 10) {
    IdxArray images = read_idx(images_path, 3);
    IdxArray const labels = read_idx(labels_path, 1);
    if (images.dimensions[0] != labels.dimensions[0])
        fail(images_path, " has ", images.dimensions[0], " images, but ", labels_path, " has ", labels.dimensions[0],
             " labels");
    for (std::size_t i = 0; i < labels.values.size(); ++i)
        if (labels.values[i] >= classes)
            fail(labels_path, ": label ", +labels.values[i], " of image ", i, " is not in 0 to ", classes - 1);
    SampleShape const shape{1, static_cast<int>(images.dimensions[1]), static_cast<int>(images.dimensions[2])};
    return from_memory(std::move(images.values), shape, labels.values, classes);
}

namespace detail {
/// The four files of the MNIST family; `advice` ends the sentence about a missing one.
STRATA_COLD inline TrainTest mnist_family(std::string const& directory, std::initializer_list<char const*> class_names,
                                          char const* advice) {
    auto const find = [&](char const* name) {
        std::string path = concatenate(directory, "/", name);
        if (readable(path)) return path;
        if (readable(path + ".gz")) return path + ".gz";
        fail("there is no readable ", name, " or ", name, ".gz in ", directory, ": ", advice);
    };
    std::string const train_images = find("train-images-idx3-ubyte"), train_labels = find("train-labels-idx1-ubyte");
    std::string const test_images = find("t10k-images-idx3-ubyte"), test_labels = find("t10k-labels-idx1-ubyte");
    std::vector<std::string> const names(class_names.begin(), class_names.end());
    TrainTest data{idx_images(train_images, train_labels).with_class_names(names),
                   idx_images(test_images, test_labels).with_class_names(names)};
    if (data.train.shape() != data.test.shape())
        fail("the images of ", train_images, " and ", test_images, " differ in size");
    return data;
}
}  // namespace detail

/// MNIST from a directory with its four files, train-images-idx3-ubyte and so on, plain or .gz.
inline TrainTest mnist(std::string const& directory) {
    return detail::mnist_family(directory, {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
                                "put the four files of MNIST there");
}

/// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from a directory with its four files, plain or .gz; by default where
/// Debian's package puts them.
inline TrainTest fashion_mnist(std::string const& directory = "/usr/share/datasets/fashion-mnist") {
    return detail::mnist_family(
        directory,
        {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
        "install the Debian package dataset-fashion-mnist (its files are in "
        "/usr/share/datasets/fashion-mnist) or put the four files of "
        "github.com/zalandoresearch/fashion-mnist there");
}

}  // namespace strata::inline STRATA_ABI
