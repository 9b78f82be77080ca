// labels: libcxx
#include <strata/io/safetensors.hpp>

#include <array>
#include <cmath>
#include <limits>

#include "files.hpp"

using namespace strata;

namespace {
struct Sample {  // one tensor of each type
    std::array<float, 6> weight{1, -2, 3.5f, 0x1p-149f, std::numeric_limits<float>::infinity(), -0.0f};
    std::array<double, 2> scale{0.1, -1e300};
    std::int64_t counter = -7;
    std::array<std::uint8_t, 3> bytes{0, 128, 255};
    std::array<std::uint16_t, 2> half{0x3c00, 0x0001};
    std::array<std::uint16_t, 1> brain{0x3f80};

    std::vector<TensorView> views() {
        return {{"weight", {2, 3}, DataType::float32, weight.data()}, {"scale", {2}, DataType::float64, scale.data()},
                {"counter", {}, DataType::int64, &counter},           {"bytes", {3, 1}, DataType::uint8, bytes.data()},
                {"half", {2}, DataType::float16, half.data()},        {"brain", {1}, DataType::bfloat16, brain.data()},
                {"empty", {0, 4}, DataType::float32, nullptr}};
    }
};

std::string refused(std::string const& header, std::size_t data_bytes = 0) {
    return error_of([&] { static_cast<void>(parse_safetensors_header(header, data_bytes, "f")); });
}
std::string entry(std::string const& dtype, std::string const& shape, std::string const& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}
std::string one(std::string const& dtype, std::string const& shape, std::string const& offsets) {
    return R"({"w":)" + entry(dtype, shape, offsets) + "}";
}
}  // namespace

TEST_CASE("what is written is read back") {
    TemporaryDirectory directory;
    auto const path = directory / "model.safetensors";
    Sample sample;
    Metadata const metadata{{"format", "pt"}, {"quote \" and \n", "\xc3\xa9\\"}};
    write_safetensors(path, sample.views(), metadata);

    SafetensorsFile const file(path);
    CHECK(file.metadata() == metadata);
    CHECK(file.tensors().size() == 7);
    CHECK(file.find("absent") == nullptr);
    REQUIRE(file.find("weight") != nullptr);
    CHECK(file.find("weight")->shape == std::vector<std::int64_t>{2, 3});
    CHECK(file.find("weight")->dtype == "F32");
    CHECK(file.find("counter")->shape.empty());

    Sample loaded;
    loaded.weight = {};
    loaded.scale = {};
    loaded.counter = 0;
    loaded.bytes = {};
    loaded.half = {};
    loaded.brain = {};
    load_tensors(file, loaded.views());
    CHECK(std::memcmp(loaded.weight.data(), sample.weight.data(), sizeof sample.weight) == 0);
    CHECK(loaded.scale == sample.scale);
    CHECK(loaded.counter == sample.counter);
    CHECK(loaded.bytes == sample.bytes);
    CHECK(loaded.half == sample.half);
    CHECK(loaded.brain == sample.brain);
}

TEST_CASE("the layout is that of the reference implementation: larger types first, then names, padded, aligned") {
    TemporaryDirectory directory;
    Sample sample;
    write_safetensors(directory / "f", sample.views());
    auto const bytes = read_bytes(directory / "f");
    std::string const header = R"({"counter":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                               R"("scale":{"dtype":"F64","shape":[2],"data_offsets":[8,24]},)"
                               R"("empty":{"dtype":"F32","shape":[0,4],"data_offsets":[24,24]},)"
                               R"("weight":{"dtype":"F32","shape":[2,3],"data_offsets":[24,48]},)"
                               R"("brain":{"dtype":"BF16","shape":[1],"data_offsets":[48,50]},)"
                               R"("half":{"dtype":"F16","shape":[2],"data_offsets":[50,54]},)"
                               R"("bytes":{"dtype":"U8","shape":[3,1],"data_offsets":[54,57]}})";
    CHECK(bytes.substr(8, header.size()) == header);
    auto const padded = (header.size() + 7) / 8 * 8;
    CHECK(bytes.size() == 8 + padded + 57);
    CHECK(bytes.substr(8 + header.size(), padded - header.size()) == std::string(padded - header.size(), ' '));
}

TEST_CASE("a file without tensors") {
    TemporaryDirectory directory;
    write_safetensors(directory / "none", {});
    CHECK(read_bytes(directory / "none") == safetensors_bytes("{}      ", 0));
    SafetensorsFile const file(directory / "none");
    CHECK(file.tensors().empty());
    load_tensors(file, {});
}

