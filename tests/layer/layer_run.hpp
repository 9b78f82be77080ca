// Runs one layer's kernels on a batch, tile by tile, in memory full of NaN, and compares with LibTorch's values. Only
// the kernels are templates of the layer: the rest is compiled once.
#pragma once

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "../reference/reference.hpp"
#include "../tested_types.hpp"
#include "strata/backend/cpu/kernel/choice.hpp"
#include "strata/backend/cpu/threads/workers.hpp"
#include "strata/core/aligned.hpp"
#include "strata/precision/precision.hpp"

namespace strata {

/// What a layer gives for a batch, samples outermost as in PyTorch.
struct LayerResult {
    std::vector<double> y, dx, dparameters;
};

/// One kernel and the items that a team shares.
template <class Precision>
struct LayerKernel {
    void (*run)(KernelData<Precision> const&, int, int) = nullptr;
    Items items{};
    int (*scratch)(int S) = nullptr;
    detail::Preparation<Precision> preparation{};
    bool sets_gradient = false;

    void operator()(KernelData<Precision> data, int parts) const {
        using T = typename Precision::storage;
        if (!run) return;
        AlignedVector<T> memory(static_cast<std::size_t>(scratch(data.stride)), std::numeric_limits<T>::quiet_NaN());
        data.scratch = memory.data();
        AlignedVector<T> prepared(static_cast<std::size_t>(preparation.size), std::numeric_limits<T>::quiet_NaN());
        data.prepared = prepared.data();
        for (int part = 0; part < parts && preparation.run; ++part) {
            detail::Share const share{part, parts};
            preparation.run(data, prepared.data(), share.begin(preparation.items), share.end(preparation.items));
        }
        int const count = items.of_tile(data.stride, width_of<widest_lane<typename Precision::compute>>);
        for (int k = 0; k < parts; ++k) {  // mixed up: what a part writes beyond its own, no later one repairs
            int const part = parts % 5 > 0 ? (k * 5 + 1) % parts : parts - 1 - k;
            detail::Share const share{part, parts};
            run(data, share.begin(count), share.end(count));
        }
    }
};
struct LayerParameter {
    std::string name;
    int size;
};
template <class Precision>
struct LayerKernels {
    LayerKernel<Precision> forward, input_gradient, parameter_gradient;
    int in, out, lanes;
    Keep keep;
    std::vector<LayerParameter> parameters;
    std::vector<LayerKernel<Precision>> forward_passes{}, backward_passes{};  ///< those that no other kernel makes
    int forward_pass_size = 0, backward_pass_size = 0;
};
template <class Op, class Precision, class... Ps>
std::vector<LayerKernel<Precision>> pass_kernels(PassList<Ps...>) {
    return {{&GenericPass<Op, Ps, Precision>::run, GenericPass<Op, Ps, Precision>::items, [](int) { return 0; }}...};
}
/// The layer's kernels for tiles of S samples: those of the lists, or the generic ones.
template <class Op, class Precision, class F, class D, class P>
LayerKernels<Precision> assembled_kernels(int S) {
    LayerKernels<Precision> k{{&F::run, F::items, &detail::scratch_of<F>, detail::preparation_of<F, Precision>(S)},
                              {&D::run, D::items, &detail::scratch_of<D>, detail::preparation_of<D, Precision>(S)},
                              {},
                              Op::Input::size,
                              Op::Output::size,
                              S,
                              Op::keep,
                              {}};
    if constexpr (Op::Parameters::size > 0) {
        k.parameter_gradient = {&P::run, P::items, &detail::scratch_of<P>, {}, detail::sets_gradient<P>()};
    }
    k.forward_pass_size = detail::forward_passes<Op>::size;
    k.backward_pass_size = detail::backward_passes<Op>::size;
    if constexpr (!detail::makes_passes<F>())
        k.forward_passes = pass_kernels<Op, Precision>(detail::forward_passes<Op>{});
    if constexpr (!detail::makes_passes<D>())
        k.backward_passes = pass_kernels<Op, Precision>(detail::backward_passes<Op>{});
    Op::Parameters::for_each([&]<class Q>(Q) { k.parameters.push_back({std::string(Q::name), Q::Extents::size}); });
    return k;
}
template <class Op, class Precision, int S, template <class, class> class F = ForwardKernel,
          template <class, class> class D = InputGradientKernel,
          template <class, class> class P = ParameterGradientKernel>
LayerKernels<Precision> kernels_of() {
    return assembled_kernels<Op, Precision, F<Op, Precision>, D<Op, Precision>, P<Op, Precision>>(S);
}
template <class Op, class Precision, int S>
LayerKernels<Precision> generic_kernels_of() {
    return kernels_of<Op, Precision, S, GenericForward, GenericInputGradient, GenericParameterGradient>();
}

/// Between [sample][element] and a tile [element][lane]; empty lanes hold zeros, as the executor guarantees.
template <class T>
AlignedVector<T> to_tile(std::vector<double> const& samples, int size, int first, int count, int lanes) {
    AlignedVector<T> tile(static_cast<std::size_t>(size * lanes), T(0));
    for (int s = 0; s < count; ++s)
        for (int e = 0; e < size; ++e)
            tile[static_cast<std::size_t>(e * lanes + s)] =
                static_cast<T>(samples[static_cast<std::size_t>((first + s) * size + e)]);
    return tile;
}
template <class T>
void from_tile(AlignedVector<T> const& tile, std::vector<double>& samples, int size, int first, int count, int lanes) {
    for (int s = 0; s < count; ++s)
        for (int e = 0; e < size; ++e)
            samples[static_cast<std::size_t>((first + s) * size + e)] =
                static_cast<double>(tile[static_cast<std::size_t>(e * lanes + s)]);
}

/// Forward and backward of a layer, every kernel split into `parts` ranges of items.
template <class Precision>
LayerResult run_layer(LayerKernels<Precision> const& layer, std::vector<double> const& x,
                      std::vector<double> const& parameters, std::vector<double> const& dy, int parts = 1,
                      RandomKey random = {}, bool invariant = false) {
    using T = typename Precision::storage;
    int const in = layer.in, out = layer.out, S = layer.lanes, batch = static_cast<int>(x.size()) / in;
    std::vector<typename Precision::master> const weights(parameters.begin(), parameters.end());
    LayerResult result{std::vector<double>(static_cast<std::size_t>(batch * out)), std::vector<double>(x.size()), {}};
    T const nan = std::numeric_limits<T>::quiet_NaN();
    bool const sets = layer.parameter_gradient.sets_gradient;  // by the first tile, else all of them add
    using Gradient = typename Precision::accumulation;
    std::vector<Gradient> gradient(weights.size(), sets ? std::numeric_limits<Gradient>::quiet_NaN() : Gradient(0));
    for (int first = 0; first < batch; first += S) {
        int const count = std::min(S, batch - first);
        auto const x_tile = to_tile<T>(x, in, first, count, S), dy_tile = to_tile<T>(dy, out, first, count, S);
        AlignedVector<T> y(static_cast<std::size_t>(out * S), nan), extra(y), dx(static_cast<std::size_t>(in * S), nan);
        KernelData<Precision> data;
        data.x = x_tile.data();
        data.y = y.data();
        data.extra = extra.data();
        data.parameters = weights.data();
        data.first = first;
        data.samples = count;
        data.stride = S;
        data.random = random;
        data.invariant = invariant;
        std::vector<typename Precision::compute> passes(
            static_cast<std::size_t>((layer.forward_pass_size + layer.backward_pass_size) * S),
            std::numeric_limits<typename Precision::compute>::quiet_NaN());
        data.forward_passes = passes.data();
        data.backward_passes = passes.data() + layer.forward_pass_size * S;
        for (auto const& pass : layer.forward_passes) pass(data, parts);
        layer.forward(data, parts);
        from_tile(y, result.y, out, first, count, S);

        // Backward may read only what the layer says that it keeps.
        if (!keeps_input(layer.keep)) data.x = nullptr;
        if (!keeps_output(layer.keep)) data.y = nullptr;
        data.dy = dy_tile.data();
        data.dx = dx.data();
        data.write = GradientWrite::overwrite;
        data.gradient = gradient.data();
        data.set_gradient = sets && first == 0;
        for (auto const& pass : layer.backward_passes) pass(data, parts);
        layer.parameter_gradient(data, parts);
        layer.input_gradient(data, parts);
        from_tile(dx, result.dx, in, first, count, S);
        auto const once = dx;
        data.write = GradientWrite::add;
        layer.input_gradient(data, parts);
        int wrong = 0;
        for (std::size_t i = 0; i < dx.size(); ++i)
            wrong += dx[i] == once[i] + once[i] || (std::isnan(dx[i]) && std::isnan(once[i])) ? 0 : 1;
        CHECK(wrong == 0);  // a second gradient adds
    }
    result.dparameters.assign(gradient.begin(), gradient.end());
    return result;
}

/// A case of values.txt: x has seed 1 (or is coarse), parameters 2 and 3, dy 4, batch 3.
template <class Precision>
void compare_case(std::string const& name, LayerKernels<Precision> const& layer, bool coarse) {
    constexpr int batch = 3;
    std::vector<double> x(static_cast<std::size_t>(batch * layer.in)), parameters;
    for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = coarse ? reference_coarse_value(1, static_cast<std::uint32_t>(i))
                      : reference_value(1, static_cast<std::uint32_t>(i));
    std::uint32_t seed = 2;
    for (auto const& p : layer.parameters) {
        auto const values = reference_values(seed++, static_cast<std::size_t>(p.size));
        parameters.insert(parameters.end(), values.begin(), values.end());
    }
    auto const dy = reference_values(4, static_cast<std::size_t>(batch * layer.out));
    auto const result = run_layer(layer, x, parameters, dy);
    // Double: LibTorch sums in another order. Single: sums of up to 150 products of numbers
    // below 1 round at 2^-24 each.
    double const tolerance = sizeof(typename Precision::compute) == 8 ? 1e-12 : 1e-5;
    CAPTURE(name);
    CAPTURE(layer.lanes);
    CAPTURE(tolerance);
    CHECK(reference_difference(result.y, name + "/y") < tolerance);
    CHECK(reference_difference(result.dx, name + "/dx") < tolerance);
    auto at = result.dparameters.begin();
    for (auto const& p : layer.parameters) {
        std::vector<double> const d(at, at + p.size);
        at += p.size;
        CHECK(reference_difference(d, name + "/d" + p.name) < tolerance);
    }
    // What a sample gives does not depend on where in a batch it stands: the same bits, in a ragged tile too.
    std::vector<double> many_x, many_dy;
    int const copies = 2 * layer.lanes - 1;
    for (int k = 0; k < copies; ++k) {
        many_x.insert(many_x.end(), x.begin(), x.begin() + layer.in);
        many_dy.insert(many_dy.end(), dy.begin(), dy.begin() + layer.out);
    }
    auto const many = run_layer(layer, many_x, parameters, many_dy);
    int different = 0;
    for (std::size_t i = 0; i < many.y.size(); ++i)
        different += many.y[i] == many.y[i % static_cast<std::size_t>(layer.out)] ? 0 : 1;
    for (std::size_t i = 0; i < many.dx.size(); ++i)
        different += many.dx[i] == many.dx[i % static_cast<std::size_t>(layer.in)] ? 0 : 1;
    CHECK(different == 0);
    // A team may split a kernel anywhere: the same bits.
    auto const split = run_layer(layer, x, parameters, dy, 3);
    CHECK(split.y == result.y);
    CHECK(split.dx == result.dx);
    CHECK(split.dparameters == result.dparameters);
}

/// A case of values.txt: the generic kernels on plain doubles (the oracle) and on a ragged tile of float lanes.
template <class Layer, class X>
void compare_with_libtorch(std::string const& name, bool coarse = false) {
    using Op = typename Layer::template On<X>;
    compare_case(name, generic_kernels_of<Op, Float64, 1>(), coarse);
    compare_case(name, generic_kernels_of<Op, Float32, 16>(), coarse);
}
/// The same for a layer with fast kernels, on every tile size.
template <class Layer, class X>
void compare_fast_with_libtorch(std::string const& name) {
    using Op = typename Layer::template On<X>;
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_case(name, kernels_of<Op, Float32, S>(), false), ...);
    }(std::integer_sequence<int, 1, 2, 4, 8, 16, 32>{});
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_case(name, kernels_of<Op, Float64, S>(), false), ...);
    }(DoubleTiles{});
}

}  // namespace strata
