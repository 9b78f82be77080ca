// labels: libcxx
#include <doctest/doctest.h>

#include <strata/data/idx.hpp>
#include <string>
#include <vector>

#include "files.hpp"

using namespace strata;

namespace {
/// An IDX file whose values are 0, 1, 2, … mod `below`.
Bytes idx(std::vector<std::uint32_t> const& dimensions, unsigned below = 256) {
    Bytes bytes{0, 0, 8, static_cast<std::uint8_t>(dimensions.size())};
    std::size_t count = 1;
    for (auto const extent : dimensions) {
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(extent >> shift));
        count *= extent;
    }
    for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(i % below));
    return bytes;
}

Bytes changed(Bytes bytes, std::size_t at, std::uint8_t value) {
    bytes[at] = value;
    return bytes;
}

/// Reads and throws the result away; true when the reader accepted it. Anything but strata::Error fails the test.
bool accepted(std::string const& images, std::string const& labels) {
    try {
        Dataset const data = idx_images(images, labels);
        CHECK(data.size() > 0);
        return true;
    } catch (Error const& error) {
        CHECK(std::string(error.what()).size() > 10);
        return false;
    }
}
}  // namespace

TEST_CASE("images and labels, plain and compressed, whatever the names say") {
    TemporaryDirectory const directory;
    Bytes const images = idx({3, 2, 4}), labels = idx({3}, 10);
    for (bool const compressed : {false, true}) {
        auto const images_path = directory.write("images.gz", compressed ? gzip(images) : images);
        auto const labels_path = directory.write("labels", compressed ? gzip(labels) : labels);
        Dataset const data = idx_images(images_path, labels_path);
        CHECK(data.size() == 3);
        CHECK(data.shape() == SampleShape{1, 2, 4});
        CHECK(data.type() == DataType::uint8);
        CHECK(data.classes() == 10);
        auto const* const last = static_cast<std::uint8_t const*>(data.sample(2));
        CHECK(Bytes(last, last + 8) == Bytes{16, 17, 18, 19, 20, 21, 22, 23});
        CHECK(data.labels()[2] == 2);
    }
}

namespace {
/// An IDX file of these values as big-endian numbers of type T.
template <class T>
Bytes typed_idx(std::uint8_t code, std::vector<std::uint32_t> const& dimensions, std::vector<double> const& values) {
    Bytes bytes = idx(dimensions);
    bytes.resize(4 + 4 * dimensions.size());
    bytes[2] = code;
    for (double const value : values) {
        T const element = static_cast<T>(value);
        auto const* const first = reinterpret_cast<std::uint8_t const*>(&element);
        for (std::size_t k = sizeof(T); k-- > 0;) bytes.push_back(first[k]);
    }
    return bytes;
}
}  // namespace

TEST_CASE("every element type of the format, without loss") {
    TemporaryDirectory const directory;
    auto const labels = directory.write("labels", idx({2}));
    auto const check = [&]<class T, class Stored>(std::uint8_t code, std::vector<double> const& values, T, Stored) {
        CAPTURE(+code);
        Dataset const data = idx_images(directory.write("x", typed_idx<T>(code, {2, 1, 2}, values)), labels);
        REQUIRE(data.type() == data_type_of<Stored>);
        for (std::size_t i = 0; i < 4; ++i) {
            Stored got;
            std::memcpy(&got, static_cast<Stored const*>(data.sample(i / 2)) + i % 2, sizeof got);
            CHECK(static_cast<double>(got) == values[i]);
        }
    };
    check(0x08, {0, 255, 1, 128}, std::uint8_t{}, std::uint8_t{});
    check(0x09, {-128, 127, -1, 0}, std::int8_t{}, float{});
    check(0x0B, {-32768, 32767, -1, 258}, std::int16_t{}, float{});
    check(0x0C, {-2147483648.0, 2147483647, -1, 16'777'217}, std::int32_t{}, double{});
    check(0x0D, {-0.5, 0x1.8p127, 0x1p-149, 0.1f}, float{}, float{});
    check(0x0E, {-0.1, 1e300, 5e-324, 1.0 / 3}, double{}, double{});

    // Labels of every type, as long as they are classes.
    auto const images = directory.write("images", idx({2, 1, 2}));
    auto const labels_of = [&](Bytes const& bytes) {
        Dataset const data = idx_images(images, directory.write("typed", bytes), 300);
        return std::vector<std::int32_t>(data.labels().begin(), data.labels().end());
    };
    CHECK(labels_of(typed_idx<std::int16_t>(0x0B, {2}, {299, 0})) == std::vector<std::int32_t>{299, 0});
    CHECK(labels_of(typed_idx<std::int32_t>(0x0C, {2}, {256, 7})) == std::vector<std::int32_t>{256, 7});
    CHECK(labels_of(typed_idx<double>(0x0E, {2}, {3, 4})) == std::vector<std::int32_t>{3, 4});
    contains(error_of([&] { labels_of(typed_idx<std::int8_t>(0x09, {2}, {0, -1})); }), "label -1 of image 1");
    contains(error_of([&] { labels_of(typed_idx<float>(0x0D, {2}, {1.5, 0})); }),
             "label 1.5 of image 0 is not a whole");
    contains(error_of([&] { labels_of(typed_idx<float>(0x0D, {2}, {0.0 / 0.0, 0})); }), "label ");
    contains(error_of([&] { labels_of(typed_idx<std::int32_t>(0x0C, {2}, {300, 0})); }), "label 300 of image 0");
}

