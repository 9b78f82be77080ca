// The functions of cifar.hpp that no network type touches.
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
#include "cifar.hpp"
#include "dataset.hpp"
#include "gzip.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE STRATA_COLD AlignedVector<std::byte> with_room(AlignedVector<std::byte> const& bytes, std::size_t count,
                                                             std::size_t room) {
    AlignedVector<std::byte> more(room);
    std::memcpy(more.data(), bytes.data(), count);
    return more;
}

}  // namespace detail

STRATA_DEFINE STRATA_COLD Dataset cifar_records(std::vector<std::string> const& paths, CifarFormat format) {
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
STRATA_DEFINE STRATA_COLD std::vector<std::string> cifar_paths(std::string const& directory,
                                                               std::initializer_list<char const*> names,
                                                               char const* archive) {
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

STRATA_DEFINE STRATA_COLD Dataset cifar10_images(std::vector<std::string> const& paths) {
    return cifar_records(paths, {}).with_class_names(strings(cifar10_classes));
}

STRATA_DEFINE STRATA_COLD Dataset cifar100_images(std::vector<std::string> const& paths, Cifar100Labels labels) {
    bool const fine = labels == Cifar100Labels::fine;
    auto const data = cifar_records(paths, {.label_bytes = 2, .label_at = fine ? 1u : 0u, .classes = fine ? 100 : 20});
    return fine ? data.with_class_names(strings(cifar100_classes))
                : data.with_class_names(strings(cifar100_superclasses));
}

}  // namespace detail

STRATA_DEFINE STRATA_COLD Dataset cifar10_test(std::string const& directory) {
    return detail::cifar10_images(detail::cifar_paths(directory, {"test_batch.bin"}, detail::cifar10_archive));
}

STRATA_DEFINE STRATA_COLD TrainTest cifar10(std::string const& directory) {
    auto const train = detail::cifar_paths(
        directory, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
        detail::cifar10_archive);
    auto test = cifar10_test(directory);
    return {detail::cifar10_images(train), std::move(test)};
}

STRATA_DEFINE STRATA_COLD Dataset cifar100_test(std::string const& directory, Cifar100Labels labels) {
    return detail::cifar100_images(detail::cifar_paths(directory, {"test.bin"}, detail::cifar100_archive), labels);
}

STRATA_DEFINE STRATA_COLD TrainTest cifar100(std::string const& directory, Cifar100Labels labels) {
    auto const train = detail::cifar_paths(directory, {"train.bin"}, detail::cifar100_archive);
    auto test = cifar100_test(directory, labels);
    return {detail::cifar100_images(train, labels), std::move(test)};
}

}  // namespace strata::inline STRATA_ABI
