// IDX files, the format of MNIST and its family, plain or compressed with gzip.
//
// An IDX file is: two zero bytes, a type code (0x08: unsigned bytes, 0x09: signed bytes, 0x0B: short, 0x0C: int,
// 0x0D: float, 0x0E: double), the number of dimensions, each dimension as a big-endian 32-bit integer, then the values,
// big-endian, the last dimension fastest.
// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
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

    [[nodiscard]] std::size_t element_bytes() const;
    /// Number of values.
    [[nodiscard]] std::size_t size() const { return bytes.size() / element_bytes(); }
    /// The i-th value, exact; i < size().
    [[nodiscard]] double value(std::size_t i) const;
};

/// Reads an IDX file with this many dimensions (1 for labels, 3 for images). Throws Error, naming the file, unless it is
/// exactly that. No memory is reserved on the word of the header.
IdxArray read_idx(std::string const& path, int dimensions);

namespace detail {
/// The values without loss: bytes as they are, other types as float where that holds them all, else as double.
Samples idx_samples(IdxArray array);
}  // namespace detail

/// Images [N][H][W] and labels [N] of two IDX files, as samples [1][H][W]: uint8 for unsigned bytes, float32 for int8,
/// int16 and float32, float64 for int32 and float64; only uint8 is divided by 255. Throws Error when a file is missing,
/// damaged or foreign, when the counts differ, or when a label is no whole number or not in 0 … classes - 1.
Dataset idx_images(std::string const& images_path, std::string const& labels_path, int classes = 10);

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
MnistPart mnist_part(std::string const& directory, char const* part, MnistFamily const& family);
Dataset mnist_images(MnistPart const& part, MnistFamily const& family);
TrainTest mnist_family(std::string const& directory, MnistFamily const& family);
}  // namespace detail

/// MNIST from a directory with its four files, train-images-idx3-ubyte and so on (or train-images.idx3-ubyte), plain or
/// .gz.
inline TrainTest mnist(std::string const& directory) { return detail::mnist_family(directory, detail::mnist_digits); }

/// The test images of MNIST alone, from a directory with the two t10k files.
Dataset mnist_test(std::string const& directory);

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
TrainTest fashion_mnist(std::string const& directory = detail::fashion_mnist_directory);

/// The test images of Fashion-MNIST alone, from a directory with the two t10k files.
Dataset fashion_mnist_test(std::string const& directory = detail::fashion_mnist_directory);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "idx.ipp"
#endif
