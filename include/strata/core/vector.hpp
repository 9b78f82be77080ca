// SIMD vectors as g++ and clang++ have them: arithmetic, comparisons and ?: of the language itself, one spelling
// for SSE, AVX, AVX-512 and NEON. What the language does not say (a fused multiplication and addition, square
// roots, exp, log) is here.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "scalar_lane.hpp"

#ifdef __SSE2__
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace strata::inline STRATA_ABI::lane_detail {

template <class T, int N>
struct Of {
    typedef T type __attribute__((vector_size(N * sizeof(T))));
    // How it lies among other numbers: at any address.
    typedef T unaligned __attribute__((vector_size(N * sizeof(T)), aligned(alignof(T)), may_alias));
};
/// N numbers of type T in a register.
template <class T, int N>
using Vector = typename Of<T, N>::type;

/// Vector of the numbers Pattern::of(k) of a and b, those of b after those of a. Spelt out: nvcc
/// hands no packs on to builtins.
template <class Pattern, int N, class V>
STRATA_INLINE V shuffle(V a, V b) {
    constexpr auto at = [](int k) { return Pattern::of(k); };
    if constexpr (N == 16)
        return __builtin_shufflevector(a, b, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9),
                                       at(10), at(11), at(12), at(13), at(14), at(15));
    else if constexpr (N == 8)
        return __builtin_shufflevector(a, b, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
    else if constexpr (N == 4)
        return __builtin_shufflevector(a, b, at(0), at(1), at(2), at(3));
    else
        return __builtin_shufflevector(a, b, at(0), at(1));
}

// ---- what the language does not say --------------------------------------------------------------------------------

/// a * b + c, in one rounding where the hardware has it; of scalars as scalar_lane.hpp has it.
using STRATA_ABI::multiply_add;
template <class V>
STRATA_INLINE V multiply_add(V a, V b, V c) {
    return a * b + c;
}
template <class V>
STRATA_INLINE V square_root(V a) {
    for (std::size_t k = 0; k < sizeof(V) / sizeof(a[0]); ++k) a[k] = std::sqrt(a[k]);
    return a;
}
#ifdef __SSE2__
STRATA_INLINE __m128 square_root(__m128 a) { return _mm_sqrt_ps(a); }
STRATA_INLINE __m128d square_root(__m128d a) { return _mm_sqrt_pd(a); }
#endif
#ifdef __AVX__
STRATA_INLINE __m256 square_root(__m256 a) { return _mm256_sqrt_ps(a); }
STRATA_INLINE __m256d square_root(__m256d a) { return _mm256_sqrt_pd(a); }
#endif
#ifdef __AVX512F__
// GCC 12 reports -Wmaybe-uninitialized inside those of its own AVX-512 intrinsics that begin with an undefined register
// (_mm512_sqrt_ps, _mm512_slli_epi32, _mm512_cvtepu16_epi32, …), and users must never see it. Those that zero what a mask
// leaves out are the same instruction where the mask leaves nothing out.
inline constexpr __mmask16 all_lanes = 0xffff;
STRATA_INLINE __m512 square_root(__m512 a) { return _mm512_maskz_sqrt_ps(all_lanes, a); }
STRATA_INLINE __m512d square_root(__m512d a) { return _mm512_maskz_sqrt_pd(0xff, a); }
STRATA_INLINE __m512 multiply_add(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
STRATA_INLINE __m512d multiply_add(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
#endif
#ifdef __FMA__
STRATA_INLINE __m128 multiply_add(__m128 a, __m128 b, __m128 c) { return _mm_fmadd_ps(a, b, c); }
STRATA_INLINE __m128d multiply_add(__m128d a, __m128d b, __m128d c) { return _mm_fmadd_pd(a, b, c); }
STRATA_INLINE __m256 multiply_add(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
STRATA_INLINE __m256d multiply_add(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
#elif defined(__aarch64__)
STRATA_INLINE Vector<float, 4> multiply_add(Vector<float, 4> a, Vector<float, 4> b, Vector<float, 4> c) {
    return vfmaq_f32(c, a, b);
}
STRATA_INLINE Vector<double, 2> multiply_add(Vector<double, 2> a, Vector<double, 2> b, Vector<double, 2> c) {
    return vfmaq_f64(c, a, b);
}
STRATA_INLINE Vector<float, 4> square_root(Vector<float, 4> a) { return vsqrtq_f32(a); }
STRATA_INLINE Vector<double, 2> square_root(Vector<double, 2> a) { return vsqrtq_f64(a); }
#endif

}  // namespace strata::inline STRATA_ABI::lane_detail
