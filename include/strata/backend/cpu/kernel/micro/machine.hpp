// What kernels assume of the processor: constants of what a program is compiled for (-march, -mtune), never of the machine
// that it runs on, because what is chosen by them may change bits.
#pragma once

#include "../../../../core/lane.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Bytes of a core's data caches. Second level: Zen 3 has 512 KB, and Intel's clients with AVX2 1.25 MB or more; with
/// AVX-512 Zen 4 and Skylake's servers have 1 MB, Sapphire Rapids 2 MB.
inline constexpr int first_level_cache = 32 << 10, second_level_cache = vector_bytes >= 64 ? 1 << 20 : 512 << 10;

/// Products that the processor does of pairs of bfloat16 (AVX512-BF16) while it does one of floats, in registers. By what the
/// compiler tunes for: a processor that it does not name is taken for one of Intel's.
///
///   Zen 4      230 GFLOP/s of a core, floats 116
///   Intel       86, floats 176 (Emerald Rapids): the instruction is on one port, and so it is on its other cores
///   the rest   has none
#ifdef STRATA_PAIRS_PAY  // identity.hpp: units that differ in it share no kernel
inline constexpr double pair_rate = 2;
#elif defined(__AVX512BF16__)
inline constexpr double pair_rate = 0.5;
#else
inline constexpr double pair_rate = 0;
#endif
/// Whether Mixed<bfloat16> multiplies pairs; elsewhere numbers are widened to float.
inline constexpr bool pairs_pay = pair_rate > 1;
/// How many times as fast as Float32's the direct kernels are then, measured: they also pack, and round what they store.
inline constexpr double pair_speed = 0.9 * pair_rate;

/// What convolutions cost, in cycles of a core that does one vector's multiply-add in each, on data in its caches. By these
/// a kernel is chosen, so a number that changes may change bits.
struct ConvolutionCosts {
    /// Direct convolution of 3 x 3 taps: a product of vectors, and besides for a vector of outputs an output channel and an
    /// input channel.
    struct {
        double product, output, input;
    } square;
    /// Its weight gradient: a product, what is added to it over the number of vectors of a row, and a tap.
    struct {
        double product, short_row, tap;
    } square_gradient;
    /// Direct convolution of five taps a row: a product, and besides for a vector of outputs an output channel and an input
    /// channel; a row to pack.
    struct {
        double product, output, input, packed_row;
    } row;
    /// Its weight gradient: a product, a tap's row of outputs, an output channel of a block of taps, a vector of dy.
    struct {
        double product, row, output, bias;
    } row_gradient;

    /// F(4x4, 3x3) or F(2x2, 3x3), besides the products: a vector of inputs of one channel, of outputs, of output gradients,
    /// each piece of a gathered vector, a pair of channels' weights, a transposed vector of inputs, a pair's gradients.
    struct Square {
        double input, output, gradient, gather, scatter, weights, transposition, back;
    } of_four, of_two;
    /// Of both: a product where a block is one vector, and where it is more; one of the gradient; a chunk of products.
    struct {
        double one, several, gradient, chunk;
    } square_product;
    /// F(4, 5): a row of outputs of a channel and of a block, a row of inputs; of small tiles a vector of outputs where rows
    /// are whole tiles and where not, a row of inputs and half a vector of it, a pair of channels' weights.
    struct {
        double output, block, input, narrow_output, cut_output, narrow_row, narrow_half, weights;
    } along_row;
    /// F(5, 4): a product, a block's band; a vector of a row of inputs, of dy, a band of a channel, a call; of small tiles
    /// a row, and half a vector of it of inputs, of dy.
    struct {
        double product, band, input, output, channel, call, narrow_row, narrow_input, narrow_output;
    } along_row_gradient;
};

/// Fitted to measurements on one core of a Zen 4 with AVX-512 and 1 MB of second-level cache: along the row to 600
/// geometries (one choice in a hundred costs time, 7 % at most), its gradients to 1400, both on whole vectors of samples.
inline constexpr ConvolutionCosts zen4_costs{
    .square = {1.15, 6, 30},
    .square_gradient = {1.05, 0.6, 10},
    .row = {1.2, 9.5, 9, 60},
    .row_gradient = {0.98, 16.4, 46, 2.7},
    .of_four = {180, 150, 210, 60, 42, 24, 310, 16},
    .of_two = {70, 50, 80, 27, 11, 16, 140, 8},
    .square_product = {1.2, 1.1, 1.15, 12},
    .along_row = {30, 34, 34, 45, 105, 15, 20, 17},
    .along_row_gradient = {0.98, 102, 36, 29, 91, 180, 15, 20, 10},
};
/// What the estimates take, on every processor.
inline constexpr ConvolutionCosts const& convolution_costs = zen4_costs;

}  // namespace strata::inline STRATA_ABI::detail
