// labels: threads libcxx
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <strata/data/loader.hpp>
#include <string>
#include <vector>

#include "files.hpp"

using namespace strata;

namespace {
/// n samples [1][2][3] of bytes, labelled by their index mod 7.
Dataset numbered(std::size_t n) {
    std::vector<std::uint8_t> samples(n * 6);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::uint8_t>(i * 37 % 251);
    std::vector<int> labels(n);
    for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<int>(i % 7);
    return from_memory(std::move(samples), {1, 2, 3}, labels, 7);
}

/// What a loader gave: all bytes of the inputs, labels and indices, and the sizes of the batches.
struct Record {
    std::vector<std::byte> inputs;
    std::vector<std::int32_t> labels;
    std::vector<std::uint32_t> indices;
    std::vector<int> sizes;
    bool operator==(Record const&) const = default;
};

Record rest_of_epoch(Loader& loader) {
    Record record;
    while (Batch const* const batch = loader.next()) {
        auto const* const bytes = static_cast<std::byte const*>(batch->inputs);
        auto const n = static_cast<std::size_t>(batch->size);
        record.inputs.insert(record.inputs.end(), bytes, bytes + n * batch->shape.size() * size_of(batch->type));
        if (batch->labels != nullptr) record.labels.insert(record.labels.end(), batch->labels, batch->labels + n);
        auto const indices = loader.indices();
        CHECK(indices.size() == n);
        record.indices.insert(record.indices.end(), indices.begin(), indices.end());
        record.sizes.push_back(batch->size);
    }
    CHECK(loader.next() == nullptr);
    CHECK(loader.indices().empty());
    return record;
}

Record epoch_of(Loader& loader, int epoch, int first_batch = 0) {
    loader.begin_epoch(epoch, first_batch);
    return rest_of_epoch(loader);
}
}  // namespace

TEST_CASE("without shuffling the batches are the dataset in order, the last one smaller") {
    Dataset const data = numbered(10);
    for (int const threads : {0, 1, 3}) {
        CAPTURE(threads);
        Loader loader(data, {.batch_size = 4, .shuffle = false, .threads = threads, .prefetch = 1});
        CHECK(loader.batches_per_epoch() == 3);
        Record const record = epoch_of(loader, 0);
        CHECK(record.sizes == std::vector<int>{4, 4, 2});
        REQUIRE(record.inputs.size() == 60);
        CHECK(std::memcmp(record.inputs.data(), data.sample(0), 60) == 0);
        CHECK(std::equal(record.labels.begin(), record.labels.end(), data.labels().begin(), data.labels().end()));
        CHECK(record.indices.front() == 0);
        CHECK(record.indices.back() == 9);
    }
}

TEST_CASE("drop_last leaves the partial batch out") {
    Loader loader(numbered(10), {.batch_size = 4, .drop_last = true});
    CHECK(loader.batches_per_epoch() == 2);
    CHECK(epoch_of(loader, 0).sizes == std::vector<int>{4, 4});
    Loader even(numbered(8), {.batch_size = 4});
    CHECK(even.batches_per_epoch() == 2);
    Loader one(numbered(3), {.batch_size = 2'000'000'000, .prefetch = 1'000'000'000});  // must not allocate for these
    CHECK(epoch_of(one, 0).sizes == std::vector<int>{3});
}

TEST_CASE("an epoch is a permutation, another one every epoch and seed") {
    Loader loader(numbered(101), {.batch_size = 8, .seed = 1});
    Loader other(numbered(101), {.batch_size = 8, .seed = 2});
    Record const first = epoch_of(loader, 0), second = epoch_of(loader, 1);
    for (Record const& record : {first, second}) {
        auto sorted = record.indices;
        std::sort(sorted.begin(), sorted.end());
        std::vector<std::uint32_t> all(101);
        std::iota(all.begin(), all.end(), 0u);
        CHECK(sorted == all);
        CHECK(record.indices != all);
        for (std::size_t i = 0; i < 101; ++i) CHECK(record.labels[i] == static_cast<int>(record.indices[i] % 7));
    }
    CHECK(first.indices != second.indices);
    CHECK(epoch_of(other, 0).indices != first.indices);
    CHECK(epoch_of(loader, 0) == first);
}

TEST_CASE("every order of an epoch is equally likely") {
    Loader loader(numbered(4), {.batch_size = 4, .threads = 0});
    std::map<std::vector<std::uint32_t>, int> seen;
    for (int epoch = 0; epoch < 2400; ++epoch) ++seen[epoch_of(loader, epoch).indices];
    CHECK(seen.size() == 24);
    // Expected 100 each with standard deviation 9.8; five of those are allowed.
    for (auto const& [order, times] : seen) CHECK(std::abs(times - 100) <= 49);
}

