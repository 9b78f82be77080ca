#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <strata/core/function.hpp>
#include <string>

using namespace strata;

namespace {
int twice(int x) { return 2 * x; }

/// Counts how many there are.
struct Counted {
    explicit Counted(int& count) : count_(&count) { ++count; }
    Counted(Counted const& other) : count_(other.count_), calls(other.calls) { ++*count_; }
    ~Counted() { --*count_; }
    int operator()(int x) { return x + ++calls; }

    int* count_;
    int calls = 0;
};
}  // namespace

TEST_CASE("a Function calls a lambda, a function, a pointer to one and a std::function") {
    int const offset = 5;
    CHECK(Function<int(int)>([&](int x) { return x + offset; })(1) == 6);
    CHECK(Function<int(int)>(twice)(4) == 8);
    CHECK(Function<int(int)>(&twice)(4) == 8);
    CHECK(Function<int(int)>(std::function<int(int)>(twice))(4) == 8);
    // Results and arguments convert; a result that nobody wants is dropped.
    CHECK(Function<double(short)>(twice)(4) == 8);
    std::string text;
    Function<void(std::string const&)>([&](std::string const& more) { return text += more; })("ab");
    CHECK(text == "ab");
    Function<void(std::string&&)>([&](std::string taken) { text = std::move(taken); })("cd");
    CHECK(text == "cd");
}

TEST_CASE("an empty Function is false, and its call an Error") {
    CHECK_FALSE(Function<int(int)>());
    CHECK_FALSE(Function<int(int)>(nullptr));
    CHECK_FALSE(Function<int(int)>(static_cast<int (*)(int)>(nullptr)));
    CHECK_FALSE(Function<int(int)>(std::function<int(int)>()));
    CHECK_THROWS_AS(Function<int(int)>()(1), Error);
    Function<int(int)> f = twice;
    CHECK(f);
    f = nullptr;
    CHECK_FALSE(f);
    CHECK_FALSE(std::is_constructible_v<Function<int(int)>, int>);
    // What it is that converts to false is the user's business, unless it is a null pointer or an empty std::function.
    struct Gate {
        bool open = false;
        int operator()(int x) const { return x; }
        explicit operator bool() const { return open; }
    };
    CHECK(Function<int(int)>(Gate{}));
    CHECK(f == nullptr);
    f = [](int x) { return x; };
    CHECK(f != nullptr);
    int taken = 0;
    Function<void(std::unique_ptr<int>)>([&](std::unique_ptr<int> p) { taken = *p; })(std::make_unique<int>(7));
    CHECK(taken == 7);
    CHECK_FALSE(std::is_constructible_v<Function<int*(void*)>, void* (*)(void*)>);  // no implicit conversion
    CHECK_FALSE(std::is_constructible_v<Function<int(int)>, std::string (*)(int)>);
}

TEST_CASE("a Function owns what it calls, and a copy of it a copy of that") {
    int count = 0;
    {
        Function<int(int)> f = Counted(count);
        CHECK(count == 1);
        CHECK(f(10) == 11);
        Function<int(int)> g = f, moved = std::move(f);
        CHECK(count == 2);
        CHECK(g(10) == 12);
        CHECK(moved(10) == 12);
        CHECK(moved(10) == 13);
        CHECK_FALSE(f);  // NOLINT(bugprone-use-after-move): empty, as said
        Function<int(int)> const& same = g;
        g = same;
        CHECK(g(10) == 13);
        g = moved;
        CHECK(count == 2);
        CHECK(g(10) == 14);
    }
    CHECK(count == 0);
}
