// IDX files, the format of MNIST and its family, plain or compressed with gzip.
//
// An IDX file is: two zero bytes, a type code (0x08: unsigned bytes, 0x09: signed bytes, 0x0B: short, 0x0C: int,
// 0x0D: float, 0x0E: double), the number of dimensions, each dimension as a big-endian 32-bit integer, then the values,
// big-endian, the last dimension fastest.
// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "dataset.hpp"
#include "gzip.hpp"

namespace strata::inline STRATA_ABI {

/// Element types of IDX files, by their codes.
enum class IdxType : std::uint8_t { uint8 = 8, int8 = 9, int16 = 11, int32 = 12, float32 = 13, float64 = 14 };

/// The content of an IDX file.
struct IdxArray {
    std::vector<std::int64_t> dimensions;
    IdxType type = IdxType::uint8;
    std::vector<std::uint8_t> bytes;  ///< of the values as they stand in the file, big-endian

    [[nodiscard]] std::size_t element_bytes() const {
        return type == IdxType::uint8 || type == IdxType::int8 ? 1
               : type == IdxType::int16                        ? 2
               : type == IdxType::float64                      ? 8
                                                               : 4;
    }
    /// Number of values.
    [[nodiscard]] std::size_t size() const { return bytes.size() / element_bytes(); }
    /// The i-th value, exact; i < size().
    [[nodiscard]] STRATA_COLD double value(std::size_t i) const {
        std::size_t const width = element_bytes();
        std::uint64_t bits = 0;
        for (std::size_t k = 0; k < width; ++k) bits = bits << 8 | bytes[i * width + k];
        switch (type) {
            case IdxType::uint8:
                return static_cast<double>(bits);
            case IdxType::float32:
                return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
            case IdxType::float64:
                return std::bit_cast<double>(bits);
            default:  // signed: from the upper bits down, with the sign
                return static_cast<double>(static_cast<std::int64_t>(bits << (64 - 8 * width)) >> (64 - 8 * width));
        }
    }
};

/// Reads an IDX file with this many dimensions (1 for labels, 3 for images). Throws Error, naming the file, unless it is
/// exactly that. No memory is reserved on the word of the header.
STRATA_COLD inline IdxArray read_idx(std::string const& path, int dimensions) {
    GzipFile file(path);
    auto const rank = static_cast<std::size_t>(dimensions);
    std::array<std::uint8_t, 4 + 4 * 255> header{};
    std::size_t const header_size = 4 + 4 * rank, got = file.read(header.data(), header_size);
    if (got < 4) fail(path, " is not an IDX file: it has ", got, " bytes, too few for a header");
    if (header[0] != 0 || header[1] != 0)
        fail(path, " is not an IDX file: it begins with bytes ", +header[0], " ", +header[1], ", expected 0 0");
    if (header[2] < 8 || header[2] > 14 || header[2] == 10)
        fail(path, " has IDX type code ", +header[2], " at byte 2, expected 8 (unsigned bytes), 9, 11, 12, 13 or 14");
    if (header[3] != dimensions)
        fail(path, " has ", +header[3], " dimensions (byte 3), expected ", dimensions,
             dimensions == 1 ? ": is it a file of labels?" : ": is it a file of images?");
    if (got < header_size)
        fail(path, " is truncated: it ends after ", got, " of ", header_size, " bytes of its header");

    IdxArray array;
    array.type = static_cast<IdxType>(header[2]);
    std::uint64_t expected = array.element_bytes();
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
    array.bytes = file.read_at_most(expected);
    if (array.bytes.size() < expected)
        fail(path, " is truncated: it has ", array.bytes.size(), " of the ", expected,
             " bytes of data that its header announces");
    std::uint8_t extra = 0;
    if (file.read(&extra, 1) != 0)
        fail(path, " has trailing bytes after the ", expected, " bytes of data that its header announces");
    return array;
}

namespace detail {
/// The values without loss: bytes as they are, other types as float where that holds them all, else as double.
STRATA_COLD inline Samples idx_samples(IdxArray array) {
    if (array.type == IdxType::uint8) return Samples(std::move(array.bytes));
    bool const wide = array.type == IdxType::int32 || array.type == IdxType::float64;
    auto const type = wide ? DataType::float64 : DataType::float32;
    std::size_t const n = array.size();
    AlignedVector<std::byte> values(n * size_of(type));
    for (std::size_t i = 0; i < n; ++i) {
        double const value = array.value(i);
        float const narrow = static_cast<float>(value);
        std::memcpy(values.data() + i * size_of(type), wide ? static_cast<void const*>(&value) : &narrow,
                    size_of(type));
    }
    return {type, std::move(values), n};
}
}  // namespace detail

/// Images [N][H][W] and labels [N] of two IDX files, as samples [1][H][W]: uint8 for unsigned bytes, float32 for int8,
/// int16 and float32, float64 for int32 and float64; only uint8 is divided by 255. Throws Error when a file is missing,
/// damaged or foreign, when the counts differ, or when a label is no whole number or not in 0 … classes - 1.
STRATA_COLD inline Dataset idx_images(std::string const& images_path, std::string const& labels_path,
                                      int classes = 10) {
    IdxArray images = read_idx(images_path, 3);
    IdxArray const labels = read_idx(labels_path, 1);
    if (images.dimensions[0] != labels.dimensions[0])
        fail(images_path, " has ", images.dimensions[0], " images, but ", labels_path, " has ", labels.dimensions[0],
             " labels");
    std::vector<std::int32_t> classes_of(labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
        double const label = labels.value(i);
        if (!(label >= 0 && label < classes))
            fail(labels_path, ": label ", label, " of image ", i, " is not in 0 to ", classes - 1);
        classes_of[i] = static_cast<std::int32_t>(label);
        if (static_cast<double>(classes_of[i]) != label)
            fail(labels_path, ": label ", label, " of image ", i, " is not a whole number");
    }
    SampleShape const shape{1, static_cast<int>(images.dimensions[1]), static_cast<int>(images.dimensions[2])};
    return from_memory(detail::idx_samples(std::move(images)), shape, classes_of, classes);
}

namespace detail {
/// What is to be known of a data set in MNIST's form.
struct MnistFamily {
    char const* class_names[10];
    char const* advice;  ///< ends the sentence about a missing file
};
inline constexpr MnistFamily mnist_digits{{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
                                          "put the four files of MNIST there"};

/// The files of one part, "train" or "t10k". Archives from Kaggle have a dot in the names, "train-images.idx3-ubyte".
struct MnistPart {
    std::string images, labels;
};
STRATA_COLD inline MnistPart mnist_part(std::string const& directory, char const* part, MnistFamily const& family) {
    auto const find = [&](char const* what) {
        std::string name = concatenate(part, what);
        std::string path = plain_or_gzip(directory, name);
        if (!path.empty()) return path;
        std::string dotted = name;
        dotted[dotted.find("-idx")] = '.';
        path = plain_or_gzip(directory, dotted);
        if (path.empty()) fail("there is no readable ", name, " or ", name, ".gz in ", directory, ": ", family.advice);
        return path;
    };
    return {find("-images-idx3-ubyte"), find("-labels-idx1-ubyte")};
}
STRATA_COLD inline Dataset mnist_images(MnistPart const& part, MnistFamily const& family) {
    return idx_images(part.images, part.labels).with_class_names(strings(family.class_names));
}
STRATA_COLD inline TrainTest mnist_family(std::string const& directory, MnistFamily const& family) {
    auto const train = mnist_part(directory, "train", family), test = mnist_part(directory, "t10k", family);
    TrainTest data{mnist_images(train, family), mnist_images(test, family)};
    if (data.train.shape() != data.test.shape())
        fail("the images of ", train.images, " and ", test.images, " differ in size");
    return data;
}
}  // namespace detail

/// MNIST from a directory with its four files, train-images-idx3-ubyte and so on (or train-images.idx3-ubyte), plain or
/// .gz.
inline TrainTest mnist(std::string const& directory) { return detail::mnist_family(directory, detail::mnist_digits); }

/// The test images of MNIST alone, from a directory with the two t10k files.
inline Dataset mnist_test(std::string const& directory) {
    return detail::mnist_images(detail::mnist_part(directory, "t10k", detail::mnist_digits), detail::mnist_digits);
}

namespace detail {
inline constexpr char const* fashion_mnist_directory = "/usr/share/datasets/fashion-mnist";
inline constexpr MnistFamily fashion_items{
    {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
    "install the Debian package dataset-fashion-mnist (its files are in "
    "/usr/share/datasets/fashion-mnist) or put the four files of "
    "github.com/zalandoresearch/fashion-mnist there"};
}  // namespace detail

/// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from a directory with its four files, plain or .gz; by default where
/// Debian's package puts them.
inline TrainTest fashion_mnist(std::string const& directory = detail::fashion_mnist_directory) {
    return detail::mnist_family(directory, detail::fashion_items);
}

/// The test images of Fashion-MNIST alone, from a directory with the two t10k files.
inline Dataset fashion_mnist_test(std::string const& directory = detail::fashion_mnist_directory) {
    return detail::mnist_images(detail::mnist_part(directory, "t10k", detail::fashion_items), detail::fashion_items);
}

}  // namespace strata::inline STRATA_ABI
