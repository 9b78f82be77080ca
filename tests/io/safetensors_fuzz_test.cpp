// Damaged and hostile files: every one is refused with an Error or read within its own bytes. The sanitizers see the
// rest; memory is limited so that an allocation that a file's few bytes do not justify fails.
#include <strata/io/safetensors.hpp>

#include <array>
#include <cstdlib>
#include <new>
#include <strata/core/random.hpp>

#include "files.hpp"

using namespace strata;

namespace {
std::size_t largest_allocation = 0;
}
// Counts instead of limiting address space, which the sanitizers need for themselves. Not inlined: g++ 12 would warn of
// malloc meeting delete.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    largest_allocation = std::max(largest_allocation, bytes);
    if (void* const memory = std::malloc(bytes > 0 ? bytes : 1)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t bytes) { return operator new(bytes); }
[[gnu::noinline]] void* operator new[](std::size_t bytes, std::nothrow_t const&) noexcept {
    largest_allocation = std::max(largest_allocation, bytes);
    return std::malloc(bytes > 0 ? bytes : 1);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {
// Reads the file and every byte of every tensor. True when it was accepted.
bool read_all(std::string const& path) {
    bool accepted = false;
    largest_allocation = 0;
    std::size_t const bytes = std::filesystem::file_size(path);
    try {
        SafetensorsFile const file(path);
        unsigned sum = 0;
        for (auto const& [name, tensor] : file.tensors())
            for (auto const byte : file.data(tensor)) sum += static_cast<unsigned>(byte);
        std::array<float, 6> values{};
        TensorView const target{"weight", {2, 3}, DataType::float32, values.data()};
        try {
            load_tensors(file, {&target, 1});
        } catch (Error const&) {}
        accepted = sum + 1 > 0;
    } catch (Error const& error) { CHECK(std::string_view(error.what()).starts_with(path)); }
    CHECK(largest_allocation <= 4096 + 16 * bytes);
    return accepted;
}

std::string good_file(TemporaryDirectory const& directory) {
    std::array<float, 6> weight{1, 2, 3, 4, 5, 6};
    std::array<double, 2> bias{7, 8};
    std::int64_t count = 9;
    write_safetensors(directory / "good",
                      std::vector<TensorView>{{"weight", {2, 3}, DataType::float32, weight.data()},
                                              {"bias", {2, 1}, DataType::float64, bias.data()},
                                              {"count", {}, DataType::int64, &count}},
                      {{"format", "pt"}});
    return read_bytes(directory / "good");
}
}  // namespace

TEST_CASE("cut at every byte: always refused") {
    TemporaryDirectory directory;
    auto const good = good_file(directory);
    for (std::size_t length = 0; length < good.size(); ++length) {
        INFO(length);
        CHECK_FALSE(read_all(write_bytes(directory / "x", good.substr(0, length))));
    }
    CHECK(read_all(directory / "good"));
}

TEST_CASE("random bytes changed, inserted, removed and doubled") {
    TemporaryDirectory directory;
    auto const good = good_file(directory);
    auto const header_end = static_cast<std::uint32_t>(good.size() - 48);
    Random random(1, Purpose::user);
    std::string_view const tokens[] = {"[",
                                       "]",
                                       "{",
                                       "}",
                                       ",",
                                       ":",
                                       "\"",
                                       "-",
                                       "0",
                                       "9",
                                       "e",
                                       ".",
                                       "\\u0000",
                                       "null",
                                       "18446744073709551615",
                                       "9223372036854775808",
                                       "\xff",
                                       "\\",
                                       " "};
    int accepted = 0;
    for (int round = 0; round < 6000; ++round) {
        auto bytes = good;
        for (std::uint32_t change = 0, changes = 1 + random.below(3); change < changes; ++change) {
            std::size_t const at = random.below(header_end);
            switch (random.below(4)) {
                case 0:
                    bytes[at] = static_cast<char>(random.below(256));
                    break;
                case 1:
                    bytes.insert(at, tokens[random.below(std::size(tokens))]);
                    break;
                case 2:
                    bytes.erase(at, 1 + random.below(8));
                    break;
                default:
                    bytes.insert(at, bytes.substr(random.below(header_end), random.below(40)));
                    break;
            }
        }
        // Half of the time the header's length is right again, so that the parser sees the damage.
        if (random.below(2) == 0 && bytes.size() > 56) {
            std::uint64_t const length = bytes.size() - 8 - 48;
            std::memcpy(bytes.data(), &length, 8);
        }
        accepted += read_all(write_bytes(directory / "x", bytes));
    }
    MESSAGE(accepted << " of 6000 were still valid files");
    CHECK(accepted > 0);  // a letter of a name changed, a space added: else the damage would be too coarse
}

TEST_CASE("numbers at the edges, in every place that has a number") {
    TemporaryDirectory directory;
    std::string_view const numbers[] = {"0",
                                        "1",
                                        "-1",
                                        "-0",
                                        "2147483648",
                                        "4294967295",
                                        "4294967296",
                                        "4611686018427387904",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "1e19",
                                        "1e999",
                                        "0.5",
                                        "99999999999999999999999999999999"};
    for (auto const a : numbers)
        for (auto const b : numbers)
            for (std::string_view const dtype : {"F32", "U8", "F4"}) {
                auto const file = [&](std::string const& shape, std::string const& offsets) {
                    return write_bytes(
                        directory / "x",
                        safetensors_bytes(concatenate("{\"weight\":{\"dtype\":\"", dtype, "\",\"shape\":[", shape,
                                                      "],\"data_offsets\":[", offsets, "]}}"),
                                          24));
                };
                read_all(file(concatenate(a, ",", b), "0,24"));
                read_all(file("2,3", concatenate(a, ",", b)));
                read_all(file(concatenate(a, ",", b, ",0"), concatenate(b, ",", a)));
            }
}

TEST_CASE("header lengths at the edges") {
    TemporaryDirectory directory;
    auto const good = good_file(directory);
    for (int shift = 0; shift < 64; ++shift)
        for (int offset = -1; offset <= 1; ++offset) {
            auto bytes = good;
            std::uint64_t const length = (std::uint64_t{1} << shift) + static_cast<std::uint64_t>(offset);
            std::memcpy(bytes.data(), &length, 8);
            CHECK_FALSE(read_all(write_bytes(directory / "x", bytes)));
        }
    // Longer than the format allows, in a file that claims to have it (sparse: no disk is used).
    write_bytes(directory / "big", std::string("\x01\xe1\xf5\x05\0\0\0\0", 8));  // 100 000 001
    std::filesystem::resize_file(directory / "big", 200'000'000);
    largest_allocation = 0;
    CHECK_CONTAINS(error_of([&] { SafetensorsFile file(directory / "big"); }), "at most 100000000 bytes");
    CHECK(largest_allocation < 4096);
}