TEST_CASE("what cannot be written is refused, and the old file stays") {
    TemporaryDirectory directory;
    auto const path = directory / "f";
    write_bytes(path, "old");
    float x[4] = {};
    auto const refusal = [&](std::vector<TensorView> const& tensors, Metadata const& metadata = {}) {
        auto message = error_of([&] { write_safetensors(path, tensors, metadata); });
        CHECK(read_bytes(path) == "old");
        CHECK(directory.file_count() == 1);
        CHECK_CONTAINS(message, path);
        return message;
    };
    TensorView const good{"a", {4}, DataType::float32, x};
    CHECK_CONTAINS(refusal({good, good}), "\"a\" comes twice");
    CHECK_CONTAINS(refusal({{"\xff", {4}, DataType::float32, x}}), "UTF-8");
    CHECK_CONTAINS(refusal({good}, {{"key", "\xff"}}), "UTF-8");
    CHECK_CONTAINS(refusal({{"__metadata__", {4}, DataType::float32, x}}), "keeps this name");
    CHECK_CONTAINS(refusal({{"a", {-4}, DataType::float32, x}}), "expected non-negative extents");
    CHECK_CONTAINS(refusal({{"a", {1LL << 40, 1LL << 40}, DataType::float32, x}}), "fits 64 bits");
    CHECK_CONTAINS(refusal({{"a", {4}, DataType::float32, nullptr}}), "null pointer");
    CHECK_CONTAINS(error_of([&] { write_safetensors(directory / "no/f", {&good, 1}); }), "No such file or directory");
}

TEST_CASE("files that are no safetensors files") {
    TemporaryDirectory directory;
    auto const refusal = [&](std::string const& bytes) {
        auto const path = write_bytes(directory / "f", bytes);
        auto message = error_of([&] { SafetensorsFile file(path); });
        CHECK(message.starts_with(path));
        return message;
    };
    CHECK_CONTAINS(error_of([&] { SafetensorsFile file(directory / "none"); }), "No such file or directory");
    CHECK_CONTAINS(error_of([&] { SafetensorsFile file(directory.path()); }), "expected a regular file");
    CHECK_CONTAINS(refusal(""), "at least 8 bytes, got 0 bytes");
    CHECK_CONTAINS(refusal("1234567"), "at least 8 bytes, got 7 bytes");
    CHECK_CONTAINS(refusal(std::string(8, '\0')), "expected an object");
    CHECK_CONTAINS(refusal(std::string(8, '\xff')), "got a header length of 18446744073709551615");
    CHECK_CONTAINS(refusal("a file of something else"), "not a safetensors file");
    CHECK_CONTAINS(refusal(safetensors_bytes("{}", 1)), "expected 0 bytes of data after the header, got 1");
    CHECK_CONTAINS(refusal(safetensors_bytes("[]", 0)), "expected an object");
    CHECK_CONTAINS(refusal(safetensors_bytes("{} {}", 0)), "expected the end of the text");
    CHECK_CONTAINS(refusal(safetensors_bytes(std::string("{}\0 ", 4), 0)), "expected the end of the text");
}

