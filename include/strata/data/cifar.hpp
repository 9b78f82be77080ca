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
#include <string>
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
AlignedVector<std::byte> with_room(AlignedVector<std::byte> const& bytes, std::size_t count, std::size_t room);
}  // namespace detail

/// The records of these files, in this order, as samples [3][32][32]. A file, plain or compressed with gzip, may hold any
/// number of records but none. Throws Error when one is missing or empty, has a torn record, or a label out of range.
Dataset cifar_records(std::vector<std::string> const& paths, CifarFormat format);

namespace detail {
std::vector<std::string> cifar_paths(std::string const& directory, std::initializer_list<char const*> names,
                                     char const* archive);
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

Dataset cifar10_images(std::vector<std::string> const& paths);
Dataset cifar100_images(std::vector<std::string> const& paths, Cifar100Labels labels);
}  // namespace detail

/// The test images of CIFAR-10 alone, from a directory with test_batch.bin, plain or .gz.
Dataset cifar10_test(std::string const& directory);

/// CIFAR-10 from a directory with data_batch_1.bin … data_batch_5.bin and test_batch.bin, plain or .gz.
TrainTest cifar10(std::string const& directory);

/// The test images of CIFAR-100 alone, from a directory with test.bin, plain or .gz.
Dataset cifar100_test(std::string const& directory, Cifar100Labels labels = Cifar100Labels::fine);

/// CIFAR-100 from a directory with train.bin and test.bin, plain or .gz, with the names of its classes.
TrainTest cifar100(std::string const& directory, Cifar100Labels labels = Cifar100Labels::fine);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "cifar.ipp"
#endif
