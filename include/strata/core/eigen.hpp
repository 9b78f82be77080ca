// Eigen as the lanes need it: its packets (one spelling for SSE, AVX, AVX-512 and NEON, with exp and log), and not the
// matrices of Eigen/Core, which a user of Strata would wait for at every compilation.
//
// Eigen 3.4 has no header for its packets alone; the list below is the beginning of its Eigen/Core, whose other parts a
// program may include before or after. Other versions and instruction sets get Eigen/Core.
#pragma once

#include "config.hpp"

// GCC 12 reports -Wmaybe-uninitialized inside its own AVX-512 intrinsics (_mm512_undefined_ps); users must never see
// it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <Eigen/src/Core/util/Macros.h>
#if EIGEN_WORLD_VERSION == 3 && EIGEN_MAJOR_VERSION == 4 && defined(__SSE2__) && !defined(EIGEN_DONT_VECTORIZE) && \
    !defined(EIGEN_CORE_H) && !defined(EIGEN_USE_BLAS) && !defined(EIGEN_USE_MKL_ALL)
#include <Eigen/src/Core/util/ConfigureVectorization.h>
#endif
#ifdef EIGEN_VECTORIZE_SSE
#include <algorithm>
#include <cassert>
#include <climits>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <tuple>

namespace Eigen {
using std::ptrdiff_t;
using std::size_t;
}  // namespace Eigen
// The order is Eigen's.
// clang-format off
#include <Eigen/src/Core/util/DisableStupidWarnings.h>
#include <Eigen/src/Core/util/Constants.h>
#include <Eigen/src/Core/util/Meta.h>
#include <Eigen/src/Core/util/ForwardDeclarations.h>
#include <Eigen/src/Core/util/StaticAssert.h>
#include <Eigen/src/Core/util/XprHelper.h>
#include <Eigen/src/Core/util/Memory.h>
#include <Eigen/src/Core/util/IntegralConstant.h>
#include <Eigen/src/Core/util/SymbolicIndex.h>
#include <Eigen/src/Core/NumTraits.h>
#include <Eigen/src/Core/MathFunctions.h>
#include <Eigen/src/Core/GenericPacketMath.h>
#include <Eigen/src/Core/MathFunctionsImpl.h>
#include <Eigen/src/Core/arch/Default/ConjHelper.h>
#include <Eigen/src/Core/arch/Default/Half.h>
#include <Eigen/src/Core/arch/Default/BFloat16.h>
#include <Eigen/src/Core/arch/Default/TypeCasting.h>
#include <Eigen/src/Core/arch/Default/GenericPacketMathFunctionsFwd.h>
#include <Eigen/src/Core/arch/SSE/PacketMath.h>
#include <Eigen/src/Core/arch/SSE/TypeCasting.h>
#ifdef EIGEN_VECTORIZE_AVX
#include <Eigen/src/Core/arch/AVX/PacketMath.h>
#include <Eigen/src/Core/arch/AVX/TypeCasting.h>
#endif
#ifdef EIGEN_VECTORIZE_AVX512
#include <Eigen/src/Core/arch/AVX512/PacketMath.h>
#include <Eigen/src/Core/arch/AVX512/TypeCasting.h>
#endif
#include <Eigen/src/Core/arch/SSE/MathFunctions.h>
#ifdef EIGEN_VECTORIZE_AVX
#include <Eigen/src/Core/arch/AVX/MathFunctions.h>
#endif
#ifdef EIGEN_VECTORIZE_AVX512
#include <Eigen/src/Core/arch/AVX512/MathFunctions.h>
#endif
#include <Eigen/src/Core/arch/Default/GenericPacketMathFunctions.h>
#include <Eigen/src/Core/util/ReenableStupidWarnings.h>
// clang-format on
#else
#include <Eigen/Core>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#if (defined(__SSE2__) || defined(__ARM_NEON)) && !defined(EIGEN_VECTORIZE)
#error "Strata's lanes are Eigen's packets: leave its vectorisation on (EIGEN_DONT_VECTORIZE, EIGEN_MAX_ALIGN_BYTES=0)"
#endif
