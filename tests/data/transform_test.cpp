// labels: libcxx
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <strata/data/loader.hpp>
#include <string>
#include <vector>

#include "files.hpp"

using namespace strata;

namespace {
/// A sample of T holding 1, 2, 3, …
template <class T>
std::vector<T> counting(SampleShape shape) {
    std::vector<T> sample(shape.size());
    for (std::size_t i = 0; i < sample.size(); ++i) sample[i] = static_cast<T>(i + 1);
    return sample;
}

/// Random crop as its definition says: a padded copy, cut out again.
template <class T>
std::vector<T> shifted(std::vector<T> const& x, SampleShape shape, int down, int right) {
    std::vector<T> y(x.size(), T(0));
    for (int c = 0; c < shape.channels; ++c)
        for (int h = 0; h < shape.height; ++h)
            for (int w = 0; w < shape.width; ++w) {
                int const from_h = h + down, from_w = w + right;
                if (from_h < 0 || from_h >= shape.height || from_w < 0 || from_w >= shape.width) continue;
                y[static_cast<std::size_t>((c * shape.height + h) * shape.width + w)] =
                    x[static_cast<std::size_t>((c * shape.height + from_h) * shape.width + from_w)];
            }
    return y;
}

std::vector<double> numbers(std::span<double const> all) { return {all.begin(), all.end()}; }

}  // namespace

TEST_CASE_TEMPLATE("flip mirrors every row", T, std::uint8_t, float, double) {
    SampleShape const shape{2, 2, 3};
    auto sample = counting<T>(shape);
    flip_horizontally(sample.data(), shape);
    CHECK(sample == std::vector<T>{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10});
    flip_horizontally(sample.data(), shape);
    CHECK(sample == counting<T>(shape));
}

TEST_CASE_TEMPLATE("shifting a sample by hand", T, std::uint8_t, float, double) {
    SampleShape const shape{1, 2, 3};
    auto sample = counting<T>(shape);
    shift_sample(sample.data(), sizeof(T), shape, 1, -1);
    CHECK(sample == std::vector<T>{0, 4, 5, 0, 0, 0});
}

TEST_CASE_TEMPLATE("shifting agrees with padding and cutting out, for every offset", T, std::uint8_t, float, double) {
    for (SampleShape const shape : {SampleShape{1, 1, 1}, SampleShape{2, 3, 5}, SampleShape{3, 4, 2}})
        for (int down = -6; down <= 6; ++down)
            for (int right = -6; right <= 6; ++right) {
                auto sample = counting<T>(shape);
                shift_sample(sample.data(), sizeof(T), shape, down, right);
                CHECK(sample == shifted(counting<T>(shape), shape, down, right));
            }
}

TEST_CASE("RandomCrop draws every place and nothing else") {
    SampleShape const shape{1, 4, 4};
    Transforms transforms(DataType::uint8, shape);
    transforms.add(RandomCrop{.padding = 1});
    std::set<std::vector<std::uint8_t>> possible, seen;
    for (int down = -1; down <= 1; ++down)
        for (int right = -1; right <= 1; ++right)
            possible.insert(shifted(counting<std::uint8_t>(shape), shape, down, right));
    for (std::uint32_t i = 0; i < 500; ++i) {
        Random random(1, Purpose::augmentation, 0, i);
        auto sample = counting<std::uint8_t>(shape);
        transforms.apply(sample.data(), random);
        seen.insert(sample);
    }
    CHECK(possible.size() == 9);
    CHECK(seen == possible);
}

TEST_CASE("RandomHorizontalFlip flips as often as it says") {
    SampleShape const shape{1, 1, 2};
    for (double const probability : {0.0, 0.25, 0.5, 1.0}) {
        Transforms transforms(DataType::float32, shape);
        transforms.add(RandomHorizontalFlip{.probability = probability});
        int flipped = 0;
        for (std::uint32_t i = 0; i < 4000; ++i) {
            Random random(2, Purpose::augmentation, 3, i);
            std::array<float, 2> sample{1, 2};
            transforms.apply(sample.data(), random);
            if (sample[0] == 2.0f) ++flipped;
        }
        // Five standard deviations of a binomial variable; exact at 0 and 1.
        CHECK(std::abs(flipped - 4000 * probability) <= 5 * std::sqrt(4000 * probability * (1 - probability)));
    }
}

