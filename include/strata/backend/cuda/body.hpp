// The operations' mathematics as functors over thread indices: every thread takes one element of one sample,
// a scalar lane, of tiles laid out [element][sample]. Neighbouring threads take neighbouring samples, so
// reads and writes coalesce.
#pragma once

#include "../../core/operation.hpp"
#include "../../program/tile.hpp"
#include "../../program/values.hpp"
#include "grid.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a body works on: an operation's values of the whole batch, which is one tile.
template <class Precision>
struct DeviceData : Values<Precision>, Tile {};

/// A scalar view of one sample: neighbouring elements are `samples` apart.
template <class S, class Precision, class T, class L = typename Precision::compute>
using SampleView = TileView<S, L, T>;

/// What the bodies of an operation read for one sample, as numbers of type L.
template <class Op, class Precision, class L = typename Precision::compute>
STRATA_HD inline auto body_input(DeviceData<Precision> const& a, int sample) {
    using Storage = typename Precision::storage;
    using X = SampleView<input_of<Op>, Precision, Storage const, L>;
    using Y = SampleView<typename Op::Output, Precision, Storage const, L>;
    using E = ExtraView<typename Op::Output, L, Storage>;
    using P = ParametersView<typename Op::Parameters, L, typename Precision::master>;
    using Earlier = passes_view<Op, TileView, L, typename Precision::compute>;
    int const n = a.samples;
    BodyInput<X, Y, E, P, typename SeveralInputs<Op>::type, Earlier> io{{a.x ? a.x + sample : nullptr, n},
                                                                        {a.y ? a.y + sample : nullptr, n},
                                                                        {a.dy ? a.dy + sample : nullptr, n},
                                                                        {a.extra ? a.extra + sample : nullptr, n},
                                                                        {a.parameters},
                                                                        a.random,
                                                                        sample};
    if constexpr (input_count<Op> > 1)
        for (std::size_t k = 0; k < io.more.size(); ++k) io.more[k] = {a.more[k] ? a.more[k] + sample : nullptr, n};
    if constexpr (has_passes<Op>())
        io.passes = {a.forward_passes ? a.forward_passes + sample : nullptr,
                     a.backward_passes ? a.backward_passes + sample : nullptr,
                     {nullptr, n},
                     a.statistics};
    return io;
}

/// Stores what a body returned, one value or a block of them.
template <class Op, class Result, class View>
STRATA_HD inline void put_result(int item, int size, Result const& result, View const& view, bool add) {
    auto const put = [&](int element, auto value) {
        if (add)
            view.add(element, value);
        else
            view.set(element, value);
    };
    if constexpr (block_of<Op>() > 1) {
        for (int k = 0; k < block_of<Op>(); ++k)
            if (item * block_of<Op>() + k < size) put(item * block_of<Op>() + k, result[static_cast<std::size_t>(k)]);
    } else {
        put(item, result);
    }
}

// What an operation's bodies give on the device. An activation's own functions are called here and not by
// ElementwiseOperation, whose calls nvcc does not check, and so is the gradient of one of several inputs.
template <class Op, class Io>
STRATA_DEVICE inline auto forward_of(Position<forward_domain<Op>::rank> at, Io const& io) {
    if constexpr (requires { typename Op::ActivationType; })
        return typename Io::L(typename Op::ActivationType{}.forward(io.x[at[0]]));
    else
        return Op::forward(at, io);
}
template <class Op, class Io>
STRATA_DEVICE inline auto input_gradient_of(Position<backward_domain<Op>::rank> at, Io const& io) {
    using L = typename Io::L;
    if constexpr (requires { typename Op::ActivationType; }) {
        using A = typename Op::ActivationType;
        if constexpr (WritesBackward<A>)
            return L(A{}.backward(Op::kept_x(at, io), Op::kept_y(at, io), io.dy[at[0]]));
        else
            return L(A{}.forward(Dual<L>(io.x[at[0]], L(1))).slope * io.dy[at[0]]);
    } else if constexpr (requires { Op::seen_from; }) {
        if constexpr (Op::of_its_own)
            return Op::Operation::template input_gradient<Op::seen_from>(at, io);
        else
            return Op::Operation::input_gradient(at, io);
    } else {
        return Op::input_gradient(at, io);
    }
}

/// y of an operation.
template <class Op, class Precision>
struct ForwardBody {
    using Domain = forward_domain<Op>;
    DeviceData<Precision> data;

    [[nodiscard]] long threads() const { return static_cast<long>(Domain::size) * data.samples; }
    STRATA_DEVICE void operator()(long thread) const {
        int const item = static_cast<int>(thread / data.samples), sample = static_cast<int>(thread % data.samples);
        SampleView<typename Op::Output, Precision, typename Precision::storage> const y{data.y + sample, data.samples};
        put_result<Op>(item, Op::Output::size, forward_of<Op>(Domain::position(item), body_input<Op>(data, sample)), y,
                       false);
    }
};

/// What one pass of an operation leaves.
template <class Op, class Of, class Precision>
struct PassBody {
    using Domain = typename Of::Extents;
    DeviceData<Precision> data;

    [[nodiscard]] long threads() const { return static_cast<long>(Domain::size) * data.samples; }
    STRATA_DEVICE void operator()(long thread) const {
        int const item = static_cast<int>(thread / data.samples), sample = static_cast<int>(thread % data.samples);
        auto const io = body_input<Op>(data, sample);
        io.pass(Of{}).set(item, Op::pass(Of{}, Domain::position(item), io));
    }
};

/// dx of an operation.
template <class Op, class Precision>
struct InputGradientBody {
    using Domain = backward_domain<Op>;
    DeviceData<Precision> data;

    [[nodiscard]] long threads() const { return static_cast<long>(Domain::size) * data.samples; }
    STRATA_DEVICE void operator()(long thread) const {
        int const item = static_cast<int>(thread / data.samples), sample = static_cast<int>(thread % data.samples);
        using X = typename GradientShape<Op>::type;
        SampleView<X, Precision, typename Precision::storage> const dx{data.dx + sample, data.samples};
        put_result<Op>(item, X::size, input_gradient_of<Op>(Domain::position(item), body_input<Op>(data, sample)), dx,
                       data.write == GradientWrite::add);
    }
};

/// Sums over the batch: thread t of a block takes samples t, t + block_threads, ….
template <class T, class F>
STRATA_DEVICE inline T sum_samples(int thread, int samples, F const& value) {
    T total(0);
    for (int s = thread; s < samples; s += block_threads) total += static_cast<T>(value(s));
    return total;
}

/// The gradient of one parameter tensor, a block an element.
template <class Op, class P, class Precision>
struct ParameterGradientBody {
    using Value = typename Precision::accumulation;
    DeviceData<Precision> data;

    static constexpr long blocks() { return P::Extents::size; }
    STRATA_DEVICE Value part(long block, int thread) const {
        auto const at = P::Extents::position(static_cast<typename P::Extents::Count>(block));
        return sum_samples<Value>(thread, data.samples,
                                  [&](int s) { return Op::parameter_gradient(P{}, at, body_input<Op>(data, s)); });
    }
    STRATA_HD Value combine(Value a, Value b) const { return a + b; }
    STRATA_HD void finish(long block, Value total) const {
        data.gradient[Op::Parameters::template offset<P> + block] += total;
    }
};

}  // namespace strata::inline STRATA_ABI::detail
