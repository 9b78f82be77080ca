#include <doctest/doctest.h>

#include <strata/core/owner.hpp>
#include <utility>

using strata::detail::Owner;

namespace {
struct Counted {
    Counted(int& count, int number) : count_(count), value(number) { ++count; }
    Counted(Counted const&) = delete;
    ~Counted() { --count_; }

    int& count_;
    int value;
};
}  // namespace

TEST_CASE("what an Owner holds lives as long as the last of its copies") {
    int count = 0;
    Owner copy;
    {
        Owner owner;
        auto& held = owner.hold<Counted>(count, 3);
        CHECK(count == 1);
        copy = owner;
        Owner const moved = std::move(owner);
        CHECK(count == 1);
        CHECK(held.value == 3);
        held.value = 4;
    }
    CHECK(count == 1);
    auto& other = copy.hold<Counted>(count, 5);
    CHECK(count == 1);
    CHECK(other.value == 5);
    copy = Owner();
    CHECK(count == 0);
}
