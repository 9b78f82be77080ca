// labels: isa
// The elementary functions of lanes: their errors against a wider type, what they make of special numbers, and that a
// number gets the same bits in lanes of every width.
#include "strata/core/functions.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <limits>
#include <vector>

using namespace strata;

namespace {

#define STRATA_TEST_FUNCTION(Name, name, exact)    \
    struct Name {                                  \
        static constexpr char const* text = #name; \
        template <class L>                         \
        static L of(L x) {                         \
            return name(x);                        \
        }                                          \
        template <class Wide>                      \
        static Wide wide(Wide x) {                 \
            return exact;                          \
        }                                          \
    }
STRATA_TEST_FUNCTION(Expm1, strata::expm1, std::expm1(x));
STRATA_TEST_FUNCTION(Log1p, strata::log1p, std::log1p(x));
STRATA_TEST_FUNCTION(Tanh, strata::tanh, std::tanh(x));
STRATA_TEST_FUNCTION(Sigmoid, strata::sigmoid, x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)));
STRATA_TEST_FUNCTION(Erf, strata::erf, std::erf(x));
STRATA_TEST_FUNCTION(Rsqrt, strata::rsqrt, 1 / std::sqrt(x));
STRATA_TEST_FUNCTION(Sin, strata::sin, std::sin(x));
STRATA_TEST_FUNCTION(Cos, strata::cos, std::cos(x));

template <class T>
using Wider = std::conditional_t<sizeof(T) == 4, double, long double>;

/// The error of a result in units of the exact one's last place.
template <class T>
double units(T got, Wider<T> want) {
    using Limits = std::numeric_limits<T>;
    auto const rounded = static_cast<T>(want);
    if (std::isnan(got) || std::isnan(want)) return std::isnan(got) == std::isnan(want) ? 0 : 1e30;
    if (std::isinf(got) || std::isinf(rounded)) return got == rounded ? 0 : 1e30;
    int exponent = 0;
    std::frexp(rounded, &exponent);
    auto const unit = std::max(std::ldexp(Wider<T>(1), exponent - Limits::digits), Wider<T>(Limits::denorm_min()));
    return static_cast<double>(std::abs((static_cast<Wider<T>>(got) - want) / unit));
}

/// Numbers of all magnitudes and both signs, and as many more where the functions bend.
template <class T>
std::vector<T> numbers() {
    using Bits = detail::BitsOf<T>;
    std::vector<T> all{T(0),
                       T(-0.0),
                       std::numeric_limits<T>::infinity(),
                       -std::numeric_limits<T>::infinity(),
                       std::numeric_limits<T>::quiet_NaN(),
                       std::numeric_limits<T>::denorm_min(),
                       T(1),
                       T(-1)};
#ifdef STRATA_SANITIZED
    int const count = 1 << 10;
#else
    int const count = 1 << 17;
#endif
    for (int k = 0; k < count; ++k) {
        Bits const bits = detail::infinity_bits<T> / count * static_cast<Bits>(k) + static_cast<Bits>(k) % 4099;
        all.push_back(std::bit_cast<T>(bits));
        all.push_back(-all.back());
        T const even = static_cast<T>(k) / static_cast<T>(count), odd = even + static_cast<T>(k % 127) * T(1e-5);
        for (T const reach : {T(1), T(10), T(100), T(1000)}) {
            all.push_back(odd * reach);
            all.push_back(-odd * reach);
        }
    }
    all.resize(all.size() / 16 * 16);
    return all;
}

template <class F, class L, class T>
std::vector<T> values(std::vector<T> const& x) {
    std::vector<T> y(x.size());
    for (std::size_t i = 0; i < x.size(); i += static_cast<std::size_t>(width_of<L>))
        store_lane(y.data() + i, F::of(load_lane<L>(x.data() + i)));
    return y;
}
template <class T>
std::size_t different(std::vector<T> const& a, std::vector<T> const& b) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        count += std::bit_cast<detail::BitsOf<T>>(a[i]) == std::bit_cast<detail::BitsOf<T>>(b[i]) ||
                         (std::isnan(a[i]) && std::isnan(b[i]))
                     ? 0
                     : 1;
    return count;
}

template <class F, class T>
void check(double bound) {
    static auto const x = numbers<T>();
    auto const y = values<F, T>(x);
    double worst = 0;
    T at(0);
    std::size_t wrong_zeros = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        auto const want = F::wide(static_cast<Wider<T>>(x[i]));
        double const error = units(y[i], want);
        if (error > worst) at = x[i];
        worst = std::max(worst, error);
        wrong_zeros += y[i] == T(0) && want == 0 && std::signbit(y[i]) != std::signbit(want) ? 1 : 0;
    }
    CAPTURE(F::text);
    CAPTURE(sizeof(T));
    CAPTURE(at);
    CHECK(worst <= bound);
    CHECK(wrong_zeros == 0);
    if constexpr (vector_bytes >= 16) CHECK(different(values<F, Lane<T, 16 / sizeof(T)>>(x), y) == 0);
    if constexpr (vector_bytes >= 32) CHECK(different(values<F, Lane<T, 32 / sizeof(T)>>(x), y) == 0);
    if constexpr (vector_bytes >= 64) CHECK(different(values<F, Lane<T, 64 / sizeof(T)>>(x), y) == 0);
}
template <class F>
void check(double in_float, double in_double) {
    check<F, float>(in_float);
    check<F, double>(in_double);
}

}  // namespace

// The bounds are those that functions.hpp states.
TEST_CASE("expm1") { check<Expm1>(2, 2); }
TEST_CASE("log1p") { check<Log1p>(2, 2); }
TEST_CASE("tanh") { check<Tanh>(3, 3); }
TEST_CASE("sigmoid") { check<Sigmoid>(3, 3); }
TEST_CASE("erf") { check<Erf>(2, 2); }
TEST_CASE("rsqrt") { check<Rsqrt>(2, 2); }
TEST_CASE("sin") { check<Sin>(2, 2); }
TEST_CASE("cos") { check<Cos>(2, 2); }
