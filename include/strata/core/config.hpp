// The only macros of Strata, but for the name of its namespace (identity.hpp).
//
// STRATA_HD        marks a function that runs on the host and on the device (empty outside nvcc). Under nvcc it is
//                  `constexpr`, which with --expt-relaxed-constexpr may be called on either side: __host__ __device__
//                  would make nvcc check the bodies for the device on SIMD lanes too, and refuse them. A constexpr
//                  function needs no STRATA_HD.
// STRATA_DEVICE    marks what calls the bodies of layers, losses and optimizers on the device (empty outside nvcc). nvcc
//                  does not look at what a constexpr function calls: a body without STRATA_HD, which is for the host
//                  alone, would leave nothing behind but an empty kernel. Called from here it is an error.
// STRATA_INLINE    forces inlining: lane arithmetic must not become a call. Not where AddressSanitizer checks code that is
//                  not optimised: every copy would be checked anew, twice the code and the compile time. Programs that
//                  compute more than they compile say STRATA_INLINE_LANES, and are faster there.
// STRATA_INLINED   the same, behind the parameters of a lambda.
// STRATA_UNROLL    unrolls the loop that follows (register blocks must live in registers).
// STRATA_ROLLED    keeps it a loop: copies around a kernel are not worth the compile time of unrolling them.
// STRATA_SCALAR    in the body of a loop keeps GCC from vectorising it: what is left over from whole vectors is not
//                  worth the compile time.
// STRATA_ONE_COPY  of a kernel's code: neither inlined nor cloned for the constants of a caller.
// STRATA_FINITE_MATH  1 where compilers take every number for finite (-ffast-math), else 0.
// STRATA_COLD      marks what only arranges the work of others, or runs once a file, an epoch or a batch: compiled for
//                  size and on its own. Big functions of it that grow into each other take long to compile.
// STRATA_DEFINE    opens the definition of a function in an .ipp file: of what no network type touches. It is inline, as
//                  everything in a header, or compiled once, where the library strata::files is linked (STRATA_FILES).
// STRATA_COMPILED  names a template of functions that is compiled in strata::files, and nowhere else.
// STRATA_HOT       marks loops over numbers that only such functions call: compiled for speed all the same.
#pragma once

#include "identity.hpp"

#ifdef __CUDACC__
#ifndef __CUDACC_RELAXED_CONSTEXPR__
#error "Strata needs nvcc's option --expt-relaxed-constexpr (strata::cuda brings it)"
#endif
#pragma nv_diag_suppress 1675  // nvcc does not know GCC's unroll pragma, but hands it on
#define STRATA_HD constexpr
#define STRATA_DEVICE __device__
#else
#define STRATA_HD
#define STRATA_DEVICE
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRATA_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define STRATA_ADDRESS_SANITIZER
#endif
#if defined(STRATA_ADDRESS_SANITIZER) && !defined(__OPTIMIZE__) && !defined(STRATA_INLINE_LANES)
#define STRATA_INLINE inline
#define STRATA_INLINED
#else
#define STRATA_INLINE inline __attribute__((always_inline))
#define STRATA_INLINED __attribute__((always_inline))
#endif
#undef STRATA_ADDRESS_SANITIZER

#if defined(__CUDA_ARCH__)
#define STRATA_UNROLL _Pragma("unroll")
#define STRATA_ROLLED _Pragma("unroll 1")
#elif defined(__clang__)
#define STRATA_UNROLL _Pragma("clang loop unroll(full)")
#define STRATA_ROLLED _Pragma("clang loop unroll(disable) vectorize(disable)")
#elif defined(__GNUC__)
#define STRATA_UNROLL _Pragma("GCC unroll 32")
#define STRATA_ROLLED _Pragma("GCC unroll 1")
#else
#define STRATA_UNROLL
#define STRATA_ROLLED
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define STRATA_ONE_COPY __attribute__((noinline, noclone))
#else
#define STRATA_ONE_COPY __attribute__((noinline))
#endif

#define STRATA_COLD __attribute__((cold, noinline))
#define STRATA_HOT __attribute__((hot, noinline))

#if defined(STRATA_FILES_SOURCE) && !defined(STRATA_FILES)
#error "strata/files.ipp needs -DSTRATA_FILES, as the programs that link it do (strata::files brings it)"
#endif
#ifdef STRATA_FILES_SOURCE
#define STRATA_COMPILED(...) template decltype(__VA_ARGS__) __VA_ARGS__
#else
#define STRATA_COMPILED(...) extern template decltype(__VA_ARGS__) __VA_ARGS__
#endif
#ifdef STRATA_FILES
#define STRATA_DEFINE
#else
#define STRATA_DEFINE inline
#endif

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define STRATA_FINITE_MATH 1
#else
#define STRATA_FINITE_MATH 0
#endif

#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDA_ARCH__)
#define STRATA_SCALAR asm("")
#else
#define STRATA_SCALAR static_cast<void>(0)
#endif