TEST_CASE("content beyond one step of the growing buffer") {
    TemporaryDirectory const directory;
    Bytes const images = idx({3000, 28, 28}), labels = idx({3000}, 10);
    auto const labels_path = directory.write("labels", labels);
    for (bool const compressed : {false, true}) {
        auto const path = directory.write("images", compressed ? gzip(images) : images);
        Dataset const data = idx_images(path, labels_path);
        auto const* const first = static_cast<std::uint8_t const*>(data.sample(0));
        CHECK(Bytes(first, first + 3000 * 28 * 28) == Bytes(images.begin() + 16, images.end()));
    }
}

TEST_CASE("every error names its file") {
    TemporaryDirectory const directory;
    auto const good = directory.write("good", idx({3, 2, 4}));
    auto const labels = directory.write("labels", idx({3}, 10));
    for (bool const compressed : {false, true}) {
        CAPTURE(compressed);
        auto const refusal = [&](Bytes const& images) {
            auto const path = directory.write("bad", compressed ? gzip(images) : images);
            auto const message = error_of([&] { idx_images(path, labels); });
            contains(message, path);
            return message;
        };
        contains(refusal({}), "0 bytes");
        contains(refusal({0, 0, 8}), "3 bytes");
        contains(refusal(changed(idx({3, 2, 4}), 1, 7)), "expected 0 0");
        for (std::uint8_t const type : Bytes{0, 7, 10, 15, 255})
            contains(refusal(changed(idx({3, 2, 4}), 2, type)), concatenate("type code ", +type));
        contains(refusal(changed(idx({3, 2, 4}), 2, 0x0D)), "it has 24 of the 96 bytes");
        contains(refusal(idx({3})), "1 dimensions (byte 3), expected 3");
        contains(refusal(idx({3, 1, 2, 4})), "4 dimensions");
        contains(refusal({0, 0, 8, 3, 0, 0, 0, 3, 0, 0}), "10 of 16 bytes of its header");
        contains(refusal(idx({3, 0, 4})), "dimension 1 is 0");
        contains(refusal(idx({0, 2, 4})), "dimension 0 is 0");
        Bytes longer = idx({3, 2, 4}), shorter = longer;
        longer.push_back(0);
        shorter.pop_back();
        contains(refusal(longer), "trailing bytes after the 24 bytes");
        contains(refusal(shorter), "it has 23 of the 24 bytes");
        contains(refusal(idx({2, 2, 4})), "has 2 images, but");
        // 2^31 - 1 images of 65535 x 1: memory must not be reserved on the word of the header (ASan would refuse it).
        contains(refusal({0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 1, 9}), "truncated");
        contains(refusal({0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 9}),
                 "more than any file holds");
        contains(refusal({0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 9}), "more than any file holds");

        auto const bad_label = directory.write("bad_label", compressed ? gzip(idx({3}, 10)) : idx({3}, 10));
        auto const message = error_of([&] { idx_images(good, bad_label, 2); });
        contains(message, bad_label + ": label 2 of image 2 is not in 0 to 1");
    }
    contains(error_of([&] { idx_images(directory / "none", labels); }), "cannot open " + (directory / "none"));
    contains(error_of([&] { idx_images(directory.path(), labels); }), directory.path() + " is not a regular file");
}

