// Layers as matrix products: where MatrixKernel knows an operation, the device's GEMM takes the place of the generic
// bodies for y, dx and dweight; dbias keeps its generic body. Because the sample is innermost, a tile [feature][sample]
// is a row-major matrix, and Linear is three products. Conv2d goes through im2col: columns are (output pixel, sample),
// cut into runs of output pixels so that the matrix of patches stays within device.scratch_scalars.
//
// Sources: Chellapilla, Puri, Simard 2006 (im2col).
#pragma once

#include <algorithm>
#include <concepts>

#include "../../layer/conv2d.hpp"
#include "../../layer/linear.hpp"
#include "../../precision/precision.hpp"
#include "body.hpp"
#include "device_buffer.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Not a matrix product: the generic bodies run.
template <class Op>
struct MatrixKernel {
    static constexpr bool exists = false;
};

/// y[o][…] = bias[o], the product is added to it.
template <class T>
struct BiasBody {
    T* y;
    T const* bias;
    long row;  ///< values of one output feature or channel
    int rows;

    [[nodiscard]] long threads() const { return row * rows; }
    STRATA_HD void operator()(long thread) const { y[thread] = bias[thread / row]; }
};

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct MatrixKernel<AffineMap<Inputs, Outputs, HasBias, Scheme>> {
    static constexpr bool exists = true;

    template <class Device, class Precision, class T>
    static void forward(Device& device, DeviceData<Precision> const& a, DeviceBuffer<T, Device>&) {
        if constexpr (HasBias)
            device.launch(BiasBody<T>{a.y, a.parameters + std::ptrdiff_t{Outputs} * Inputs, a.samples, Outputs});
        device.gemm(false, false, Outputs, a.samples, Inputs, a.parameters, Inputs, a.x, a.samples, T(HasBias ? 1 : 0),
                    a.y, a.samples);
    }
    template <class Device, class Precision, class T>
    static void input_gradient(Device& device, DeviceData<Precision> const& a, DeviceBuffer<T, Device>&) {
        device.gemm(true, false, Inputs, a.samples, Outputs, a.parameters, Inputs, a.dy, a.samples,
                    T(a.write == GradientWrite::add ? 1 : 0), a.dx, a.samples);
    }
    template <class Device, class Precision, class T>
    static void weight_gradient(Device& device, DeviceData<Precision> const& a, DeviceBuffer<T, Device>&) {
        device.gemm(false, true, Outputs, Inputs, a.samples, a.dy, a.samples, a.x, a.samples, T(1), a.gradient, Inputs);
    }
};

/// columns[tap][pixel][sample] = the input pixel that output `pixel` sees under `tap` = (c, p, q), zero in the padding.
template <class G, class T>
struct PatchesBody {
    T const* x;
    T* columns;
    int first, pixels, samples;  ///< output pixels [first, first + pixels)

    [[nodiscard]] long threads() const {
        return static_cast<long>(G::group_channels) * G::kernel_height * G::kernel_width * pixels * samples;
    }
    STRATA_HD void operator()(long thread) const {
        int const sample = static_cast<int>(thread % samples), row = static_cast<int>(thread / samples);
        int const pixel = first + row % pixels, tap = row / pixels;
        int const q = tap % G::kernel_width, p = tap / G::kernel_width % G::kernel_height;
        int const c = tap / (G::kernel_width * G::kernel_height);
        int const h = pixel / G::out_width * G::stride_height + p * G::dilation_height - G::pad_top;
        int const w = pixel % G::out_width * G::stride_width + q * G::dilation_width - G::pad_left;
        bool const inside = h >= 0 && h < G::height && w >= 0 && w < G::width;
        columns[thread] = inside ? x[static_cast<long>((c * G::height + h) * G::width + w) * samples + sample] : T(0);
    }
};

/// The way back in gather form: dx(c, h, w) sums what the output pixels [first, first + pixels) that
/// see it left in `columns`.
template <class Op, class T>
struct GatherPatchesBody {
    using G = typename Op::Geometry;
    T const* columns;
    T* dx;
    int first, pixels, samples;
    bool add;

