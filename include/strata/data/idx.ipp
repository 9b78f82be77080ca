// The functions of idx.hpp that no network type touches.
#pragma once

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
#include "idx.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::size_t IdxArray::element_bytes() const {
    return type == IdxType::uint8 || type == IdxType::int8 ? 1
           : type == IdxType::int16                        ? 2
           : type == IdxType::float64                      ? 8
                                                           : 4;
}

STRATA_DEFINE STRATA_COLD double IdxArray::value(std::size_t i) const {
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

STRATA_DEFINE STRATA_COLD IdxArray read_idx(std::string const& path, int dimensions) {
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
STRATA_DEFINE STRATA_COLD Samples idx_samples(IdxArray array) {
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

STRATA_DEFINE STRATA_COLD Dataset idx_images(std::string const& images_path, std::string const& labels_path,
                                             int classes) {
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
STRATA_DEFINE STRATA_COLD MnistPart mnist_part(std::string const& directory, char const* part,
                                               MnistFamily const& family) {
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

STRATA_DEFINE STRATA_COLD Dataset mnist_images(MnistPart const& part, MnistFamily const& family) {
    return idx_images(part.images, part.labels).with_class_names(strings(family.class_names));
}

STRATA_DEFINE STRATA_COLD TrainTest mnist_family(std::string const& directory, MnistFamily const& family) {
    auto const train = mnist_part(directory, "train", family), test = mnist_part(directory, "t10k", family);
    TrainTest data{mnist_images(train, family), mnist_images(test, family)};
    if (data.train.shape() != data.test.shape())
        fail("the images of ", train.images, " and ", test.images, " differ in size");
    return data;
}

}  // namespace detail

STRATA_DEFINE Dataset mnist_test(std::string const& directory) {
    return detail::mnist_images(detail::mnist_part(directory, "t10k", detail::mnist_digits), detail::mnist_digits);
}

STRATA_DEFINE TrainTest fashion_mnist(std::string const& directory) {
    return detail::mnist_family(directory, detail::fashion_items);
}

STRATA_DEFINE Dataset fashion_mnist_test(std::string const& directory) {
    return detail::mnist_images(detail::mnist_part(directory, "t10k", detail::fashion_items), detail::fashion_items);
}

}  // namespace strata::inline STRATA_ABI
