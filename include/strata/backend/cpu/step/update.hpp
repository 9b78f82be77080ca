// The end of a training step: the parameters move.
#pragma once

#include <algorithm>
#include <cstddef>

#include "../../../core/for_lanes.hpp"
#include "../../../core/thread.hpp"
#include "../../update_range.hpp"
#include "../threads/worker_pool.hpp"
#include "../threads/workers.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// The largest magnitude of the numbers it has seen, by their bits: NaN is more than infinity.
template <class T>
class LargestMagnitude {
public:
    template <class L>
    STRATA_INLINE void take(L value) {
        if constexpr (width_of<L> == 1) {
            auto const bits = static_cast<Integer>(magnitude_bits(value));
            rest_ = bits > rest_ ? bits : rest_;
        } else {
            auto const bits = absolute(value).bits();
            lanes_ = bits > lanes_ ? bits : lanes_;
        }
    }
    [[nodiscard]] T value() const {
        Integer largest = rest_;
        if constexpr (width_of<Widest> > 1)
            for (int k = 0; k < width_of<Widest>; ++k) largest = lanes_[k] > largest ? Integer(lanes_[k]) : largest;
        return std::bit_cast<T>(largest);
    }

private:
    using Widest = widest_lane<T>;
    using Integer = std::make_signed_t<BitsOf<T>>;  // without the sign of the number
    static auto lanes() {
        if constexpr (width_of<Widest> > 1)
            return Widest(T(0)).bits();
        else
            return 0;
    }
    decltype(lanes()) lanes_ = lanes();  // nvcc 13 does not know such constants
    Integer rest_ = 0;
};

/// Parameters are dealt out to workers in chunks.
inline constexpr std::ptrdiff_t parameter_chunk = 4096;
constexpr int parameter_chunks(std::ptrdiff_t count) {
    return static_cast<int>((count + parameter_chunk - 1) / parameter_chunk);
}

/// Updates parameters [from, to) of `count` with what an optimizer prepared for this step; its state is [States][count].
template <int States, class Apply, class Scalar, class Gradient>
STRATA_ONE_COPY void update_parameters(Apply const& apply, Scalar* parameters, Gradient const* gradient, Scalar* state,
                                       std::ptrdiff_t count, std::ptrdiff_t from, std::ptrdiff_t to) {
    for_lanes<Scalar>(from, to, [&]<class L>(std::ptrdiff_t at) {
        L value = load_lane<L>(parameters + at);
        if constexpr (States == 0) {
            apply(value, load_lane<L>(gradient + at));
        } else {
            L states[States];
            for (int k = 0; k < States; ++k) states[k] = load_lane<L>(state + k * count + at);
            apply(value, load_lane<L>(gradient + at), states);
            for (int k = 0; k < States; ++k) store_lane(state + k * count + at, states[k]);
        }
        store_lane(parameters + at, value);
    });
}

/// Takes in what an update would make of `count` numbers: the largest magnitude, or the first that may not be written,
/// whose place for number i is first + i step.
template <int States, class Scalar>
STRATA_COLD void measure_numbers(UpdateMeasure<States>& found, double& largest, Scalar const* old, Scalar const* fresh,
                                 std::ptrdiff_t count, std::int64_t first, int step) {
    LargestMagnitude<Scalar> magnitude;
    for_lanes<Scalar>(0, count, [&]<class L>(std::ptrdiff_t i) { magnitude.take(load_lane<L>(fresh + i)); });
    if (is_finite(magnitude.value()))
        largest = (std::max)(largest, static_cast<double>(magnitude.value()));
    else
        for (std::ptrdiff_t i = 0; i < count; ++i) found.look(old[i], fresh[i], largest, first + i * step);
}

/// What update_parameters would write, without writing it: it works on copies of a few numbers at a time.
template <int States, class Apply, class Scalar, class Gradient>
STRATA_COLD UpdateMeasure<States> measure_update(Apply const& apply, Scalar const* parameters, Gradient const* gradient,
                                                 Scalar const* state, std::ptrdiff_t count, std::ptrdiff_t from,
                                                 std::ptrdiff_t to) {
    constexpr std::ptrdiff_t block = 512;
    Scalar fresh[States + 1][block];
    auto found = UpdateMeasure<States>::nothing();
    for (; from < to; from += block) {
        std::ptrdiff_t const n = (std::min)(block, to - from);
        for (int k = 0; k <= States; ++k)
            std::copy_n(k == 0 ? parameters + from : state + (k - 1) * count + from, n, fresh[k]);
        update_parameters<States>(apply, fresh[0], gradient + from, fresh[0] + block, block, 0, n);
        for (int k = 0; k <= States; ++k)
            measure_numbers(found, k == 0 ? found.weight : found.state[k - 1],
                            k == 0 ? parameters + from : state + (k - 1) * count + from, fresh[k], n,
                            from * (States + 1) + k, States + 1);
    }
    return found;
}

/// Calls f(from, to) for the parts of [0, count) that each of a pool's workers takes.
template <class F>
void for_parts(WorkerPool& pool, int workers, std::ptrdiff_t count, F const& f) {
    int const chunks = parameter_chunks(count);
    pool.run((std::min)(workers, chunks), [&](int worker, int members) {
        Share const share{worker, members};
        f((std::min)(share.begin(chunks) * parameter_chunk, count),
          (std::min)(share.end(chunks) * parameter_chunk, count));
    });
}

/// The number that an update would not leave finite. Where there is none, the update has to follow: `range` knows it.
template <int States, class Apply, class Scalar, class Gradient>
STRATA_COLD UpdateFault update_fault(WorkerPool& pool, int workers, UpdateRange& range, Apply const& apply,
                                     Scalar* parameters, Gradient const* gradient, double largest_gradient,
                                     Scalar const* state, std::ptrdiff_t count) {
    if (!range.template holds<States>(apply, parameters, state, largest_gradient)) {
        auto all = UpdateMeasure<States>::nothing();
        Mutex merging;
        for_parts(pool, workers, count, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
            auto const found = measure_update<States>(apply, parameters, gradient, state, count, from, to);
            Lock const lock(merging);
            all.merge(found);
        });
        range.know<Apply>(all, parameters, state);
        if (auto const fault = all.place()) return fault;
    }
    return {};
}
/// An update of `count` parameters by the workers of a pool, or none where agree(fault), what this part's fault is or
/// another part's, says so.
template <int States, class Apply, class Scalar, class Gradient, class Agree>
UpdateFault update_part(WorkerPool& pool, int workers, UpdateRange& range, Apply const& apply, Scalar* parameters,
                        Gradient const* gradient, double largest_gradient, Scalar* state, std::ptrdiff_t count,
                        Agree const& agree) {
    UpdateFault const fault =
        agree(update_fault<States>(pool, workers, range, apply, parameters, gradient, largest_gradient, state, count));
    if (fault)
        range.forget();
    else
        for_parts(pool, workers, count, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
            update_parameters<States>(apply, parameters, gradient, state, count, from, to);
        });
    return fault;
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
