// labels: libcxx
// Shapes, positions and fixed strings.
#include "strata/core/shape.hpp"

#include <doctest/doctest.h>

using namespace strata;

TEST_CASE("rank, size, extents, rows of the last axis") {
    using Image = Shape<3, 4, 5>;
    static_assert(Image::rank == 3 && Image::size == 60 && Image::columns == 5 && Image::rows == 12);
    static_assert(Image::extent<0> == 3 && Image::extent<2> == 5);
    static_assert(channels_of<Image> == 3 && pixels_of<Image> == 20);
    using Flat = Shape<7>;  // rows of one element: a flat shape has no columns to walk along
    static_assert(Flat::rank == 1 && Flat::size == 7 && Flat::columns == 1 && Flat::rows == 7);
    static_assert(channels_of<Flat> == 7 && pixels_of<Flat> == 1);
    static_assert(Shape<>::size == 1 && Shape<>::rank == 0);
    static_assert(Shape<2, 3>{} == Shape<2, 3>{} && !(Shape<2, 3>{} == Shape<3, 2>{}) &&
                  !(Shape<6>{} == Shape<2, 3>{}));
}

TEST_CASE("index and position are each other's inverse, row-major") {
    using S = Shape<3, 4, 5>;
    int flat = 0;
    for (int c = 0; c < 3; ++c)
        for (int h = 0; h < 4; ++h)
            for (int w = 0; w < 5; ++w, ++flat) {
                CHECK(S::index(c, h, w) == flat);
                auto const [channel, row, column] = S::position(flat);
                CHECK(channel == c);
                CHECK(row == h);
                CHECK(column == w);
                CHECK(S::position(flat)[1] == h);
            }
    static_assert(Shape<9>::position(4)[0] == 4);
}

TEST_CASE("a fixed string gives its text") {
    static_assert(FixedString("conv1").view() == "conv1");
    static_assert(FixedString("").view().empty());
}