TEST_CASE("samples are transformed with the loader's seed, the epoch and their index") {
    Dataset const data = numbered(12).with(RandomCrop{.padding = 1}, RandomHorizontalFlip{});
    Loader loader(data, {.batch_size = 5, .seed = 77, .threads = 1});
    for (int const epoch : {0, 3}) {
        Record const record = epoch_of(loader, epoch);
        for (std::size_t i = 0; i < 12; ++i) {
            std::byte expected[6];
            data.load(record.indices[i], expected, 77, static_cast<std::uint32_t>(epoch));
            CHECK(std::memcmp(record.inputs.data() + 6 * i, expected, 6) == 0);
        }
    }
}

TEST_CASE("the same bits for any number of threads and any prefetch") {
    Dataset const data = numbered(57).with(
        RandomHorizontalFlip{}, RandomCrop{.padding = 1},
        [](std::span<float> x, SampleShape, Random& random) { x[1] += static_cast<float>(random.normal()); });
    Loader reference(data, {.batch_size = 5, .seed = 9, .threads = 0});
    Record const epoch0 = epoch_of(reference, 0), epoch1 = epoch_of(reference, 1);
    CHECK(epoch0.inputs != epoch1.inputs);
    for (int const threads : {1, 2, 3})
        for (int const prefetch : {1, 2, 5}) {
            CAPTURE(threads);
            CAPTURE(prefetch);
            Loader loader(data, {.batch_size = 5, .seed = 9, .threads = threads, .prefetch = prefetch});
            CHECK(epoch_of(loader, 0) == epoch0);
            CHECK(epoch_of(loader, 1) == epoch1);
        }
}

TEST_CASE("beginning at a batch equals having come there") {
    Dataset const data = numbered(23).with(RandomHorizontalFlip{});
    for (int const threads : {0, 1, 3}) {
        Loader through(data, {.batch_size = 4, .threads = threads}),
            resumed(data, {.batch_size = 4, .threads = threads});
        for (int skip = 0; skip <= 6; ++skip) {
            through.begin_epoch(5);
            for (int i = 0; i < skip; ++i) REQUIRE(through.next() != nullptr);
            CHECK(epoch_of(resumed, 5, skip) == rest_of_epoch(through));
        }
    }
}

TEST_CASE("an epoch can be given up anywhere, and so can the loader") {
    Dataset const data = numbered(40).with(RandomHorizontalFlip{});
    Loader reference(data, {.batch_size = 3, .threads = 0});
    Record const expected = epoch_of(reference, 7);
    for (int const threads : {0, 1, 3})
        for (int taken = 0; taken <= 14; ++taken) {
            Loader loader(data, {.batch_size = 3, .threads = threads, .prefetch = 2});
            loader.begin_epoch(6);
            for (int i = 0; i < taken; ++i) REQUIRE(loader.next() != nullptr);
            CHECK(epoch_of(loader, 7) == expected);
            loader.begin_epoch(8);
            for (int i = 0; i < taken; ++i) REQUIRE(loader.next() != nullptr);
        }
    for (int i = 0; i < 20; ++i) Loader never_used(data, {.batch_size = 3, .threads = 2});
}

TEST_CASE("what a transform throws comes out of next, at its batch") {
    for (int const threads : {0, 1, 3}) {
        CAPTURE(threads);
        std::atomic<bool> broken{true};
        // The first value of sample i is i * 6 * 37 % 251; sample 9 is in the fourth batch of three.
        float const bad = static_cast<float>(9 * 6 * 37 % 251) / 255.0f;
        Dataset const data = numbered(20).with([&](std::span<float> x, SampleShape, Random&) {
            if (broken && x[0] == bad) throw Error("sample 9 is rotten");
        });
        Loader loader(data, {.batch_size = 3, .shuffle = false, .threads = threads, .prefetch = 2});
        loader.begin_epoch(0);
        for (int i = 0; i < 3; ++i) REQUIRE(loader.next() != nullptr);
        for (int again = 0; again < 2; ++again) {
            CHECK(error_of([&] { loader.next(); }) == "sample 9 is rotten");
            CHECK(loader.indices().empty());
        }
        loader.begin_epoch(1);  // gives up while the error is still in the ring
        for (int i = 0; i < 3; ++i) REQUIRE(loader.next() != nullptr);
        loader.begin_epoch(2, 4);
        CHECK(rest_of_epoch(loader).sizes == std::vector<int>{3, 3, 2});
        broken = false;
        CHECK(epoch_of(loader, 3).sizes.size() == 7);
    }
}

