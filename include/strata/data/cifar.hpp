// CIFAR-10 and CIFAR-100 in their binary versions.
//
// A file is a sequence of records: one label byte (CIFAR-100: the coarse, then the fine label), then 3072 bytes of a
// 32 x 32 image, [3][32][32], red, green, blue.
// Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
// https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/fixed_array.hpp"
#include "dataset.hpp"
#include "gzip.hpp"

namespace strata::inline STRATA_ABI {

/// Which of its two labels a CIFAR-100 image gets: one of 100 classes or one of 20 superclasses.
enum class Cifar100Labels : std::uint8_t { fine, coarse };

/// How a record of a CIFAR file begins.
struct CifarFormat {
    std::size_t label_bytes = 1;  ///< before the pixels
    std::size_t label_at = 0;     ///< the one that is used
    int classes = 10;
};

namespace detail {
/// The first `count` bytes, and room for more.
STRATA_COLD inline AlignedVector<std::byte> with_room(AlignedVector<std::byte> const& bytes, std::size_t count,
                                                      std::size_t room) {
    AlignedVector<std::byte> more(room);
    std::memcpy(more.data(), bytes.data(), count);
    return more;
}
}  // namespace detail

/// The records of these files, in this order, as samples [3][32][32]. A file, plain or compressed with gzip, may hold any
/// number of records but none. Throws Error when one is missing or empty, has a torn record, or a label out of range.
STRATA_COLD inline Dataset cifar_records(std::vector<std::string> const& paths, CifarFormat format) {
    constexpr std::size_t pixels = 3 * 32 * 32, block = 256;
    std::size_t const record = format.label_bytes + pixels;
    FixedArray<std::uint8_t> buffer(block * record);
    std::uint64_t on_disk = 0;
    for (auto const& path : paths) on_disk += InputFile(path).size();
    std::size_t count = 0, room = on_disk / record;  // as many as there are where nothing is compressed
    AlignedVector<std::byte> images(room * pixels), labels(room);
    for (auto const& path : paths) {
        GzipFile file(path);
        std::size_t done = 0;
        for (std::size_t got = block * record; got == block * record;) {
            got = file.read(buffer.data(), block * record);
            // A tar archive says so at byte 257 of its first header.
            if (done == 0 && got > 512 && std::memcmp(buffer.data() + 257, "ustar", 5) == 0)
                fail(path, " is an archive: unpack it with tar -xf and give the directory with its .bin files");
            if (done + got == 0) fail(path, " is empty, expected records of ", record, " bytes");
            if (got % record != 0)
                fail(path, " has ", done * record + got, " bytes, expected a multiple of ", record,
                     ", the size of a record: it is truncated or not a binary CIFAR file");
            if (count + got / record > room) {
                room = 2 * (count + got / record);
                images = detail::with_room(images, count * pixels, room * pixels);
                labels = detail::with_room(labels, count, room);
            }
            for (std::size_t i = 0; i < got / record; ++i, ++done, ++count) {
                std::uint8_t const* const bytes = buffer.data() + i * record;
                std::uint8_t const label = bytes[format.label_at];
                if (label >= format.classes)
                    fail(path, ": label ", +label, " of record ", done, " is not in 0 to ", format.classes - 1);
                labels[count] = std::byte(label);
                std::memcpy(images.data() + count * pixels, bytes + format.label_bytes, pixels);
            }
        }
    }
    return from_memory(Samples(DataType::uint8, std::move(images), count * pixels), SampleShape{3, 32, 32},
                       std::span(reinterpret_cast<std::uint8_t const*>(labels.data()), count), format.classes);
}

namespace detail {
STRATA_COLD inline std::vector<std::string> cifar_paths(std::string const& directory,
                                                        std::initializer_list<char const*> names, char const* archive) {
    std::vector<std::string> paths;
    for (char const* const name : names) {
        paths.push_back(plain_or_gzip(directory, name));
        if (!paths.back().empty()) continue;
        if (readable(directory))
            fail(directory, " is a file, expected the directory with the .bin files of ", archive, ", unpacked");
        if (readable(concatenate(directory, "/", archive)))
            fail("there is no readable ", name, " in ", directory, ", but ", archive, ": unpack it with tar -xf and ",
                 "give the directory with its .bin files");
        fail("there is no readable ", name, " or ", name, ".gz in ", directory, ": unpack ", archive,
             " of https://www.cs.toronto.edu/~kriz/cifar.html and give the directory with its .bin files");
    }
    return paths;
}
inline constexpr char const* cifar10_archive = "cifar-10-binary.tar.gz";
inline constexpr char const* cifar100_archive = "cifar-100-binary.tar.gz";

// Plain pointers: a hundred std::string constructors in a row are slow to compile.
inline constexpr char const* cifar10_classes[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                  "dog",      "frog",       "horse", "ship", "truck"};
inline constexpr char const* cifar100_classes[] = {
    "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
    "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
    "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
    "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
    "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
    "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
    "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
    "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
    "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
    "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
    "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
    "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
    "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
    "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
    "woman",      "worm"};
inline constexpr char const* cifar100_superclasses[] = {"aquatic_mammals",
                                                        "fish",
                                                        "flowers",
                                                        "food_containers",
                                                        "fruit_and_vegetables",
                                                        "household_electrical_devices",
                                                        "household_furniture",
                                                        "insects",
                                                        "large_carnivores",
                                                        "large_man-made_outdoor_things",
                                                        "large_natural_outdoor_scenes",
                                                        "large_omnivores_and_herbivores",
                                                        "medium_mammals",
                                                        "non-insect_invertebrates",
                                                        "people",
                                                        "reptiles",
                                                        "small_mammals",
                                                        "trees",
                                                        "vehicles_1",
                                                        "vehicles_2"};

STRATA_COLD inline Dataset cifar10_images(std::vector<std::string> const& paths) {
    return cifar_records(paths, {}).with_class_names(strings(cifar10_classes));
}
STRATA_COLD inline Dataset cifar100_images(std::vector<std::string> const& paths, Cifar100Labels labels) {
    bool const fine = labels == Cifar100Labels::fine;
    auto const data = cifar_records(paths, {.label_bytes = 2, .label_at = fine ? 1u : 0u, .classes = fine ? 100 : 20});
    return fine ? data.with_class_names(strings(cifar100_classes))
                : data.with_class_names(strings(cifar100_superclasses));
}
}  // namespace detail

/// The test images of CIFAR-10 alone, from a directory with test_batch.bin, plain or .gz.
STRATA_COLD inline Dataset cifar10_test(std::string const& directory) {
    return detail::cifar10_images(detail::cifar_paths(directory, {"test_batch.bin"}, detail::cifar10_archive));
}

/// CIFAR-10 from a directory with data_batch_1.bin … data_batch_5.bin and test_batch.bin, plain or .gz.
STRATA_COLD inline TrainTest cifar10(std::string const& directory) {
    auto const train = detail::cifar_paths(
        directory, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
        detail::cifar10_archive);
    auto test = cifar10_test(directory);
    return {detail::cifar10_images(train), std::move(test)};
}

/// The test images of CIFAR-100 alone, from a directory with test.bin, plain or .gz.
STRATA_COLD inline Dataset cifar100_test(std::string const& directory, Cifar100Labels labels = Cifar100Labels::fine) {
    return detail::cifar100_images(detail::cifar_paths(directory, {"test.bin"}, detail::cifar100_archive), labels);
}

/// CIFAR-100 from a directory with train.bin and test.bin, plain or .gz, with the names of its classes.
STRATA_COLD inline TrainTest cifar100(std::string const& directory, Cifar100Labels labels = Cifar100Labels::fine) {
    auto const train = detail::cifar_paths(directory, {"train.bin"}, detail::cifar100_archive);
    auto test = cifar100_test(directory, labels);
    return {detail::cifar100_images(train, labels), std::move(test)};
}

}  // namespace strata::inline STRATA_ABI
