// labels: libcxx
#include <strata/io/checkpoint_file.hpp>

#include <array>
#include <strata/core/random.hpp>
#include <strata/io/load_tensors.hpp>

#include "files.hpp"

using namespace strata;

namespace {
struct State {
    std::array<float, 5> weight{1, 2, 3, 4, 5};
    std::int64_t step = 17;

    std::vector<TensorView> views() {
        return {{"weight", {5, 1}, DataType::float32, weight.data()}, {"step", {}, DataType::int64, &step}};
    }
};
Metadata const history{{"epoch", "3"}, {"network", "LeNet"}};
}  // namespace

TEST_CASE("a checkpoint comes back, without the entries of the format") {
    TemporaryDirectory directory;
    State state;
    write_checkpoint(directory / "c", state.views(), history);
    CheckpointFile const file(directory / "c");
    CHECK(file.metadata() == history);
    State loaded{{}, 0};
    load_tensors(file.tensors(), loaded.views());
    CHECK(loaded.weight == state.weight);
    CHECK(loaded.step == state.step);

    // Tensors have no order: the checksum must not depend on the one they were given in.
    auto views = state.views();
    std::swap(views[0], views[1]);
    write_checkpoint(directory / "d", views, history);
    CHECK(read_bytes(directory / "c") == read_bytes(directory / "d"));

    // Neither have the keys of JSON's objects.
    write_checkpoint(directory / "e", views, {{"b", "2"}, {"a", "1"}});
    auto bytes = read_bytes(directory / "e");
    std::string const written = R"("b":"2","a":"1")", swapped = R"("a":"1","b":"2")";
    bytes.replace(bytes.find(written), written.size(), swapped);
    write_bytes(directory / "e", bytes);
    CHECK(CheckpointFile(directory / "e").metadata() == Metadata{{"b", "2"}, {"a", "1"}});

    Metadata twice{{"a", "1"}};
    twice.add("a", "2");
    CHECK_CONTAINS(error_of([&] { write_checkpoint(directory / "e", views, twice); }), "\"a\" comes twice");
    CHECK(read_bytes(directory / "e") == bytes);
}

TEST_CASE("every way to be refused has its own reason") {
    TemporaryDirectory directory;
    State state;
    auto const path = directory / "c";
    auto const refusal = [&](std::string const& bytes) {
        write_bytes(directory / "x", bytes);
        return error_of([&] { CheckpointFile file(directory / "x"); });
    };
    write_checkpoint(path, state.views(), history);
    auto const good = read_bytes(path);

    CHECK_CONTAINS(error_of([&] { CheckpointFile file(directory / "none"); }), "No such file or directory");
    CHECK_CONTAINS(refusal(good.substr(0, 5)), "at least 8 bytes");
    CHECK_CONTAINS(refusal(good.substr(0, 50)), "truncated");
    CHECK_CONTAINS(refusal(good.substr(0, good.size() - 1)), "within the 27 bytes of data");
    CHECK_CONTAINS(refusal(good + "x"), "expected 28 bytes of data");
    // A torn write: the length is right, the last block never reached the disk.
    auto torn = good;
    torn.replace(torn.size() - 12, 12, 12, '\0');
    CHECK_CONTAINS(refusal(torn), "the file is damaged: expected the checksum");

    write_safetensors(path, state.views(), history);
    CHECK_CONTAINS(error_of([&] { CheckpointFile file(path); }),
                   "expected a Strata checkpoint, got a safetensors file without its mark");
    auto future = good;
    auto const version = future.find(R"("strata.version":"1")");
    REQUIRE(version != std::string::npos);
    future[version + 18] = '9';
    CHECK_CONTAINS(refusal(future), "expected a checkpoint of version 1, got version \"9\"");
    auto renamed = good;
    renamed.replace(renamed.find("epoch"), 5, "Epoch");
    CHECK_CONTAINS(refusal(renamed), "damaged");
    renamed = good;
    renamed.replace(renamed.find("weight"), 6, "height");
    CHECK_CONTAINS(refusal(renamed), "damaged");
    // As many bytes, but another shape.
    renamed = good;
    renamed.replace(renamed.find("[5,1]"), 5, "[1,5]");
    CHECK_CONTAINS(refusal(renamed), "damaged");

    CHECK_CONTAINS(error_of([&] { write_checkpoint(path, state.views(), {{"strata.version", "2"}}); }),
                   "kept for the checkpoint format");
    std::vector<TensorView> const bad{{"a", {-1}, DataType::float32, nullptr}};
    CHECK_CONTAINS(error_of([&] { write_checkpoint(path, bad); }), "non-negative extents");
}

TEST_CASE("no cut and no flipped bit passes") {
    TemporaryDirectory directory;
    State state;
    write_checkpoint(directory / "c", state.views(), history);
    auto const good = read_bytes(directory / "c");
    for (std::size_t length = 0; length < good.size(); ++length) {
        write_bytes(directory / "x", good.substr(0, length));
        CHECK_THROWS_AS(CheckpointFile(directory / "x"), Error);
    }
    for (std::size_t i = 0; i < good.size(); ++i)
        for (int bit = 0; bit < 8; ++bit) {
            auto flipped = good;
            flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
            write_bytes(directory / "x", flipped);
            INFO("byte ", i, " bit ", bit);
            CHECK_THROWS_AS(CheckpointFile(directory / "x"), Error);
        }
}

TEST_CASE("the checksum sees length, order and grouping") {
    auto const sum_of = [](auto... parts) {
        Checksum sum;
        (sum.add(std::string_view(parts)), ...);
        return sum.value();
    };
    CHECK(sum_of("ab", "c") != sum_of("a", "bc"));
    CHECK(sum_of("a") != sum_of(std::string("a\0", 2)));
    CHECK(sum_of("a", "b") != sum_of("b", "a"));
    CHECK(sum_of("") != sum_of());
    // The two highest bits of neighbouring words, which plain FNV-1a over words would lose.
    std::string words(16, 'x'), flipped = words;
    flipped[7] = static_cast<char>(flipped[7] ^ 0x80);
    flipped[15] = static_cast<char>(flipped[15] ^ 0x80);
    CHECK(sum_of(words) != sum_of(flipped));
}