TEST_CASE("exceptions that are not strata::Error keep their type") {
    Loader loader(numbered(4).with([](std::span<float>, SampleShape, Random&) { throw 42; }), {.batch_size = 2});
    loader.begin_epoch(0);
    CHECK_THROWS_AS(loader.next(), int);
}

TEST_CASE("batches carry type, scale, shift, labels and targets") {
    Dataset const bytes = numbered(4);
    Loader plain(bytes, {.batch_size = 2});
    plain.begin_epoch(0);
    Batch const* batch = plain.next();
    CHECK(batch->type == DataType::uint8);
    CHECK(batch->shape == SampleShape{1, 2, 3});
    REQUIRE(batch->scale != nullptr);
    CHECK(batch->scale[0] == 1.0 / 255);
    CHECK(batch->shift[0] == 0.0);
    CHECK(batch->targets == nullptr);

    std::vector<double> const values{1, 2, 3, 4}, targets{10, 11, 20, 21, 30, 31, 40, 41};
    Loader regression(from_memory(values, {1, 1, 1}, targets, 2), {.batch_size = 3, .shuffle = false});
    regression.begin_epoch(0);
    batch = regression.next();
    CHECK(batch->type == DataType::float64);
    CHECK(batch->scale == nullptr);
    CHECK(batch->shift == nullptr);
    CHECK(batch->labels == nullptr);
    CHECK(batch->target_type == DataType::float64);
    batch = regression.next();
    CHECK(batch->size == 1);
    CHECK(static_cast<double const*>(batch->inputs)[0] == 4);
    CHECK(static_cast<double const*>(batch->targets)[0] == 40);
    CHECK(static_cast<double const*>(batch->targets)[1] == 41);
}

#ifndef __SANITIZE_THREAD__
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !__has_feature(thread_sanitizer)
TEST_CASE("the child of a fork prepares its batches itself, and the parent goes on") {
    Dataset const data = numbered(40).with(RandomCrop{.padding = 1});
    Loader alone(data, {.batch_size = 3, .threads = 0});
    alone.begin_epoch(0, 5);
    Record const rest = rest_of_epoch(alone), whole = epoch_of(alone, 1);
    for (int const place : {0, 1, 2}) {  // in mid epoch with a batch in hand, before an epoch, at its end
        CAPTURE(place);
        Loader loader(data, {.batch_size = 3, .threads = 2, .prefetch = 3});
        if (place < 2) loader.begin_epoch(0, place == 0 ? 4 : 0);
        if (place == 0) REQUIRE(loader.next() != nullptr);
        if (place == 2) static_cast<void>(epoch_of(loader, 0));
        pid_t const child = fork();
        if (child == 0) {
            alarm(60);  // ends a child that waits for threads it does not have
            bool right = true;
            {
                Loader& mine = loader;
                if (place == 0) {
                    right = mine.indices().size() == 3 && rest_of_epoch(mine) == rest;
                } else if (place == 2) {
                    right = mine.next() == nullptr;
                }
                right = right && epoch_of(mine, 1) == whole;
                Loader fresh(data, {.batch_size = 3, .threads = 1});
                right = right && epoch_of(fresh, 1) == whole;
            }
            loader.~Loader();
            _exit(right ? 0 : 1);
        }
        REQUIRE(child > 0);
        if (place == 0) CHECK(rest_of_epoch(loader) == rest);
        CHECK(epoch_of(loader, 1) == whole);
        int status = 1;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
}
#endif
#endif

TEST_CASE("options that make no sense are refused") {
    Dataset const data = numbered(4);
    contains(error_of([&] { Loader loader(data, {.batch_size = 0}); }), "batch_size is 0");
    contains(error_of([&] { Loader loader(data, {.batch_size = -5}); }), "batch_size is -5");
    contains(error_of([&] { Loader loader(data, {.threads = -1}); }), "threads is -1");
    contains(error_of([&] { Loader loader(data, {.prefetch = 0}); }), "prefetch is 0");
    contains(error_of([&] { Loader loader(data, {.batch_size = 5, .drop_last = true}); }),
             "4 samples are less than one batch of 5");
    contains(error_of([&] { Loader loader(Dataset{}, {}); }), "the dataset is empty");
    Loader loader(data, {.batch_size = 3});
    contains(error_of([&] { loader.next(); }), "call begin_epoch before next");
    contains(error_of([&] { loader.begin_epoch(0, 3); }), "cannot begin at batch 3 of an epoch with 2");
    contains(error_of([&] { loader.begin_epoch(0, -1); }), "batch -1");
    contains(error_of([&] { loader.begin_epoch(-1); }), "epoch -1");
}
