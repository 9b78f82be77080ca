// Sine and cosine of lanes of any width, by the rules of hyperbolic.hpp, after Cephes (sinf.c, sin.c): x less the next
// multiple of pi / 2, taken away in parts so short that their multiples are exact, and a polynomial of what is left.
// Larger arguments, whose multiples have more bits than that, go one by one to the standard library.
#pragma once

#include "error_function.hpp"

namespace strata::inline STRATA_ABI::lane_detail {

template <class T>
struct Circle;
template <>
struct Circle<float> {
    static constexpr float largest = 8192;                                                       // multiples of 13 bits
    static constexpr float parts[] = {0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, 0x1.68c234p-39f};  // sum: pi / 2
    static constexpr float sine[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
    static constexpr float cosine[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
};
template <>
struct Circle<double> {
    static constexpr double largest = 1 << 20;  // multiples of 20 bits
    static constexpr double parts[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                                       2.02226624871116645580e-21, 8.47842766036889956997e-32};
    static constexpr double sine[] = {1.58962301576546568060e-10, -2.50507477628578072866e-8,
                                      2.75573136213857245213e-6,  -1.98412698295895385996e-4,
                                      8.33333333332211858878e-3,  -1.66666666666666307295e-1};
    static constexpr double cosine[] = {-1.13585365213876817300e-11, 2.08757008419747316778e-9,
                                        -2.75573141792967388112e-7,  2.48015872888517045348e-5,
                                        -1.38888888888730564116e-3,  4.16666666666665929218e-2};
};

/// The numbers of a lane, those marked one by one by the standard library's function.
template <bool Cosine, class L>
STRATA_COLD L sine_of_large(L x, L others) {
    using T = scalar_of<L>;
    T in[static_cast<std::size_t>(width_of<L>)], out[static_cast<std::size_t>(width_of<L>)];
    store_lane(static_cast<T*>(in), x);
    store_lane(static_cast<T*>(out), others);
    for (int k = 0; k < width_of<L>; ++k)
        if (absolute(in[k]) > Circle<T>::largest) out[k] = Cosine ? std::cos(in[k]) : std::sin(in[k]);
    return load_lane<L>(static_cast<T const*>(out));
}

/// sin(x), or cos(x).
template <bool Cosine, class L>
STRATA_INLINE L sine(L x) {
    using T = scalar_of<L>;
    using C = Circle<T>;
    L rounded = multiply_add(x, L(static_cast<T>(0.63661977236758134308)), L(rounding<T>));  // times 2 / pi
    hold_in_register(rounded);
    L const whole = rounded - L(rounding<T>);
    L r = x;
    STRATA_UNROLL
    for (T const part : C::parts) r = multiply_add(whole, L(-part), r);
    L const z = r * r;
    L const s = multiply_add(r * z, polynomial(z, C::sine), r),
            c = multiply_add(z * z, polynomial(z, C::cosine), multiply_add(z, L(T(-0.5)), L(T(1))));
    auto const quadrant = bits_of(rounded) + SignedBits<T>(Cosine);
    L y;
    if constexpr (width_of<L> == 1)
        y = (quadrant & 1) != 0 ? c : s;
    else
        y = select(typename L::Mask{(quadrant & 1) != 0}, c, s);
    y = from_bits<L>(bits_of(y) ^ ((quadrant & 2) << (8 * static_cast<int>(sizeof(T)) - 2)));
    if constexpr (!Cosine) y = select(x == L(T(0)), x, y);  // the sign of 0
    auto const is_large = absolute(x) > L(C::largest);
    if (sum(select(is_large, L(T(1)), L(T(0)))) > T(0)) return sine_of_large<Cosine>(x, y);
    return y;
}

}  // namespace strata::inline STRATA_ABI::lane_detail
