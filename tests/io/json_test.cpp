// labels: libcxx
// Before Strata, as in a program with a copy of its own: nothing of it may be in Strata's way. Here it is the oracle.
#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#define STRATA_TEST_HAS_NLOHMANN
#endif

#include <strata/core/random.hpp>
#include <strata/io/json.hpp>

#include "files.hpp"

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
    CHECK_CONTAINS(error_of([] { read_string("\"\\ud83d\""); }), "no character has this \\u");
    for (char const* text : {"\"\\udc00\"", "\"\\ud83d\\u0041\"", "\"\\ud83dx\"", "\"\\u12g4\"", "\"\\u12"})
        CHECK_CONTAINS(error_of([&] { read_string(text); }), "no character has this \\u");
    CHECK_CONTAINS(error_of([] { read_string("\"\\x\""); }), "unknown escape");
    CHECK_CONTAINS(error_of([] { read_string("\"abc"); }), "not valid JSON at byte");
    CHECK_CONTAINS(error_of([] { read_string("\"a\nb\""); }), "control character");
    CHECK_CONTAINS(error_of([] { read_string("7"); }), "f: expected a string at byte 1, got a number");
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

TEST_CASE("a name that comes twice is the caller's matter; null and what nobody wants can be passed over") {
    std::string const deep = std::string(125, '[') + R"({"x":[{},[]]})" + std::string(125, ']');
    std::string const text = R"({"a":null,"a":{"b":[1,-2.5e-3,true,{"c":null}],"d":{}},"a":"x","a":)" + deep + "}";
    JsonReader reader(text, "f");
    std::string seen;
    reader.object([&](std::string const& key) {
        seen += key;
        if (!reader.null()) reader.skip();
    });
    reader.end();
    CHECK(seen == "aaaa");
    std::string const too_deep(129, '[');
    CHECK_CONTAINS(error_of([&] { JsonReader(too_deep, "f").skip(); }), "nested at most 128 deep");
    JsonReader number("7", "f");
    CHECK_FALSE(number.null());
    number.skip();
    number.end();
}

#ifdef STRATA_TEST_HAS_NLOHMANN
TEST_CASE("skip accepts what nlohmann-json accepts") {
    std::string_view const tokens[] = {"{", "}",  "[",   "]",   ":",    ",",    "\"a\"",
                                       "1", "-0", "0.5", "2e0", "true", "null", " "};
    Random random(1, Purpose::user);
    int accepted = 0, refused = 0;
    auto const check = [&](std::string const& text) {
        bool mine = true;
        try {
            JsonReader reader(text, "f");
            reader.skip();
            reader.end();
        } catch (Error const&) { mine = false; }
        INFO(text);
        CHECK(mine == nlohmann::json::accept(text));
        ++(mine ? accepted : refused);
    };
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        for (std::uint32_t i = 0, n = 1 + random.below(7); i < n; ++i) text += tokens[random.below(std::size(tokens))];
        check(text);
    }
    std::string const good = R"([{"a\u00e9\n":[1,-2.5e-3,true,{"c":null}],"d":{}}, "\ud83d\ude00", false, 0.5E7])";
    for (int round = 0; round < 20'000; ++round) {
        auto text = good;
        for (std::uint32_t i = 0, n = 1 + random.below(2); i < n; ++i)
            text[random.below(static_cast<std::uint32_t>(text.size()))] = static_cast<char>(random.below(256));
        check(text);
    }
    CHECK(accepted > 1000);
    CHECK(refused > 1000);
}
#endif

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
