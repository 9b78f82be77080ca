// Passes over the batch: a block an element sums its terms over all samples, in double, and finishes with what the
// operation makes of them. Moments take a second pass around the mean, which needs no merging and loses no digits.
#pragma once

#include "../../network/frozen_operation.hpp"
#include "../batch_wide.hpp"
#include "body.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a block has summed: numbers side by side.
template <int Numbers>
struct DoubleSums {
    double sum[static_cast<std::size_t>(Numbers)];
    STRATA_HD friend DoubleSums operator+(DoubleSums a, DoubleSums const& b) {
        for (int k = 0; k < Numbers; ++k) a.sum[k] += b.sum[k];
        return a;
    }
};

/// Sums a sample's terms, in runs of their own type that are added in double; a run that overflows is added number by
/// number. term(T(), i, k) is number k of term i.
template <class T, int Numbers, class Term>
STRATA_DEVICE inline void add_terms(DoubleSums<Numbers>& to, int terms, Term const& term) {
    constexpr int run = 64;
    for (int k = 0; k < Numbers; ++k) {
        double total = 0;
        for (int from = 0; from < terms; from += run) {
            int const stop = from + run < terms ? from + run : terms;
            T part(0);
            for (int i = from; i < stop; ++i) part += term(T(), i, k);
            if (is_finite(part)) {
                total += static_cast<double>(part);
                continue;
            }
            for (int i = from; i < stop; ++i) total += term(double(), i, k);
        }
        to.sum[k] += total;
    }
}

/// One number of a term of a pass.
template <class Op, class P, class Io>
STRATA_DEVICE inline auto term_of(int element, int term, int number, Io const& io) {
    auto const numbers = Op::pass(P{}, P::Extents::position(element), term, io);
    if constexpr (requires { std::tuple_size<std::remove_cvref_t<decltype(numbers)>>::value; })
        return numbers[static_cast<std::size_t>(number)];
    else
        return numbers;
}

/// A thread's sums of a pass's terms, or of what `of` makes of them.
template <class Op, class P, class Precision, int Numbers, class F>
STRATA_DEVICE inline DoubleSums<Numbers> sum_terms(DeviceData<Precision> const& data, int element, int thread,
                                                   F const& of) {
    DoubleSums<Numbers> sums{};
    using Compute = typename Precision::compute;
    for (int s = thread; s < data.samples; s += block_threads) {
        auto const io = body_input<Op>(data, s);
        add_terms<Compute>(sums, P::terms, [&]<class T>(T, int term, int number) {
            if constexpr (std::is_same_v<T, Compute>)
                return of(static_cast<T>(term_of<Op, P>(element, term, number, io)));
            else
                return of(static_cast<T>(term_of<Op, P>(element, term, number, body_input<Op, Precision, T>(data, s))));
        });
    }
    return sums;
}

// What an operation says of a pass (core/batch_pass.hpp) is called by constexpr functions, which nvcc does not check: here
// it does, in functions that nobody calls.
template <class Op, class P, class B>
STRATA_DEVICE inline void check_moved(gathered_by<P> const& all) {
    if constexpr (MovesBuffer<Op, P, B>) static_cast<void>(Op::moved(P{}, B{}, 1.0, all));
}
template <class Op, class P, class Parameter>
STRATA_DEVICE inline void check_gathered_gradient(gathered_by<P> const& all) {
    if constexpr (GathersGradient<Op, P, Parameter>) static_cast<void>(Op::gathered_gradient(P{}, Parameter{}, all));
}
template <class Op, class P, class... Bs, class... Parameters>
STRATA_DEVICE inline void check_gathered(gathered_by<P> const& all, ParameterList<Bs...>,
                                         ParameterList<Parameters...>) {
    if constexpr (requires { Op::finish(P{}, all); }) static_cast<void>(Op::finish(P{}, all));
    (check_moved<Op, P, Bs>(all), ...);
    (check_gathered_gradient<Op, P, Parameters>(all), ...);
}