TEST_CASE("every rule of the header") {
    CHECK(parse_safetensors_header(one("F32", "[2,3]", "[0,24]"), 24, "f").tensors.size() == 1);
    CHECK(refused(one("F32", "[2,3]", "[0,24]"), 23) ==
          "f, tensor \"w\": expected \"data_offsets\" within the 23 bytes of data, got [0, 24]");
    CHECK(refused(one("F32", "[2,3]", "[0,20]"), 20) ==
          "f, tensor \"w\": expected 24 bytes for F32 [2, 3], got 20 from \"data_offsets\" [0, 20]");
    CHECK_CONTAINS(refused(one("F32", "[2,3]", "[0,24]"), 25), "expected 24 bytes of data after the header, got 25");
    CHECK_CONTAINS(refused(one("F32", "[0]", "[24,0]"), 24), "within the 24 bytes");
    CHECK_CONTAINS(refused(one("F32", "[1]", "[4,8]"), 8), "without holes, beginning at byte 0, got 4");
    CHECK_CONTAINS(refused(one("F32", "[-1]", "[0,4]"), 4), "a non-negative integer in \"shape\"");
    CHECK_CONTAINS(refused(one("F32", "[1.0]", "[0,4]"), 4), "a non-negative integer in \"shape\"");
    CHECK_CONTAINS(refused(one("F32", "[9223372036854775808]", "[0,4]"), 4), "below 2^63");
    CHECK_CONTAINS(refused(one("F32", "[18446744073709551616]", "[0,4]"), 4), "a non-negative integer in \"shape\"");
    CHECK_CONTAINS(refused(one("F32", "[4611686018427387905]", "[0,4]"), 4), "a size that fits 64 bits");
    CHECK_CONTAINS(refused(one("U8", "[4294967296,4294967296]", "[0,0]")), "a size that fits 64 bits");
    CHECK_CONTAINS(refused(one("F32", "[1]", "[-4,0]"), 4), "a non-negative integer in \"data_offsets\"");
    CHECK_CONTAINS(refused(one("F32", "[1]", "[0]"), 4), "two numbers in \"data_offsets\", got 1");
    CHECK_CONTAINS(refused(one("F32", "[1]", "[]"), 4), "two numbers in \"data_offsets\", got 0");
    CHECK_CONTAINS(refused(one("F32", "[1]", "[0,4,8]"), 4), "two numbers in \"data_offsets\", got more");
    CHECK_CONTAINS(refused(one("F32", "1", "[0,4]"), 4), "an array for \"shape\"");
    CHECK_CONTAINS(refused(R"({"w":{"dtype":7}})"), "a string for \"dtype\"");
    CHECK_CONTAINS(refused(R"({"w":{"shape":[],"data_offsets":[0,4]}})", 4), "expected a \"dtype\"");
    CHECK_CONTAINS(refused(R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4), "expected a \"shape\"");
    CHECK_CONTAINS(refused(R"({"w":{"dtype":"F32","shape":[]}})", 4), "expected \"data_offsets\"");
    CHECK_CONTAINS(refused(R"({"w":{"dtype":"F32","shape":[],"shape":[],"data_offsets":[0,4]}})"), "\"shape\" comes");
    CHECK_CONTAINS(refused(R"({"w":{"data_offsets":[0,4],"data_offsets":[0,4]}})"), "\"data_offsets\" comes twice");
    CHECK_CONTAINS(refused(R"({"w":{"dtype":"F32","dtype":"F32"}})"), "\"dtype\" comes twice");
    CHECK_CONTAINS(refused(R"({"w":[]})"), "expected an object");
    CHECK_CONTAINS(refused(R"({"__metadata__":{"a":1}})"), "\"__metadata__\": expected a string");
    CHECK_CONTAINS(refused(R"({"__metadata__":{"a":null}})"), "\"__metadata__\": expected a string");
    CHECK_CONTAINS(refused(R"({"__metadata__":{},"__metadata__":{}})"), "\"__metadata__\": the name comes twice");
    auto const w = R"("w":)" + entry("F32", "[1]", "[0,4]");
    CHECK_CONTAINS(refused("{" + w + R"(,"w":)" + entry("F32", "[1]", "[4,8]") + "}", 8), "without holes");
    CHECK_CONTAINS(refused(R"({"w":7,)" + w + "}", 4), "expected an object");
    CHECK_CONTAINS(refused("{" + w + R"(,"v":)" + entry("F32", "[1]", "[0,4]") + "}", 4), "data of its own");
    CHECK_CONTAINS(refused("{" + w + R"(,"v":)" + entry("F32", "[2]", "[2,10]") + "}", 10), "without overlaps");
    CHECK_CONTAINS(refused("{" + w + R"(,"v":)" + entry("F32", "[0]", "[2,2]") + "}", 4), "without overlaps");
    CHECK_CONTAINS(refused("{" + w + R"(,"v":)" + entry("F32", "[1]", "[5,9]") + "}", 9), "without holes");
    // The name is shown so that it cannot play tricks on a terminal.
    CHECK_CONTAINS(refused(R"({"\u001b[2J\n":7})"), R"(tensor "\u001b[2J\n")");
}

TEST_CASE("what safetensors 0.8.0 reads is read: null metadata, unknown keys, space in front, names twice") {
    auto const w = R"("w":)" + entry("F32", "[1]", "[0,4]");
    auto const header = [](std::string const& text, std::size_t bytes = 4) {
        return parse_safetensors_header(text, bytes, "f");
    };
    CHECK(header(R"({"__metadata__":null,)" + w + "}").metadata.empty());
    CHECK(header(R"({"__metadata__":{"a":"1","a":"2"},)" + w + "}").metadata == Metadata{{"a", "2"}});
    CHECK(header(" \n\r\t{" + w + "}").tensors.size() == 1);
    CHECK(header(R"({"w":{"x":{"y":[1,{"z":null}],"y":1e3},"dtype":"F32","shape":[1],"x":0,"data_offsets":[0,4]}})")
              .tensors.size() == 1);
    // The last of a name counts, and only that is checked.
    auto const last = header(R"({"w":)" + entry("F16", "[9]", "[7,3]") + "," + w + "}");
    CHECK(last.tensors.find("w")->dtype == "F32");
    CHECK(header("{" + w + "," + w + "}").tensors.size() == 1);
    CHECK(header(R"({"":)" + entry("F32", "[1]", "[0,4]") + "}").tensors.find("") != nullptr);
    // Empty, whatever the other extents are.
    CHECK(header(one("F32", "[4611686018427387904,0]", "[0,0]"), 0).tensors.size() == 1);
    CHECK(header(one("F64", "[0,4611686018427387904,4611686018427387904]", "[0,0]"), 0).tensors.size() == 1);
}

TEST_CASE("empty tensors may share a place, in either order of their names") {
    for (char const* empty : {"a", "z"}) {
        auto const header = R"({"m":)" + entry("F32", "[1]", "[0,4]") + R"(,"n":)" + entry("F32", "[1]", "[4,8]") +
                            ",\"" + empty + "1\":" + entry("F32", "[0]", "[4,4]") + ",\"" + empty +
                            "2\":" + entry("F32", "[3,0]", "[4,4]") + ",\"" + empty +
                            "3\":" + entry("F32", "[0]", "[8,8]") + "}";
        CHECK(parse_safetensors_header(header, 8, "f").tensors.size() == 5);
    }
}

TEST_CASE("nesting, however deep, needs no stack, and a million extents no memory") {
    for (std::string const open : {"[", "{\"a\":"}) {
        std::string deep;
        for (int i = 0; i < 1'000'000; ++i) deep += open;
        CHECK_CONTAINS(refused("{\"w\":" + deep), "f, tensor \"w\": expected ");
        CHECK_CONTAINS(refused(R"({"__metadata__":{"a":)" + deep), "expected a string");
    }
    std::string extents = "[1";
    for (int i = 0; i < 1'000'000; ++i) extents += ",1";
    CHECK_CONTAINS(refused(one("F32", extents + "]", "[0,4]"), 4), "at most 64 dimensions");
}

TEST_CASE("a million texts are read as fast as a million names, and the last of a key counts") {
    std::string texts;
    constexpr std::size_t keys = 1'000'000;
    for (std::size_t i = 0; i < keys; ++i) texts += concatenate("\"", i, "\":\"\",");
    auto const header = parse_safetensors_header(
        concatenate(R"({"__metadata__":{"7":"first",)", texts, R"("7":"between","0":"end","7":"last"}})"), 0, "f");
    CHECK(header.metadata.size() == keys);
    CHECK(*header.metadata.find("0") == "end");
    CHECK(*header.metadata.find("7") == "last");
    CHECK(*header.metadata.find("999999") == "");
    CHECK(header.metadata.key(0) == "1");  // in the order in which the texts that count came
}

TEST_CASE("types Strata does not have may be in a file, and are refused only when asked for") {
    TemporaryDirectory directory;
    auto const path = write_bytes(
        directory / "f",
        safetensors_bytes(
            R"({"new":)" + entry("F4", "[3]", "[0,2]") + R"(,"old":)" + entry("I32", "[1]", "[2,6]") + "}", 6));
    SafetensorsFile const file(path);
    CHECK_FALSE(file.find("new")->type.has_value());
    float x[3] = {1, 2, 3};
    load_tensors(file, {}, {.allow_extra = true});
    TensorView const targets[] = {{"new", {3}, DataType::float32, x}, {"old", {1}, DataType::int64, x}};
    auto const message = error_of([&] { load_tensors(file, targets); });
    CHECK_CONTAINS(message, "dtype: \"new\" is \"F4\" in the file, expected F16, BF16, F32 or F64");
    CHECK_CONTAINS(message, "dtype: \"old\" is \"I32\" in the file, expected I64");
    CHECK(x[0] == 1);
    CHECK_CONTAINS(refused(one("I32", "[1]", "[0,2]"), 2), "expected 4 bytes for I32");
}

TEST_CASE("loading reports all differences at once and touches nothing") {
    TemporaryDirectory directory;
    float const old = 42;
    std::array<float, 6> a{}, b{}, c{}, e{};
    std::int64_t d = 1;
    a.fill(1);
    write_safetensors(directory / "f", std::vector<TensorView>{{"a", {2, 3}, DataType::float32, a.data()},
                                                               {"b", {2, 3}, DataType::float32, b.data()},
                                                               {"d", {}, DataType::int64, &d},
                                                               {"e", {}, DataType::float32, e.data()},
                                                               {"extra.num_batches_tracked", {}, DataType::int64, &d}});
    SafetensorsFile const file(directory / "f");
    a.fill(old), b.fill(old), c.fill(old), e.fill(old), d = 42;
    std::vector<TensorView> const targets{{"a", {2, 3}, DataType::float32, a.data()},
                                          {"b", {3, 2}, DataType::float32, b.data()},
                                          {"c", {6}, DataType::float32, c.data()},
                                          {"d", {1}, DataType::float64, &d},
                                          {"e", {}, DataType::int64, e.data()},
                                          {"a", {2, 3}, DataType::float32, a.data()},
                                          {"bn.num_batches_tracked", {}, DataType::int64, &d}};
    CHECK(error_of([&] { load_tensors(file, targets); }) ==
          directory /
              "f: expected the tensors of the network, got 7 differences"
              "\n  shape: \"b\" is [2, 3] in the file, expected [3, 2]"
              "\n  missing: \"c\", expected F32 [6]"
              "\n  shape: \"d\" is [] in the file, expected [1]"
              "\n  dtype: \"d\" is \"I64\" in the file, expected F16, BF16, F32 or F64"
              "\n  dtype: \"e\" is \"F32\" in the file, expected I64"
              "\n  asked for twice: \"a\""
              "\n  unexpected: \"extra.num_batches_tracked\", I64 []");
    for (auto const* tensor : {&a, &b, &c, &e})
        for (float const value : *tensor) CHECK(value == old);
    CHECK(d == 42);
}

TEST_CASE("what may be missing, and extra tensors") {
    TemporaryDirectory directory;
    float a = 1, b = 2;
    std::int64_t count = 3;
    write_safetensors(directory / "f", std::vector<TensorView>{{"a", {}, DataType::float32, &a}});
    SafetensorsFile const file(directory / "f");
    std::vector<TensorView> const targets{{"a", {}, DataType::float32, &a},
                                          {"b", {}, DataType::float32, &b},
                                          {"bn.num_batches_tracked", {}, DataType::int64, &count}};
    a = 7;
    CHECK_CONTAINS(error_of([&] { load_tensors(file, targets); }), "got 1 difference\n  missing: \"b\"");
    CHECK(a == 7);
    load_tensors(file, targets, {.optional = {"b"}});
    CHECK(a == 1);
    CHECK(b == 2);
    CHECK(count == 3);
    CHECK_CONTAINS(error_of([&] { load_tensors(file, {}); }), "unexpected: \"a\", F32 []");
    load_tensors(file, {}, {.allow_extra = true});
}

TEST_CASE("a prefix is stripped where it stands") {
    TemporaryDirectory directory;
    float a = 1, b = 2, c = 3;
    write_safetensors(directory / "f", std::vector<TensorView>{{"module.a", {}, DataType::float32, &a},
                                                               {"b", {}, DataType::float32, &b},
                                                               {"module.module.c", {}, DataType::float32, &c}});
    SafetensorsFile const file(directory / "f");
    a = b = c = 0;
    load_tensors(file,
                 std::vector<TensorView>{{"a", {}, DataType::float32, &a},
                                         {"b", {}, DataType::float32, &b},
                                         {"module.c", {}, DataType::float32, &c}},
                 {.strip_prefix = "module."});
    CHECK(a == 1);
    CHECK(b == 2);
    CHECK(c == 3);

    write_safetensors(directory / "g", std::vector<TensorView>{{"module.a", {}, DataType::float32, &a},
                                                               {"a", {}, DataType::float32, &b}});
    std::string const ambiguous = error_of([&] {
        load_tensors(SafetensorsFile(directory / "g"), std::vector<TensorView>{{"a", {}, DataType::float32, &a}},
                     {.strip_prefix = "module."});
    });
    CHECK_CONTAINS(ambiguous, "ambiguous: \"a\" is in the file with and without the prefix \"module.\"");
    CHECK_CONTAINS(ambiguous, "got 1 difference");
}

TEST_CASE("patterns of names") {
    for (auto const& c : std::initializer_list<std::pair<char const*, char const*>>{{"head.weight", "head.*"},
                                                                                    {"head.weight", "*"},
                                                                                    {"head.weight", "*weight"},
                                                                                    {"head.weight", "h*d.*t"},
                                                                                    {"head.weight", "head.weight"},
                                                                                    {"", "*"},
                                                                                    {"", ""},
                                                                                    {"a*b", "a*b"},
                                                                                    {"aab", "*ab"},
                                                                                    {"abcabd", "*ab*d"},
                                                                                    {"head.", "head.*"},
                                                                                    {"a.b.c", "a*c"},
                                                                                    {"x", "**x**"}}) {
        INFO(c.first, " ", c.second);
        CHECK(matches_pattern(c.first, c.second));
    }
    for (auto const& c : std::initializer_list<std::pair<char const*, char const*>>{{"head.weight", "head"},
                                                                                    {"head.weight", "ead.*"},
                                                                                    {"head.weight", ""},
                                                                                    {"", "a"},
                                                                                    {"", "*a"},
                                                                                    {"headless.weight", "head.*"},
                                                                                    {"abc", "a*bd"},
                                                                                    {"ab", "a*b*b"},
                                                                                    {"head.weigh", "*weight"}}) {
        INFO(c.first, " ", c.second);
        CHECK_FALSE(matches_pattern(c.first, c.second));
    }
}

TEST_CASE("what is skipped stays as it is, whatever the file has, and is reported") {
    TemporaryDirectory directory;
    std::array<float, 6> a{1, 2, 3, 4, 5, 6}, b = a, c = a, d = a;
    write_safetensors(directory / "f", std::vector<TensorView>{{"trunk.a", {2, 3}, DataType::float32, a.data()},
                                                               {"trunk.b", {2, 3}, DataType::float32, b.data()},
                                                               {"head.c", {2, 3}, DataType::float32, c.data()},
                                                               {"head.old", {6}, DataType::float32, d.data()}});
    SafetensorsFile const file(directory / "f");
    std::vector<TensorView> const targets{{"trunk.a", {2, 3}, DataType::float32, a.data()},
                                          {"trunk.b", {3, 2}, DataType::float32, b.data()},
                                          {"head.c", {2, 2}, DataType::float32, c.data()},
                                          {"head.d", {6}, DataType::float32, d.data()}};
    auto const reset = [&] {
        for (auto* const tensor : {&a, &b, &c, &d}) tensor->fill(9);
    };
    using Names = std::vector<std::string>;
    reset();
    CHECK(error_of([&] { load_tensors(file, targets, {.skip = {"head.*"}}); }) ==
          directory /
              "f: expected the tensors of the network, got 1 difference"
              "\n  shape: \"trunk.b\" is [2, 3] in the file, expected [3, 2]");
    CHECK(a[0] == 9);
    auto report = load_tensors(file, targets, {.skip = {"head.*", "*.b"}});
    CHECK(report.kept == Names{"trunk.b", "head.c", "head.d"});
    CHECK(report.unused == Names{"head.c", "head.old", "trunk.b"});
    CHECK(a[5] == 6);
    for (auto const* const tensor : {&b, &c, &d})
        for (float const value : *tensor) CHECK(value == 9);

    // Whatever has another shape; what is missing is still said.
    CHECK_CONTAINS(error_of([&] { load_tensors(file, targets, {.skip_other_shapes = true}); }), "got 2 differences");
    report = load_tensors(file, targets, {.allow_extra = true, .optional = {"head.*"}, .skip_other_shapes = true});
    CHECK(report.kept == Names{"trunk.b", "head.c", "head.d"});
    CHECK(report.unused == Names{"trunk.b", "head.c", "head.old"});
    CHECK(c[0] == 9);

    // A pattern that fits nothing is a mistake, one that fits tensors of the file alone is not.
    CHECK_CONTAINS(error_of([&] { load_tensors(file, targets, {.skip = {"*", "haed.*"}}); }),
                   "skip: \"haed.*\" fits no name");
    report = load_tensors(file, std::span(targets).first(1), {.skip = {"head.*", "trunk.b"}});
    CHECK(report.kept.empty());
    CHECK(report.unused == Names{"head.c", "head.old", "trunk.b"});
    // Nothing left out: nothing to report.
    report = load_tensors(file, std::span(targets).first(1), {.allow_extra = true});
    CHECK(report.kept.empty());
}

TEST_CASE("the counter of BatchNorm may have any type, be [1] or missing") {
    TemporaryDirectory directory;
    std::int64_t count = 0;
    TensorView const target{"bn.num_batches_tracked", {}, DataType::int64, &count};
    auto const loaded = [&](std::string const& dtype, std::string const& shape, std::string const& bytes) {
        auto const header =
            R"({"bn.num_batches_tracked":)" + entry(dtype, shape, concatenate("[0,", bytes.size(), "]")) + "}";
        count = -1;
        auto const report = load_tensors(
            SafetensorsFile(write_bytes(directory / "f", safetensors_bytes(header, 0) + bytes)), {&target, 1});
        CHECK(report.kept.size() == (count == -1 ? 1 : 0));
        return count;
    };
    auto const bytes_of = [](auto value) { return std::string(reinterpret_cast<char const*>(&value), sizeof value); };
    for (std::string const shape : {"[]", "[1]"}) {
        CHECK(loaded("I64", shape, bytes_of(std::int64_t{1} << 40)) == std::int64_t{1} << 40);
        CHECK(loaded("I32", shape, bytes_of(std::int32_t{70'000})) == 70'000);
        CHECK(loaded("U32", shape, bytes_of(std::uint32_t{4'000'000'000})) == 4'000'000'000);
        CHECK(loaded("I16", shape, bytes_of(std::int16_t{300})) == 300);
        CHECK(loaded("U8", shape, bytes_of(std::uint8_t{200})) == 200);
        CHECK(loaded("F16", shape, bytes_of(float16_bits(1000))) == 1000);
        CHECK(loaded("BF16", shape, bytes_of(bfloat16_bits(256))) == 256);
        CHECK(loaded("F32", shape, bytes_of(1.0e6f)) == 1'000'000);
        CHECK(loaded("F64", shape, bytes_of(3.0)) == 3);
        // What is no count leaves the target as it is.
        CHECK(loaded("F16", shape, bytes_of(std::uint16_t{0x7c00})) == -1);
        CHECK(loaded("F32", shape, bytes_of(-1.0f)) == -1);
        CHECK(loaded("I8", shape, bytes_of(std::int8_t{-1})) == -1);
        CHECK(loaded("I64", shape, bytes_of(std::int64_t{-5})) == -1);
        CHECK(loaded("U64", shape, bytes_of(~std::uint64_t{0})) == -1);
        CHECK(loaded("F8_E4M3", shape, bytes_of(std::uint8_t{1})) == -1);
    }
    CHECK_CONTAINS(error_of([&] { loaded("I64", "[2]", std::string(16, '\1')); }), "shape: ");
    CHECK_CONTAINS(error_of([&] { loaded("I64", "[0]", ""); }), "shape: ");
}

TEST_CASE("weights of a one-dimensional convolution are those of one with an extent of 1") {
    TemporaryDirectory directory;
    std::array<float, 12> values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, got{};
    auto const load_as = [&](std::vector<std::int64_t> const& stored, std::vector<std::int64_t> const& target) {
        write_safetensors(directory / "f", std::vector<TensorView>{{"w", stored, DataType::float32, values.data()}});
        got.fill(0);
        TensorView const view{"w", target, DataType::float32, got.data()};
        load_tensors(SafetensorsFile(directory / "f"), {&view, 1});
        CHECK(got == values);
    };
    load_as({2, 2, 3}, {2, 2, 1, 3});
    load_as({2, 2, 3}, {2, 2, 3, 1});
    load_as({4, 3, 1}, {4, 3, 1, 1});
    for (auto const& c : std::initializer_list<std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>>>{
             {{2, 2, 3}, {2, 1, 2, 3}},
             {{2, 6}, {2, 6, 1, 1}},
             {{3, 4, 1}, {4, 3, 1, 1}},
             {{2, 2, 3}, {2, 2, 3}},
             {{1, 12}, {12}},
             {{12}, {1, 12}},
             {{2, 2, 3, 1}, {2, 2, 1, 3}},
             {{3, 2, 2}, {3, 2, 2, 2}}}) {
        auto const &stored = c.first, &target = c.second;
        INFO(shape_text(stored), shape_text(target));
        if (stored == target)
            load_as(stored, target);
        else
            CHECK_CONTAINS(error_of([&] { load_as(stored, target); }), "shape: \"w\" is ");
    }
}

TEST_CASE("a refusal is short, and says first which prefix is in the way") {
    TemporaryDirectory directory;
    float x = 0;
    std::vector<TensorView> targets, stored;
    for (int i = 0; i < 100; ++i) {
        targets.push_back({concatenate("layer", i, ".weight"), {}, DataType::float32, &x});
        stored.push_back({concatenate("module._orig_mod.layer", i, ".weight"), {}, DataType::float32, &x});
    }
    write_safetensors(directory / "f", stored);
    auto message = error_of([&] { load_tensors(SafetensorsFile(directory / "f"), targets); });
    CHECK(message.starts_with(directory / "f: expected the tensors of the network, got 200 differences; without the "
                                          "prefix \"module._orig_mod.\" (LoadOptions::strip_prefix) all names fit\n"));
    CHECK(std::count(message.begin(), message.end(), '\n') == 17);
    CHECK_CONTAINS(message, "\n  missing: \"layer7.weight\", expected F32 []\n  unexpected: ");
    CHECK(message.ends_with("\n  and 92 more missing, 92 more unexpected"));
    load_tensors(SafetensorsFile(directory / "f"), targets, {.strip_prefix = "module._orig_mod."});

    // Another prefix than that given; names that no prefix makes fit.
    CHECK_CONTAINS(
        error_of([&] { load_tensors(SafetensorsFile(directory / "f"), targets, {.strip_prefix = "module."}); }),
        "without the prefix \"module._orig_mod.\"");
    targets[3].name = "other";
    message = error_of([&] { load_tensors(SafetensorsFile(directory / "f"), targets); });
    CHECK_CONTAINS(message, "(LoadOptions::strip_prefix) 99 of 100 names fit\n");
    for (auto& target : targets) target.name += ".x";
    message = error_of([&] { load_tensors(SafetensorsFile(directory / "f"), targets); });
    CHECK_CONTAINS(message, "got 200 differences\n");

    // However long the names are.
    stored = {{std::string(1'000'000, 'n'), {}, DataType::float32, &x}};
    write_safetensors(directory / "f", stored);
    CHECK(error_of([&] { load_tensors(SafetensorsFile(directory / "f"), targets); }).size() < 3000);
}

TEST_CASE("files of other formats are known by what they are, not by their names") {
    TemporaryDirectory directory;
    auto const refusal = [&](std::string bytes) {
        auto const path = write_bytes(directory / "weights.safetensors", bytes.append(300, '\x11'));
        auto message = error_of([&] { SafetensorsFile file(path); });
        CHECK(message.starts_with(path + ": this is "));
        CHECK(message.find('\n') == std::string::npos);
        return message;
    };
    using namespace std::string_literals;
    auto const torch = refusal("PK\3\4\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\x12\0archive/data.pkl"s);
    CHECK_CONTAINS(torch, "as torch.save writes, expected a safetensors file; in Python: file = \"" +
                              (directory / "weights.safetensors") + "\"; import torch");
    CHECK_CONTAINS(torch, "torch.load(file");
    CHECK_CONTAINS(refusal("\x80\x02\x8a\nl\xfc\x9c"
                           "F\xf9 j\xa8P\x19."s),
                   "a pickle, as torch.save wrote");
    CHECK_CONTAINS(refusal("\x08\x07\x12\x07pytorch\x1a\x05"
                           "1.13."s),
                   "an ONNX model");
    CHECK_CONTAINS(refusal("\x08\x0a:\xc5\x01\n\x1c"s), "an ONNX model");
    CHECK_CONTAINS(refusal("PK\3\4\x14\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0w.npy\x93NUMPY"s), "NumPy");
    CHECK_CONTAINS(refusal("\x89HDF\r\n\x1a\n"s), "HDF5");
    CHECK_CONTAINS(refusal("GGUF\3\0\0\0"s), "GGUF");
    CHECK_CONTAINS(refusal("\x1f\x8b\x08\x08\x12\x34\x56\x65"s), "gunzip");
    CHECK_CONTAINS(refusal("version https://git-lfs.github.com/spec/v1\noid"s), "git lfs pull");
    CHECK_CONTAINS(refusal("<!DOCTYPE html>"s), "a web page");
}

TEST_CASE("16-bit and 64-bit floats become the target's type, subnormals, infinities and NaN included") {
    TemporaryDirectory directory;
    std::array<std::uint16_t, 5> half{0x0001, 0x7c00, 0x7e00, 0xbc00, 0x03ff};
    std::array<std::uint16_t, 5> brain{0x0001, 0xff80, 0x7fc0, 0xbf80, 0x007f};
    std::array<double, 5> wide{0x1p-149, -std::numeric_limits<double>::infinity(), std::nan(""), 0.1, 1e300};
    // An odd number of bytes in front: data need not be aligned in files of other writers.
    std::string file_bytes = safetensors_bytes(
        R"({"pad":)" + entry("U8", "[1]", "[0,1]") + R"(,"half":)" + entry("F16", "[5]", "[1,11]") + R"(,"brain":)" +
            entry("BF16", "[5]", "[11,21]") + R"(,"wide":)" + entry("F64", "[5]", "[21,61]") + "}",
        1);
    file_bytes.append(reinterpret_cast<char const*>(half.data()), 10);
    file_bytes.append(reinterpret_cast<char const*>(brain.data()), 10);
    file_bytes.append(reinterpret_cast<char const*>(wide.data()), 40);
    SafetensorsFile const file(write_bytes(directory / "f", file_bytes));
    std::array<float, 5> h{}, b{}, w{};
    std::array<double, 5> hd{}, wd{};
    load_tensors(file,
                 std::vector<TensorView>{{"half", {5}, DataType::float32, h.data()},
                                         {"brain", {5}, DataType::float32, b.data()},
                                         {"wide", {5}, DataType::float32, w.data()}},
                 {.allow_extra = true});
    load_tensors(file,
                 std::vector<TensorView>{{"half", {5}, DataType::float64, hd.data()},
                                         {"wide", {5}, DataType::float64, wd.data()}},
                 {.allow_extra = true});
    CHECK(h[0] == 0x1p-24f);
    CHECK(std::isinf(h[1]));
    CHECK(std::isnan(h[2]));
    CHECK(h[3] == -1);
    CHECK(h[4] == 1023 * 0x1p-24f);
    CHECK(hd[0] == 0x1p-24);
    CHECK(b[0] == 0x1p-133f);
    CHECK((std::isinf(b[1]) && b[1] < 0));
    CHECK(std::isnan(b[2]));
    CHECK(b[3] == -1);
    CHECK(b[4] == 127 * 0x1p-133f);
    CHECK(w[0] == 0x1p-149f);
    CHECK((std::isinf(w[1]) && w[1] < 0));
    CHECK(std::isnan(w[2]));
    CHECK(w[3] == 0.1f);
    CHECK((std::isinf(w[4]) && w[4] > 0));
    CHECK(wd[4] == 1e300);
}