TEST_CASE("transforms run in the order given, on one stream of random numbers") {
    SampleShape const shape{1, 1, 3};
    auto const add_one = [](std::span<float> x, SampleShape, Random&) { x[0] += 1; };
    auto const both = [&](bool flip_first) {
        Transforms transforms(DataType::float32, shape);
        if (flip_first) transforms.add(RandomHorizontalFlip{.probability = 1});
        transforms.add(SampleFunction(add_one));
        if (!flip_first) transforms.add(RandomHorizontalFlip{.probability = 1});
        std::vector<float> sample{10, 20, 30};
        Random random(0, Purpose::augmentation);
        transforms.apply(sample.data(), random);
        return sample;
    };
    CHECK(both(true) == std::vector<float>{31, 20, 10});
    CHECK(both(false) == std::vector<float>{30, 20, 11});
}

TEST_CASE("Normalize becomes scale and shift") {
    SampleShape const shape{2, 1, 1};
    Normalize const normalize{{0.5, 0.25}, {0.2, 4.0}};
    SUBCASE("bytes count as value / 255") {
        Transforms transforms(DataType::uint8, shape);
        CHECK(numbers(transforms.scale()) == std::vector<double>{1.0 / 255, 1.0 / 255});
        CHECK(numbers(transforms.shift()) == std::vector<double>{0, 0});
        transforms.add(normalize);
        CHECK(transforms.empty());
        for (std::size_t c = 0; c < 2; ++c) {
            // Two roundings of double apart.
            CHECK(transforms.scale()[c] * 51 + transforms.shift()[c] ==
                  doctest::Approx((51.0 / 255 - normalize.mean[c]) / normalize.std[c]).epsilon(1e-14));
        }
    }
    SUBCASE("floats are taken as they are") {
        Transforms transforms(DataType::float32, shape);
        CHECK(transforms.scale().empty());
        CHECK(transforms.shift().empty());
        transforms.add(normalize);
        CHECK(numbers(transforms.scale()) == std::vector<double>{1 / 0.2, 0.25});
        CHECK(numbers(transforms.shift()) == std::vector<double>{-0.5 / 0.2, -0.0625});
    }
    SUBCASE("a user's function receives value / 255, so only Normalize remains") {
        Transforms transforms(DataType::uint8, shape);
        transforms.add(SampleFunction([](std::span<float>, SampleShape, Random&) {}));
        CHECK(transforms.sample_type() == DataType::float32);
        CHECK(transforms.scale().empty());
        transforms.add(normalize);
        CHECK(numbers(transforms.scale()) == std::vector<double>{1 / 0.2, 0.25});
    }
    SUBCASE("two are applied one after the other") {
        Transforms transforms(DataType::float64, shape);
        transforms.add(Normalize{{1, 1}, {2, 2}});
        transforms.add(Normalize{{3, 3}, {4, 4}});
        // ((x - 1) / 2 - 3) / 4 = x / 8 - 7 / 8, exact in binary.
        CHECK(numbers(transforms.scale()) == std::vector<double>{0.125, 0.125});
        CHECK(numbers(transforms.shift()) == std::vector<double>{-0.875, -0.875});
    }
}

TEST_CASE("values that make no sense are refused") {
    Transforms transforms(DataType::uint8, {3, 4, 4});
    double const nan = std::numeric_limits<double>::quiet_NaN();
    contains(error_of([&] { transforms.add(Normalize{{0.5}, {0.5}}); }),
             "1 means and 1 standard deviations for samples with 3");
    contains(error_of([&] { transforms.add(Normalize{{0, 0, 0}, {1, 0, 1}}); }), "std 0 of channel 1");
    contains(error_of([&] { transforms.add(Normalize{{0, 0, nan}, {1, 1, 1}}); }), "channel 2");
    contains(error_of([&] { transforms.add(RandomHorizontalFlip{.probability = 1.5}); }), "probability is 1.5");
    contains(error_of([&] { transforms.add(RandomHorizontalFlip{.probability = nan}); }), "probability");
    contains(error_of([&] { transforms.add(RandomCrop{.padding = -1}); }), "padding is -1");
    // Rows of a table, lines, and samples of several inputs have no rows of pixels: most crops would be all 0.
    Transforms table(DataType::float32, {32, 1, 1}), lines(DataType::float32, {2, 1, 50});
    CHECK(error_of([&] { table.add(RandomCrop{}); }) ==
          "RandomCrop: padding is 4, expected less than the sides of a sample, 1 x 1: some crops would have nothing of "
          "it");
    contains(error_of([&] { lines.add(RandomCrop{.padding = 1}); }), "1 x 50");
    table.add(RandomCrop{.padding = 0});
    contains(error_of([&] { transforms.add(SampleFunction()); }), "empty function");
    CHECK(numbers(transforms.scale()) == std::vector<double>(3, 1.0 / 255));  // nothing half applied
    CHECK(transforms.empty());
    CHECK(transforms.sample_type() == DataType::uint8);
}