    [[nodiscard]] long threads() const { return static_cast<long>(Op::Input::size) * samples; }
    STRATA_HD void operator()(long thread) const {
        int const sample = static_cast<int>(thread % samples);
        auto const [c, h, w] = Op::Input::position(static_cast<int>(thread / samples));
        T total(0);
        for (int p = 0; p < G::kernel_height; ++p) {
            int const i =
                Op::template output_of<G::stride_height, G::out_height>(h + G::pad_top - p * G::dilation_height);
            if (i < 0) continue;
            for (int q = 0; q < G::kernel_width; ++q) {
                int const j =
                    Op::template output_of<G::stride_width, G::out_width>(w + G::pad_left - q * G::dilation_width);
                int const pixel = i * G::out_width + j - first;
                if (j < 0 || pixel < 0 || pixel >= pixels) continue;
                long const row = static_cast<long>((c * G::kernel_height + p) * G::kernel_width + q) * pixels + pixel;
                total += columns[row * samples + sample];
            }
        }
        dx[thread] = add ? dx[thread] + total : total;
    }
};

/// Grouped convolutions stay with the generic bodies: their products are many and thin.
template <class G, class Scheme>
requires(G::groups == 1)
struct MatrixKernel<Convolution<G, Scheme>> {
    using Op = Convolution<G, Scheme>;
    static constexpr bool exists = true;
    static constexpr int taps = G::channels * G::kernel_height * G::kernel_width, out = G::out_channels;
    static constexpr int out_pixels = G::out_height * G::out_width;

    template <class Device, class Precision, class T>
    static void forward(Device& device, DeviceData<Precision> const& a, DeviceBuffer<T, Device>& scratch) {
        long const row = static_cast<long>(out_pixels) * a.samples;
        if constexpr (G::bias) device.launch(BiasBody<T>{a.y, a.parameters + Op::Weight::Extents::size, row, out});
        for_runs(device, a.samples, scratch, [&](T* columns, int first, int pixels) {
            long const n = static_cast<long>(pixels) * a.samples, at = static_cast<long>(first) * a.samples;
            device.launch(PatchesBody<G, T>{a.x, columns, first, pixels, a.samples});
            device.gemm(false, false, out, n, taps, a.parameters, taps, columns, n, T(G::bias ? 1 : 0), a.y + at, row);
        });
    }
    template <class Device, class Precision, class T>
    static void input_gradient(Device& device, DeviceData<Precision> const& a, DeviceBuffer<T, Device>& scratch) {
        long const row = static_cast<long>(out_pixels) * a.samples;
        for_runs(device, a.samples, scratch, [&](T* columns, int first, int pixels) {
            long const n = static_cast<long>(pixels) * a.samples, at = static_cast<long>(first) * a.samples;
            device.gemm(true, false, taps, n, out, a.parameters, taps, a.dy + at, row, T(0), columns, n);
            bool const add = a.write == GradientWrite::add || first > 0;
            device.launch(GatherPatchesBody<Op, T>{columns, a.dx, first, pixels, a.samples, add});
        });
    }
    template <class Device, class Precision, class T>
    static void weight_gradient(Device& device, DeviceData<Precision> const& a, DeviceBuffer<T, Device>& scratch) {
        long const row = static_cast<long>(out_pixels) * a.samples;
        for_runs(device, a.samples, scratch, [&](T* columns, int first, int pixels) {
            long const n = static_cast<long>(pixels) * a.samples, at = static_cast<long>(first) * a.samples;
            device.launch(PatchesBody<G, T>{a.x, columns, first, pixels, a.samples});
            device.gemm(false, true, out, taps, n, a.dy + at, row, columns, n, T(1), a.gradient, taps);
        });
    }

private:
    /// Calls f(columns, first pixel, pixels) for runs of output pixels whose patches fit the scratch
    /// memory, at least one a run.
    template <class Device, class T, class F>
    static void for_runs(Device& device, int samples, DeviceBuffer<T, Device>& scratch, F const& f) {
        long const a_pixel = static_cast<long>(taps) * samples;
        int const run =
            static_cast<int>(std::clamp(Device::scratch_scalars / a_pixel, 1L, static_cast<long>(out_pixels)));
        T* const columns = scratch.grow(device, static_cast<std::size_t>(a_pixel) * static_cast<std::size_t>(run));
        for (int first = 0; first < out_pixels; first += run) f(columns, first, (std::min)(run, out_pixels - first));
    }
};

}  // namespace strata::inline STRATA_ABI::detail
