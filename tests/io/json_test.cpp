#include <strata/io/json.hpp>

#include "temporary_directory.hpp"

using namespace strata;

namespace {
std::string read_string(std::string_view text) {
    JsonReader reader(text, "f");
    auto value = reader.string("a string");
    reader.end();
    return value;
}
std::uint64_t read_number(std::string_view text) {
    JsonReader reader(text, "f");
    auto const value = reader.unsigned_integer("a count");
    reader.end();
    return value;
}
}  // namespace

TEST_CASE("objects, arrays, strings and numbers") {
    JsonReader reader(R"( {"a": [1, 2 ,3], "b" : {}, "c":"x", "d": []} )", "f");
    std::string seen;
    reader.object([&](std::string const& key) {
        seen += key;
        if (key == "a" || key == "d")
            reader.array("an array", [&] { seen += std::to_string(reader.unsigned_integer("a number")); });
        else if (key == "b")
            reader.object([&](std::string const&) { FAIL("an empty object has no members"); });
        else
            seen += reader.string("a string");
    });
    reader.end();
    CHECK(seen == "a123bcxd");
}

TEST_CASE("strings: escapes, surrogate pairs, UTF-8") {
    CHECK(read_string(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00")") == "\"\\/\b\f\n\r\tA\xc3\xa9\xf0\x9f\x98\x80");
    CHECK(read_string("\"\xc3\xa9\"") == "\xc3\xa9");
    CHECK_CONTAINS(error_of([] { read_string("\"\xff\""); }), "UTF-8");
    CHECK_CONTAINS(error_of([] { read_string("\"\\ud83d\""); }), "surrogate");
    CHECK_CONTAINS(error_of([] { read_string("\"abc"); }), "not valid JSON at byte");
    CHECK_CONTAINS(error_of([] { read_string("\"a\nb\""); }), "control character");
    CHECK_CONTAINS(error_of([] { read_string("7"); }), "f: expected a string at byte 1, got number literal");
}

TEST_CASE("numbers: only integers from 0 to 2^64 - 1") {
    CHECK(read_number("0") == 0);
    CHECK(read_number("18446744073709551615") == 18446744073709551615u);
    for (char const* text :
         {"-1", "-0", "1.0", "1e3", "18446744073709551616", "01", "\"1\"", "true", "null", "NaN", ""})
        CHECK_CONTAINS(error_of([&] { read_number(text); }), "expected ");
}

TEST_CASE("what follows is seen, a zero byte too") {
    CHECK(read_number("1 \n\t ") == 1);
    for (std::string_view text : {std::string_view("1 2"), std::string_view("1}"), std::string_view("1\0", 2),
                                  std::string_view("1 \0 junk", 8), std::string_view("1 /* no comments */")})
        CHECK_CONTAINS(error_of([&] { read_number(text); }), "expected the end of the text");
}

TEST_CASE("a name that comes twice is refused, with the place") {
    JsonReader reader(R"({"a":1,"b":2,"\u0061":3})", "f");
    reader.at("header");
    CHECK(error_of([&] { reader.object([&](auto const&) { reader.unsigned_integer("a number"); }); }) ==
          "f, header: the name \"a\" comes twice");
}

TEST_CASE("broken structure") {
    for (char const* text : {"", "[", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{a:1}",
                             "{\"a\" 1}", "{\"a\":1 \"b\":2}", "\xef\xbb", "{\"a\":1]"}) {
        INFO(text);
        CHECK_CONTAINS(error_of([&] {
                           JsonReader reader(text, "f");
                           reader.object([&](auto const&) { reader.unsigned_integer("a number"); });
                           reader.end();
                       }),
                       "f: ");
    }
}

TEST_CASE("quoting escapes what must be escaped, and reading gives it back") {
    CHECK(json_quoted("a\"b\\c") == "\"a\\\"b\\\\c\"");
    CHECK(json_quoted("\n\x1f") == "\"\\n\\u001f\"");
    std::string all;
    for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
    all += "\xc3\xa9";
    CHECK(read_string(json_quoted(all)) == all);
}
