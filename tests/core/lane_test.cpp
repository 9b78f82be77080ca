// labels: isa
// The lane vocabulary: every function of every width, element by element, against plain scalars.
#include "strata/core/functions.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using namespace strata;

namespace {

/// Every lane type of a scalar type on this instruction set, the scalar itself included, is given to f.
template <class T, class F>
void for_each_lane(F f) {
    f(T{});
    if constexpr (vector_bytes >= 16) f(Lane<T, 16 / sizeof(T)>{});
    if constexpr (vector_bytes >= 32) f(Lane<T, 32 / sizeof(T)>{});
    if constexpr (vector_bytes >= 64) f(Lane<T, 64 / sizeof(T)>{});
}
template <class F>
void for_every_lane(F f) {
    for_each_lane<float>(f);
    for_each_lane<double>(f);
}

template <class T>
bool same(T a, T b) {
    return a == b || (a != a && b != b);
}

/// Ordinary and special values: signs, zeros, tiny, huge, infinite, NaN.
template <class T>
std::vector<T> specials() {
    using Limits = std::numeric_limits<T>;
    return {T(0),
            T(-0.0),
            T(1),
            T(-1),
            T(0.75),
            T(-2.5),
            T(3),
            T(1e-30),
            T(-7e20),
            Limits::min(),
            Limits::max(),
            Limits::infinity(),
            -Limits::infinity(),
            Limits::quiet_NaN()};
}

/// One lane pair of special values; `wrong` counts elements that differ from what a scalar function gives.
template <class L>
struct Pair {
    using T = scalar_of<L>;
    static constexpr std::size_t n = width_of<L>;
    T a[n], b[n];
    int wrong = 0;

    template <class Scalar>
    [[gnu::noinline]] void expect(L lane, Scalar scalar) {
        T got[n];
        store_lane(got, lane);
        for (std::size_t k = 0; k < n; ++k) wrong += same(got[k], static_cast<T>(scalar(a[k], b[k]))) ? 0 : 1;
    }
};
/// The number of wrong elements over pairs of special values, in every element of the lane.
template <class L, class Check>
int count_wrong(Check check) {
    auto const values = specials<scalar_of<L>>();
    Pair<L> pair;
    for (std::size_t i = 0; i < values.size(); ++i)
        for (std::size_t j = 0; j < values.size(); ++j) {
            for (std::size_t k = 0; k < pair.n; ++k) {
                pair.a[k] = values[(i + k) % values.size()];
                pair.b[k] = values[(j + 3 * k) % values.size()];
            }
            check(pair, load_lane<L>(pair.a), load_lane<L>(pair.b));
        }
    return pair.wrong;
}
template <class L>
scalar_of<L> element(L lane, int k) {
    scalar_of<L> all[static_cast<std::size_t>(width_of<L>)];
    store_lane(all, lane);
    return all[k];
}

}  // namespace

TEST_CASE("the lane of a tile is the widest vector, else four samples, else one") {
    CHECK(lane_width<float, 1> == 1);
    CHECK(lane_width<float, 2> == 1);
    CHECK(lane_width<float, 16> == (vector_bytes > 0 ? vector_bytes / 4 : 1));
    CHECK(lane_width<float, 4> == (vector_bytes > 0 ? 4 : 1));
    CHECK(lane_width<float, 8> == (vector_bytes == 32 ? 8 : vector_bytes > 0 ? 4 : 1));
    CHECK(lane_width<float, 48> == lane_width<float, 16>);
    CHECK(lane_width<double, 2> == (vector_bytes == 16 ? 2 : 1));
    CHECK(lane_width<double, 16> == (vector_bytes > 0 ? vector_bytes / 8 : 1));
    CHECK(width_of<widest_lane<float>> == (vector_bytes > 0 ? vector_bytes / 4 : 1));
}

