#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <strata/data/cifar.hpp>
#include <string>
#include <vector>

#include "files.hpp"

using namespace strata;

namespace {
/// Records with these labels; every pixel of the record with number i is i.
Bytes records(std::vector<Bytes> const& labels) {
    Bytes bytes;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        bytes.insert(bytes.end(), labels[i].begin(), labels[i].end());
        bytes.insert(bytes.end(), 3072, static_cast<std::uint8_t>(i));
    }
    return bytes;
}

void write_cifar10(TemporaryDirectory const& directory) {
    for (std::uint8_t i = 1; i <= 5; ++i)
        directory.write("data_batch_" + std::to_string(i) + ".bin", records({{i}, {static_cast<std::uint8_t>(i + 1)}}));
    directory.write("test_batch.bin", records({{9}, {0}, {4}}));
}

std::uint8_t const* pixels(Dataset const& data, std::size_t index) {
    return static_cast<std::uint8_t const*>(data.sample(index));
}
}  // namespace

TEST_CASE("CIFAR-10: five files of training records, one of test records") {
    TemporaryDirectory const directory;
    write_cifar10(directory);
    TrainTest const data = cifar10(directory.path());
    CHECK(data.train.size() == 10);
    CHECK(data.test.size() == 3);
    CHECK(data.train.shape() == SampleShape{3, 32, 32});
    CHECK(std::vector<int>(data.train.labels().begin(), data.train.labels().end()) ==
          std::vector<int>{1, 2, 2, 3, 3, 4, 4, 5, 5, 6});
    CHECK(pixels(data.test, 2)[0] == 2);
    CHECK(pixels(data.test, 2)[3071] == 2);
    CHECK(pixels(data.train, 9)[3071] == 1);
    CHECK(data.test.classes() == 10);
    CHECK(data.test.class_names()[6] == "frog");
}

TEST_CASE("CIFAR-100: the fine or the coarse label") {
    TemporaryDirectory const directory;
    directory.write("train.bin", records({{19, 99}, {0, 1}}));
    directory.write("test.bin", records({{3, 42}}));
    TrainTest const fine = cifar100(directory.path());
    CHECK(fine.train.classes() == 100);
    CHECK(fine.train.labels()[0] == 99);
    CHECK(fine.test.labels()[0] == 42);
    CHECK(pixels(fine.train, 1)[0] == 1);
    TrainTest const coarse = cifar100(directory.path(), Cifar100Labels::coarse);
    CHECK(coarse.train.classes() == 20);
    CHECK(coarse.train.labels()[0] == 19);
    CHECK(coarse.test.labels()[0] == 3);
    CHECK(cifar100_test(directory.path()).labels()[0] == 42);
    CHECK(cifar100_test(directory.path(), Cifar100Labels::coarse).size() == 1);

    // Both lists are in alphabetical order, as the labels are.
    for (auto const& names : {fine.train.class_names(), coarse.test.class_names()}) {
        CHECK(std::is_sorted(names.begin(), names.end()));
        CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
    }
    CHECK(fine.train.class_names().size() == 100);
    CHECK(fine.test.class_names()[42] == "leopard");
    CHECK(fine.test.class_names()[99] == "worm");
    CHECK(coarse.train.class_names().size() == 20);
    CHECK(coarse.train.class_names()[14] == "people");
}

TEST_CASE("compressed files, the test images alone, and archives that are not unpacked") {
    TemporaryDirectory const directory;
    contains(error_of([&] { cifar10_test(directory.path()); }), "no readable test_batch.bin or test_batch.bin.gz in ");
    std::vector<Bytes> labels;
    for (int i = 0; i < 600; ++i) labels.push_back({static_cast<std::uint8_t>(i % 10)});
    directory.write("test_batch.bin.gz", gzip(records(labels)));
    Dataset const test = cifar10_test(directory.path());
    CHECK(test.size() == 600);
    CHECK(test.labels()[599] == 9);
    CHECK(pixels(test, 300)[3071] == static_cast<std::uint8_t>(300));
    CHECK(test.class_names()[9] == "truck");
    contains(error_of([&] { cifar10(directory.path()); }), "no readable data_batch_1.bin");
    Bytes torn = records(labels);
    torn.pop_back();
    auto const path = directory.write("test_batch.bin.gz", gzip(torn));
    contains(error_of([&] { cifar10_test(directory.path()); }),
             path + " has 1843799 bytes, expected a multiple of 3073");

    Bytes tar(10'240);
    std::memcpy(tar.data() + 257, "ustar", 5);
    directory.write("cifar-10-binary.tar.gz", gzip(tar));
    auto const archive = directory / "cifar-10-binary.tar.gz";
    contains(error_of([&] { cifar10(directory.path()); }), "cifar-10-binary.tar.gz: unpack it with tar -xf");
    contains(error_of([&] { cifar10(archive); }), archive + " is a file, expected the directory");
    contains(error_of([&] { cifar_records({archive}, {}); }), archive + " is an archive: unpack it");
    contains(error_of([&] { cifar_records({directory.write("plain.tar", tar)}, {}); }), "is an archive: unpack it");
}

TEST_CASE("more records than are read at once") {
    TemporaryDirectory const directory;
    std::vector<Bytes> labels;
    for (int i = 0; i < 600; ++i) labels.push_back({static_cast<std::uint8_t>(i % 10)});
    Dataset const data = cifar_records({directory.write("many.bin", records(labels))}, {});
    CHECK(data.size() == 600);
    for (std::size_t i = 0; i < 600; ++i) {
        CHECK(data.labels()[i] == static_cast<int>(i % 10));
        CHECK(pixels(data, i)[1234] == static_cast<std::uint8_t>(i));
    }
}

TEST_CASE("every error names its file") {
    TemporaryDirectory const directory;
    contains(error_of([&] { cifar10(directory.path()); }),
             "no readable data_batch_1.bin or data_batch_1.bin.gz in " + directory.path());
    contains(error_of([&] { cifar100(directory.path()); }),
             "no readable train.bin or train.bin.gz in " + directory.path());
    write_cifar10(directory);
    auto const third = directory.write("data_batch_3.bin", {});
    contains(error_of([&] { cifar10(directory.path()); }), third + " is empty");
    directory.write("data_batch_3.bin", records({{0, 1}}));
    contains(error_of([&] { cifar10(directory.path()); }), third + " has 3074 bytes, expected a multiple of 3073");
    directory.write("data_batch_3.bin", records({{0}, {10}}));
    contains(error_of([&] { cifar10(directory.path()); }), third + ": label 10 of record 1 is not in 0 to 9");
    directory.write("train.bin", records({{20, 5}}));
    directory.write("test.bin", records({{0, 100}}));
    contains(error_of([&] { cifar100(directory.path()); }), "test.bin: label 100 of record 0 is not in 0 to 99");
    contains(error_of([&] { cifar100(directory.path(), Cifar100Labels::coarse); }), "train.bin: label 20 of record 0");
}

TEST_CASE("a file cut anywhere but between records is refused") {
    TemporaryDirectory const directory;
    Bytes const whole = records({{1}, {2}});
    // Every length near the ends of records, a sample of those between.
    for (std::size_t length = 0; length <= whole.size();
         length += (length % 3073 < 5 || length % 3073 > 3068) ? 1u : 61u) {
        CAPTURE(length);
        auto const path =
            directory.write("cut", Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
        if (length > 0 && length % 3073 == 0)
            CHECK(cifar_records({path}, {}).size() == length / 3073);
        else
            contains(error_of([&] { cifar_records({path}, {}); }), path);
    }
}