/// Forward or backward: means.
template <class Op, class P, class Precision>
struct GatherBody {
    using Value = DoubleSums<P::gathers == Gather::moments ? 1 : P::numbers>;
    using Master = typename Precision::master;
    DeviceData<Precision> data;
    Master const* buffers;  ///< before this batch
    Master* next_buffers;   ///< and after it

    static constexpr long blocks() { return P::Extents::size; }
    STRATA_DEVICE Value part(long block, int thread) const {
        if (block < 0) check_gathered<Op, P>({}, buffers_of<Op>{}, typename Op::Parameters{});  // never
        return sum_terms<Op, P, Precision, P::numbers>(data, static_cast<int>(block), thread, [](auto x) { return x; });
    }
    STRATA_HD Value combine(Value a, Value b) const { return a + b; }
    STRATA_HD void finish(long block, Value total) const {
        double* const to = data.partial + batch_place<Op, P>() + block * left_by<P>();
        double const count = static_cast<double>(data.samples) * P::terms;
        if constexpr (P::gathers == Gather::moments) {
            to[0] = total.sum[0] / count;  // SquaresBody goes on
        } else {
            gathered_by<P> all{};
            all.count = count;
            for (int k = 0; k < P::numbers; ++k) all.sum[static_cast<std::size_t>(k)] = total.sum[k];
            finish_pass<Op, P>(static_cast<int>(block), all, to, data.gradient, buffers, next_buffers);
        }
    }
};

/// Of moments, the second pass.
template <class Op, class P, class Precision>
struct SquaresBody {
    using Value = DoubleSums<1>;
    using Master = typename Precision::master;
    DeviceData<Precision> data;
    Master const* buffers;
    Master* next_buffers;

    static constexpr long blocks() { return P::Extents::size; }
    STRATA_DEVICE Value part(long block, int thread) const {
        auto const center = static_cast<typename Precision::compute>(*place(block));
        return sum_terms<Op, P, Precision, 1>(data, static_cast<int>(block), thread, [center](auto x) {
            auto const d = x - static_cast<decltype(x)>(center);
            return d * d;
        });
    }
    STRATA_HD Value combine(Value a, Value b) const { return a + b; }
    STRATA_HD void finish(long block, Value total) const {
        double const count = static_cast<double>(data.samples) * P::terms, mean = *place(block);
        // The squares were taken around the rounded mean.
        double const off = mean - static_cast<double>(static_cast<typename Precision::compute>(mean));
        finish_pass<Op, P>(static_cast<int>(block), GatheredMoments{count, mean, total.sum[0] - count * off * off},
                           place(block), data.gradient, buffers, next_buffers);
    }

private:
    [[nodiscard]] STRATA_HD double* place(long element) const {
        return data.partial + batch_place<Op, P>() + element * left_by<P>();
    }
};

/// What takes the place of a pass over the batch in evaluation. A thread an element.
template <class Op, class P, class Master>
struct EvaluationBody {
    Master const* buffers;
    double* statistics;  ///< the pass's

    static constexpr long threads() { return P::Extents::size; }
    STRATA_DEVICE void operator()(long element) const {
        if constexpr (forward_passes<Op>::template contains<P>)
            if (element < 0)  // never: nvcc checks this call, and not the one in leave_evaluation
                static_cast<void>(Op::evaluation(P{}, 0, ParametersView<buffers_of<Op>, double, Master>{buffers}));
        leave_evaluation<Op, P>(static_cast<int>(element), buffers, statistics + element * left_by<P>());
    }
};
/// The same of all passes, in training those of layers that are Frozen alone.
template <class Net, bool Training, class Device, class Scalar>
void evaluation_numbers(Device& device, Scalar const* all_buffers, double* statistics) {
    for_evaluated_passes<Net, Training>(all_buffers, statistics,
                                        [&]<class Op, class P>(Scalar const* buffers, double* to) {
                                            device.launch(EvaluationBody<Op, P, Scalar>{buffers, to});
                                        });
}

}  // namespace strata::inline STRATA_ABI::detail