TEST_CASE("arithmetic, multiply_add, maximum, minimum and absolute equal the scalars'") {
    for_every_lane([]<class L>(L) {
        using T = scalar_of<L>;
        int const wrong = count_wrong<L>([](Pair<L>& pair, L x, L y) {
            pair.expect(x + y, [](T a, T b) { return a + b; });
            pair.expect(x - y, [](T a, T b) { return a - b; });
            pair.expect(x * y, [](T a, T b) { return a * b; });
            pair.expect(x / y, [](T a, T b) { return a / b; });
            pair.expect(-x, [](T a, T) { return -a; });
            // The second where either is NaN.
            pair.expect(maximum(x, y), [](T a, T b) { return a > b ? a : b; });
            pair.expect(minimum(x, y), [](T a, T b) { return a < b ? a : b; });
            pair.expect(absolute(x), [](T a, T) { return std::fabs(a); });
            pair.expect(sqrt(x), [](T a, T) { return std::sqrt(a); });
            pair.expect(multiply_add(x, y, L(T(2))), [](T a, T b) { return multiply_add(a, b, T(2)); });
            pair.expect(x + L(T(3)), [](T a, T) { return a + 3; });
            L changed = x;
            changed += y;
            changed -= L(T(4));
            changed /= L(T(2));
            changed *= y;
            pair.expect(changed, [](T a, T b) {
                T const sum = a + b, less = sum - 4, half = less / 2;
                return half * b;
            });
        });
        CAPTURE(width_of<L>);
        CAPTURE(sizeof(T));
        CHECK(wrong == 0);
    });
}

TEST_CASE("comparisons give masks, masks combine, select obeys them") {
    for_every_lane([]<class L>(L) {
        using T = scalar_of<L>;
        int const wrong = count_wrong<L>([](Pair<L>& pair, L x, L y) {
            L const zero(T(0)), one(T(1));
            pair.expect(select(x < y, one, zero), [](T a, T b) { return a < b; });
            pair.expect(select(x <= y, one, zero), [](T a, T b) { return a <= b; });
            pair.expect(select(x > y, one, zero), [](T a, T b) { return a > b; });
            pair.expect(select(x >= y, one, zero), [](T a, T b) { return a >= b; });
            pair.expect(select(x == y, one, zero), [](T a, T b) { return a == b; });
            pair.expect(select(x != y, one, zero), [](T a, T b) { return a != b; });
            pair.expect(select(!(x < y), one, zero), [](T a, T b) { return !(a < b); });
            pair.expect(select((x < y) & (x > zero), one, zero), [](T a, T b) { return a < b && a > 0; });
            pair.expect(select((x < y) | (x > zero), one, zero), [](T a, T b) { return a < b || a > 0; });
            pair.expect(select(x < y, x, y), [](T a, T b) { return a < b ? a : b; });  // NaN passes through untouched
        });
        CHECK(wrong == 0);
    });
}

template <class L>
static void check_transpose() {
    constexpr int N = width_of<L>;
    L rows[static_cast<std::size_t>(N)];
    for (int j = 0; j < N; ++j) rows[j] = lane_index<L>(100 * j);
    transpose(rows);
    for (int k = 0; k < N; ++k) {
        scalar_of<L> values[static_cast<std::size_t>(N)];
        store_lane(values, rows[k]);
        for (int j = 0; j < N; ++j) CHECK(values[j] == static_cast<scalar_of<L>>(100 * j + k));
    }
}
TEST_CASE("transpose exchanges lanes and elements") {
    for (int const samples : {1, 2, 4, 8, 16}) {
        with_lane<float>(samples, []<class L>() { check_transpose<L>(); });
        with_lane<double>(samples, []<class L>() { check_transpose<L>(); });
    }
}

TEST_CASE("deinterleave parts even and odd places, interleave puts them together again") {
    for_every_lane([]<class L>(L) {
        constexpr int N = width_of<L>;
        L even, odd, a, b;
        deinterleave(lane_index<L>(1), lane_index<L>(1 + N), even, odd);
        interleave(even, odd, a, b);
        for (int k = 0; k < N; ++k) {
            CHECK(element(even, k) == static_cast<scalar_of<L>>(1 + 2 * k));
            CHECK(element(odd, k) == static_cast<scalar_of<L>>(2 + 2 * k));
            CHECK(element(a, k) == static_cast<scalar_of<L>>(1 + k));
            CHECK(element(b, k) == static_cast<scalar_of<L>>(1 + N + k));
        }
    });
}