TEST_CASE("image and mask move together, and one's own transform sees both") {
    std::vector<float> pixels(6);
    for (std::size_t i = 0; i < 6; ++i) pixels[i] = static_cast<float>(i);
    std::vector<int> const mask{0, 1, 2, 3, 4, 5};
    auto const data = from_memory(pixels, {1, 2, 3}, mask, 6, 255);
    auto const as_floats = from_memory(pixels, {1, 2, 3}, std::vector<double>{0, 1, 2, 3, 4, 5}, 6);
    auto const flipped = data.with(RandomHorizontalFlip{.probability = 1});
    Loader first(flipped, {.threads = 0});
    first.begin_epoch(0);
    Batch const* const batch = first.next();
    CHECK(std::vector(batch->labels, batch->labels + 6) == std::vector<std::int32_t>{2, 1, 0, 5, 4, 3});
    CHECK(flipped.input(0) == std::vector<float>{2, 1, 0, 5, 4, 3});
    CHECK(flipped.labels(0)[0] == 0);  // what is stored stays
    CHECK(!flipped.has_ignored());

    auto const cropped = data.with(RandomCrop{.padding = 1}, RandomHorizontalFlip{});
    CHECK(cropped.has_ignored());
    auto const rows = as_floats.with(RandomCrop{.padding = 1, .targets = true}, RandomHorizontalFlip{.targets = true});
    Loader loader(cropped.subset(std::vector<std::size_t>(40)), {.batch_size = 40, .threads = 2});
    Loader targets(rows.subset(std::vector<std::size_t>(40)), {.batch_size = 40, .threads = 0});
    loader.begin_epoch(0), targets.begin_epoch(0);
    Batch const *const moved = loader.next(), *const other = targets.next();
    auto const* const x = static_cast<float const*>(moved->inputs);
    bool same = true, fits = true;
    int ignored = 0;
    for (std::size_t i = 0; i < 240; ++i) {
        bool const outside = moved->labels[i] == 255;
        ignored += outside ? 1 : 0;
        same = same && x[i] == static_cast<float>(outside ? 0 : moved->labels[i]);
        fits = fits && static_cast<double const*>(other->targets)[i] == static_cast<double>(x[i]);
    }
    CHECK(same);
    CHECK(fits);
    CHECK(ignored > 0);

    auto const seen = data.with([](std::span<float> sample, SampleShape shape, SampleTarget target, Random&) {
        CHECK(shape.width == 3);
        sample[0] = 7;
        target.labels[5] = target.ignore_index;
    });
    Loader second(seen, {.threads = 0});
    second.begin_epoch(0);
    Batch const* const own = second.next();
    CHECK(static_cast<float const*>(own->inputs)[0] == 7);
    CHECK(own->labels[5] == 255);
    auto const doubled =
        as_floats.with([](std::span<float>, SampleShape, SampleTarget target, Random&) { target.doubles[1] = 8; });
    Loader third(doubled, {.threads = 0});
    third.begin_epoch(0);
    Batch const* const eight = third.next();
    CHECK(static_cast<double const*>(eight->targets)[1] == 8);
    CHECK(doubled.input(0)[1] == 1);

    auto const two = from_memory(std::vector<float>(12), {1, 2, 3}, std::vector<int>{0, 1, 2, 3}, 6);
    CHECK(error_of([&] { static_cast<void>(two.with(RandomHorizontalFlip{})); }) ==
          "RandomHorizontalFlip: a sample has 2 labels, expected one, or 2 x 3, one a pixel");
    CHECK(error_of([&] { static_cast<void>(data.with(RandomCrop{.padding = 1, .targets = true})); }) ==
          "RandomCrop: .targets is set, and a sample has 0 target values, expected images of 2 x 3");
}