TEST_CASE("a file cut at any byte is refused, never misread") {
    TemporaryDirectory const directory;
    Bytes const images = idx({3, 2, 4}), labels = idx({3}, 10);
    auto const good_images = directory.write("images", images), good_labels = directory.write("labels", labels);
    for (bool const compressed : {false, true})
        for (bool const cut_images : {true, false}) {
            Bytes const whole = cut_images ? images : labels, bytes = compressed ? gzip(whole) : whole;
            for (std::size_t length = 0; length < bytes.size(); ++length) {
                CAPTURE(length);
                auto const path =
                    directory.write("cut", Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
                bool const answer = cut_images ? accepted(path, good_labels) : accepted(good_images, path);
                CHECK_FALSE(answer);
            }
        }
}

TEST_CASE("any byte flipped: an answer or a strata::Error, no crash") {
    TemporaryDirectory const directory;
    Bytes const images = idx({3, 2, 4}), labels = idx({3}, 10);
    auto const good_images = directory.write("images", images), good_labels = directory.write("labels", labels);
    for (bool const compressed : {false, true})
        for (bool const flip_images : {true, false}) {
            Bytes const whole = flip_images ? images : labels, bytes = compressed ? gzip(whole) : whole;
            for (std::size_t at = 0; at < bytes.size(); ++at)
                for (std::uint8_t const value : Bytes{0x00, 0x01, 0x7f, 0x80, 0xff}) {
                    auto const path = directory.write("flipped", changed(bytes, at, value));
                    bool const same = bytes[at] == value;
                    bool const answer = flip_images ? accepted(path, good_labels) : accepted(good_images, path);
                    if (same) CHECK(answer);
                    // All but the values themselves is checked.
                    if (!same && !compressed && at < (flip_images ? 16u : 8u)) CHECK_FALSE(answer);
                }
        }
}

TEST_CASE("a compressed file that would unpack to far more than announced is read no further") {
    TemporaryDirectory const directory;
    Bytes bomb = idx({1, 1, 1});
    bomb.resize(8u << 20);
    auto const labels = directory.write("labels", idx({1}));
    contains(error_of([&] { idx_images(directory.write("bomb", gzip(bomb)), labels); }),
             "trailing bytes after the 1 bytes");
}

TEST_CASE("mnist and fashion_mnist find their four files") {
    TemporaryDirectory const directory;
    directory.write("train-images-idx3-ubyte", idx({3, 2, 2}));
    directory.write("train-labels-idx1-ubyte.gz", gzip(idx({3}, 10)));
    directory.write("t10k-images-idx3-ubyte.gz", gzip(idx({2, 2, 2})));
    auto const missing = error_of([&] { fashion_mnist(directory.path()); });
    contains(missing, "t10k-labels-idx1-ubyte");
    contains(missing, " in " + directory.path());
    contains(missing,
             "install the Debian package dataset-fashion-mnist (its files are in /usr/share/datasets/fashion-mnist)");
    contains(missing, "github.com/zalandoresearch/fashion-mnist");
    contains(error_of([&] { mnist(directory.path()); }), "t10k-labels-idx1-ubyte");

    directory.write("t10k-labels-idx1-ubyte", idx({2}, 10));
    TrainTest const digits = mnist(directory.path()), clothes = fashion_mnist(directory.path());
    CHECK(digits.train.size() == 3);
    CHECK(digits.test.size() == 2);
    CHECK(digits.train.class_names()[7] == "7");
    CHECK(clothes.test.class_names()[9] == "Ankle boot");

    directory.write("t10k-images-idx3-ubyte.gz", gzip(idx({2, 3, 2})));
    contains(error_of([&] { mnist(directory.path()); }), "differ in size");
}

TEST_CASE("names with a dot, beside directories with the others, and the test images alone") {
    TemporaryDirectory const directory;
    // As an archive from Kaggle unpacks: the files, and directories of the same names.
    for (std::string const name : {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte"})
        std::filesystem::create_directory(directory / name);
    directory.write("t10k-images.idx3-ubyte", idx({2, 2, 2}));
    directory.write("t10k-labels.idx1-ubyte.gz", gzip(idx({2}, 10)));
    CHECK(mnist_test(directory.path()).size() == 2);
    CHECK(fashion_mnist_test(directory.path()).class_names()[9] == "Ankle boot");
    contains(error_of([&] { mnist(directory.path()); }), "there is no readable train-images-idx3-ubyte");
    directory.write("train-images.idx3-ubyte.gz", gzip(idx({3, 2, 2})));
    directory.write("train-labels.idx1-ubyte", idx({3}, 10));
    CHECK(mnist(directory.path()).train.size() == 3);
    CHECK(fashion_mnist(directory.path()).test.size() == 2);
}