TEST_CASE("exp, log and tanh are accurate and pass infinities and NaN on") {
    for_every_lane([]<class L>(L) {
        using T = scalar_of<L>;
        using Limits = std::numeric_limits<T>;
        double const unit = static_cast<double>(Limits::epsilon());
        double worst_exp = 0, worst_log = 0, worst_tanh = 0;
        auto const relative = [](T got, double want) {
            return std::abs(static_cast<double>(got) - want) / std::abs(want);
        };
        double const reach = sizeof(T) == 4 ? 86 : 700;
        for (int i = 0; i <= 4000; ++i) {
            T const at = static_cast<T>(reach * (i - 2000) / 2000);
            worst_exp = std::max(worst_exp, relative(element(exp(L(at)), 0), std::exp(static_cast<double>(at))));
            T const positive = static_cast<T>(std::exp(0.4 * reach * (i - 2000) / 2000));
            if (std::abs(positive - T(1)) > T(0.01))
                worst_log = std::max(worst_log,
                                     relative(element(log(L(positive)), 0), std::log(static_cast<double>(positive))));
            T const small = static_cast<T>(0.005 * (i - 2000) + 0.001);
            worst_tanh =
                std::max(worst_tanh, relative(element(tanh(L(small)), 0), std::tanh(static_cast<double>(small))));
        }
        CAPTURE(width_of<L>);
        CAPTURE(sizeof(T));
        // A few units in the last place of a result: what polynomial kernels without extra precision give.
        CHECK(worst_exp <= 3 * unit);
        CHECK(worst_log <= 2 * unit);
        CHECK(worst_tanh <= 2 * unit);

        T const nan = Limits::quiet_NaN(), infinity = Limits::infinity();
        for (int k = 0; k < width_of<L>; ++k) {
            CHECK(std::isnan(element(exp(L(nan)), k)));
            CHECK(std::isnan(element(log(L(nan)), k)));
            CHECK(std::isnan(element(tanh(L(nan)), k)));
            CHECK(element(exp(L(infinity)), k) == infinity);
            CHECK(element(log(L(infinity)), k) == infinity);
            CHECK(element(log(L(T(0))), k) == -infinity);
            CHECK(std::isnan(element(log(L(T(-1))), k)));
            CHECK(element(exp(L(T(0))), k) == T(1));
            CHECK(element(log(L(T(1))), k) == T(0));
            // Softmax relies on it: far below the maximum nothing is left that could matter.
            CHECK(element(exp(L(-infinity)), k) <= Limits::min());
            CHECK(element(exp(L(T(-2000))), k) <= Limits::min());
        }
    });
}

TEST_CASE("exp and log of a NaN or an infinity do not disturb the neighbours") {
    for_every_lane([]<class L>(L) {
        using T = scalar_of<L>;
        constexpr std::size_t n = width_of<L>;
        for (T const bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()})
            for (std::size_t k = 0; k < n; ++k) {
                T values[n];
                for (T& v : values) v = T(1.5);
                values[k] = bad;
                L const e = exp(load_lane<L>(values)), l = log(load_lane<L>(values));
                for (int j = 0; j < width_of<L>; ++j) {
                    if (static_cast<std::size_t>(j) == k) continue;
                    CHECK(element(e, j) == element(exp(L(T(1.5))), j));
                    CHECK(element(l, j) == element(log(L(T(1.5))), j));
                }
            }
    });
}

TEST_CASE("load, store, sum, lane_index and first_lanes") {
    for_every_lane([]<class L>(L) {
        using T = scalar_of<L>;
        constexpr std::size_t n = width_of<L>;
        T values[n + 1], copy[n + 2] = {};
        for (std::size_t k = 0; k <= n; ++k) values[k] = static_cast<T>(k * k + 1);
        store_lane(copy + 1, load_lane<L>(values + 1));  // neither needs to be aligned
        CHECK(copy[0] == T(0));
        CHECK(copy[n + 1] == T(0));
        T total(0);
        for (std::size_t k = 1; k <= n; ++k) {
            CHECK(copy[k] == values[k]);
            total += values[k];
        }
        CHECK(sum(load_lane<L>(values + 1)) == total);  // small integers: exact in any order
        int const width = width_of<L>;
        for (int k = 0; k < width; ++k) CHECK(element(lane_index<L>(5), k) == static_cast<T>(5 + k));
        for (int count = -1; count <= width + 1; ++count)
            for (int k = 0; k < width; ++k)
                CHECK(element(select(first_lanes<L>(count), L(T(1)), L(T(0))), k) == (k < count ? T(1) : T(0)));
    });
}
