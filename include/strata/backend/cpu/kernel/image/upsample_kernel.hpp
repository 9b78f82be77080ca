// Upsample on the CPU: two rows are blended, then two of the blend's columns, which stay in registers from one output
// column to the next. In tiles of fewer samples than a vector of four, the columns of one phase of the scale are a row of
// vectors, which is spread. Both ways add in one order. Tables of the axes are constants, so all layers share one copy of
// the code.
#pragma once

#include "../../../../core/for_lanes.hpp"
#include "../../../../layer/upsample.hpp"
#include "../generic.hpp"
#include "../micro/carver.hpp"
#include "../micro/strided_columns.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// An UpsampledAxis as numbers.
template <class T>
struct AxisTable {
    int in, out, scale;
    bool interpolates, periodic;
    int most_readers;       ///< outputs that read one input
    int const *low, *high;  ///< [out]
    T const* weight;        ///< [out], of high
    int const *first, *readers;
    T const* shares;        ///< [in][most_readers]
    int const* phase_low;   ///< [scale], of the outputs 0, 1, …: -1 or 0
    T const* phase_weight;  ///< [scale], of the input behind phase_low
};
template <class Axis, class T>
struct AxisTableOf {
    static constexpr int most_readers = [] {
        int most = 1;
        for (int k = 0; k < Axis::in; ++k) most = (std::max)(most, Axis::last(k) - Axis::first(k));
        return most;
    }();
    struct Numbers {
        int low[Axis::out]{}, high[Axis::out]{}, first[Axis::in]{}, readers[Axis::in]{}, phase_low[Axis::scale]{};
        T weight[Axis::out]{}, shares[Axis::in * most_readers]{}, phase_weight[Axis::scale]{};
    };
    static constexpr Numbers numbers = [] {
        Numbers n;
        for (int j = 0; j < Axis::out; ++j) {
            Between const at = Axis::of(j);
            n.low[j] = at.low;
            n.high[j] = at.high;
            n.weight[j] = static_cast<T>(at.weight);
        }
        for (int k = 0; k < Axis::in; ++k) {
            n.first[k] = Axis::first(k);
            n.readers[k] = Axis::last(k) - n.first[k];
            for (int r = 0; r < n.readers[k]; ++r)
                n.shares[k * most_readers + r] = static_cast<T>(Axis::share(n.first[k] + r, k));
        }
        for (int f = 0; f < Axis::scale; ++f) {
            Between const at = Axis::unbounded(f);
            n.phase_low[f] = at.low;
            n.phase_weight[f] = static_cast<T>(at.weight);
        }
        return n;
    }();
    static constexpr AxisTable<T> table = {Axis::in,          Axis::out,           Axis::scale,     Axis::interpolates,
                                           Axis::periodic,    most_readers,        numbers.low,     numbers.high,
                                           numbers.weight,    numbers.first,       numbers.readers, numbers.shares,
                                           numbers.phase_low, numbers.phase_weight};
};

/// (1 - weight) a + weight b.
template <class L>
STRATA_INLINE L blend(L a, L b, scalar_of<L> weight) {
    return multiply_add(L(weight), b, L(scalar_of<L>(1) - weight) * a);
}

/// Rows [begin, end) of (channel, row) of y.
template <class L, class T, class Storage>
STRATA_ONE_COPY void upsample(AxisTable<T> const& rows, AxisTable<T> const& columns, Storage const* x, Storage* y,
                              int S, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(columns.in) * S,
                         out_row = static_cast<std::ptrdiff_t>(columns.out) * S;
    bool const copies = !rows.interpolates && !columns.interpolates;
    for (int item = begin; item < end; ++item) {
        int const i = item % rows.out;
        Storage* const to = y + item * out_row;
        if (copies && item > begin && i % rows.scale > 0) {
            std::copy_n(to - out_row, out_row, to);
            continue;
        }
        Storage const* const image = x + static_cast<std::ptrdiff_t>(item / rows.out) * rows.in * row;
        Storage const *const low = image + rows.low[i] * row, *const high = image + rows.high[i] * row;
        T const weight = rows.weight[i];
        for (int s = 0; s < S; s += width_of<L>) {
            auto const column = [&](int k) {
                std::ptrdiff_t const at = static_cast<std::ptrdiff_t>(k) * S + s;
                L const value = load_lane<L>(low + at);
                return rows.interpolates ? blend(value, load_lane<L>(high + at), weight) : value;
            };
            int before = -1, behind = -1;
            L left(T(0)), right(T(0));
            for (int j = 0; j < columns.out; ++j) {
                if (columns.low[j] != before || columns.high[j] != behind) {
                    before = columns.low[j];
                    behind = columns.high[j];
                    left = column(before);
                    if (columns.interpolates) right = column(behind);
                }
                store_lane(to + static_cast<std::ptrdiff_t>(j) * S + s,
                           columns.interpolates ? blend(left, right, columns.weight[j]) : left);
            }
        }
    }
}

/// Rows [begin, end) of (channel, row) of dx, set or added.
template <class L, class T, class Storage>
STRATA_ONE_COPY void upsample_gradient(AxisTable<T> const& rows, AxisTable<T> const& columns, Storage const* dy,
                                       Storage* dx, int S, bool add, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(columns.in) * S,
                         out_row = static_cast<std::ptrdiff_t>(columns.out) * S;
    for (int item = begin; item < end; ++item) {
        int const h = item % rows.in, readers = rows.readers[h];
        Storage const* const from =
            dy + (static_cast<std::ptrdiff_t>(item / rows.in) * rows.out + rows.first[h]) * out_row;
        T const* const shares = rows.shares + h * rows.most_readers;
        for (int s = 0; s < S; s += width_of<L>) {
            Storage* const to = dx + item * row + s;
            auto const put = [&](int k, L value) {
                Storage* const at = to + static_cast<std::ptrdiff_t>(k) * S;
                store_lane(at, add ? load_lane<L>(at) + value : value);
            };
            int held = 0;
            L left(T(0)), right(T(0));
            for (int j = 0; j < columns.out; ++j) {
                Storage const* at = from + static_cast<std::ptrdiff_t>(j) * S + s;
                L sum(T(0));
                for (int r = 0; r < readers; ++r, at += out_row)
                    sum = multiply_add(L(shares[r]), load_lane<L>(at), sum);
                if (columns.low[j] != held) {
                    put(held, left);
                    left = right;
                    right = L(T(0));
                    held = columns.low[j];
                }
                if (columns.high[j] == held) {
                    left = left + sum;
                } else {
                    left = multiply_add(L(T(1) - columns.weight[j]), sum, left);
                    right = multiply_add(L(columns.weight[j]), sum, right);
                }
            }
            put(held, left);
            if (held + 1 < columns.in) put(held + 1, right);
        }
    }
}

/// The scratch memory of phases: rows of the input's width and, for the gradient, of the output's, with a column beside
/// either end, which whole vectors may run over.
template <class T>
struct PhaseRows {
    T *row, *phase, *above;
    constexpr PhaseRows(Carver& memory, int in, int out, int S)
        : row(memory.take<T>(numbers(in, S))),
          phase(memory.take<T>(numbers(in, S))),
          above(memory.take<T>(numbers(out, S))) {}

private:
    static constexpr int numbers(int columns, int S) {
        return columns == 0 ? 0 : (columns + 2) * S + width_of<widest_lane<T>>;
    }
};

/// The same as upsample, of periodic columns and less than four samples.
template <class L, class T>
STRATA_ONE_COPY void upsample_phases(AxisTable<T> const& rows, AxisTable<T> const& columns, T const* x, T* y, int S,
                                     Carver memory, int begin, int end) {
    constexpr int N = width_of<L>;
    int const row = columns.in * S, out_row = columns.out * S;
    PhaseRows<T> const parts(memory, columns.in, 0, S);
    T *const blended = parts.row + S, *const phase = parts.phase;
    for (int item = begin; item < end; ++item) {
        int const i = item % rows.out;
        T* const to = y + static_cast<std::ptrdiff_t>(item) * out_row;
        if (!rows.interpolates && item > begin && i % rows.scale > 0) {
            std::copy_n(to - out_row, out_row, to);
            continue;
        }
        T const* const image = x + static_cast<std::ptrdiff_t>(item / rows.out) * rows.in * row;
        T const *low = image + rows.low[i] * row, *const high = image + rows.high[i] * row;
        if (rows.interpolates || columns.interpolates) {
            T const weight = rows.weight[i];
            for_lanes<T>(0, row, [&]<class V>(std::ptrdiff_t k) {
                V const value = load_lane<V>(low + k);
                store_lane(blended + k, rows.interpolates ? blend(value, load_lane<V>(high + k), weight) : value);
            });
            std::copy_n(blended, S, blended - S);  // the borders
            std::copy_n(blended + row - S, S, blended + row);
            low = blended;
        }
        for (int f = 0; f < columns.scale; ++f) {
            T const* from = low;
            if (columns.interpolates) {
                T const *const left = blended + columns.phase_low[f] * S, *const right = left + S;
                for (int k = 0; k < row; k += N)
                    store_lane(phase + k,
                               blend(load_lane<L>(left + k), load_lane<L>(right + k), columns.phase_weight[f]));
                from = phase;
            }
            move_columns<false>(from, S, to + f * S, columns.scale * S, columns.in, S);
        }
    }
}

/// The same as upsample_gradient, of periodic columns and less than four samples.
template <class L, class T>
STRATA_ONE_COPY void upsample_phases_gradient(AxisTable<T> const& rows, AxisTable<T> const& columns, T const* dy, T* dx,
                                              int S, Carver memory, bool add, int begin, int end) {
    constexpr int N = width_of<L>;
    int const row = columns.in * S, out_row = columns.out * S;
    PhaseRows<T> const parts(memory, columns.in, columns.out, S);
    T *const sums = parts.row + S, *const phase = parts.phase, *const above = parts.above;
    std::fill_n(phase, row + N, T(0));  // what lies behind a phase counts nothing
    for (int item = begin; item < end; ++item) {
        int const h = item % rows.in;
        T const* const from = dy + (static_cast<std::ptrdiff_t>(item / rows.in) * rows.out + rows.first[h]) * out_row;
        T const* const shares = rows.shares + h * rows.most_readers;
        for_lanes<T>(0, out_row, [&]<class V>(std::ptrdiff_t k) {
            V sum(T(0));
            for (int r = 0; r < rows.readers[h]; ++r)
                sum = multiply_add(V(shares[r]), load_lane<V>(from + r * out_row + k), sum);
            store_lane(above + k, sum);
        });
        std::fill_n(sums - S, row + 2 * S, T(0));
        for (int f = 0; f < columns.scale; ++f) {
            move_columns<false>(above + f * S, columns.scale * S, phase, S, columns.in, S);
            std::fill_n(phase + row, N, T(0));
            T const weight = columns.phase_weight[f];
            T* const to = sums + columns.phase_low[f] * S;
            for (int side = 0; side < (columns.interpolates ? 2 : 1); ++side) {
                L const share(side == 0 ? T(1) - weight : weight);
                for (int k = 0; k < row; k += N) {
                    T* const at = to + side * S + k;
                    store_lane(at, multiply_add(share, load_lane<L>(phase + k), load_lane<L>(at)));
                }
            }
        }
        for (int s = 0; s < S && columns.interpolates; ++s) {  // the borders
            sums[s] += sums[s - S];
            sums[row - S + s] += sums[row + s];
        }
        T* const to = dx + static_cast<std::ptrdiff_t>(item) * row;
        for_lanes<T>(0, row, [&]<class V>(std::ptrdiff_t k) {
            V const sum = load_lane<V>(sums + k);
            store_lane(to + k, add ? load_lane<V>(to + k) + sum : sum);
        });
    }
}

template <class Op, class Precision>
struct UpsamplePass {
    using T = typename Precision::compute;
    static constexpr AxisTable<T> const& rows() { return AxisTableOf<typename Op::Rows, T>::table; }
    static constexpr AxisTable<T> const& columns() { return AxisTableOf<typename Op::Columns, T>::table; }
    static constexpr bool has_phases = UniformPrecision<Precision> && Op::Columns::periodic;
    static constexpr bool by_phases(int S) { return has_phases && S < 4; }
    static constexpr int scratch(int S, bool gradient) {
        return by_phases(S) ? carved_numbers<T, PhaseRows<T>>(Op::Columns::in, gradient ? Op::Columns::out : 0, S) : 0;
    }
};

}  // namespace detail

template <class Op, class Precision>
struct UpsampleForward;
template <int C, class RowAxis, class ColumnAxis, class Precision>
struct UpsampleForward<Upsampling<C, RowAxis, ColumnAxis>, Precision> {
    static constexpr KernelNote note{"axes", "rows and columns one after the other"};
    using Pass = detail::UpsamplePass<Upsampling<C, RowAxis, ColumnAxis>, Precision>;
    using T = typename Precision::compute;
    static constexpr Items items{C * RowAxis::out};
    static constexpr int scratch(int S) { return Pass::scratch(S, false); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if constexpr (Pass::has_phases)
            if (Pass::by_phases(a.stride))
                return detail::upsample_phases<widest_lane<T>>(Pass::rows(), Pass::columns(), a.x, a.y, a.stride,
                                                               a.scratch, begin, end);
        with_lane<T>(a.stride, [&]<class L>() {
            detail::upsample<L>(Pass::rows(), Pass::columns(), a.x, a.y, a.stride, begin, end);
        });
    }
};

template <class Op, class Precision>
struct UpsampleInputGradient;
template <int C, class RowAxis, class ColumnAxis, class Precision>
struct UpsampleInputGradient<Upsampling<C, RowAxis, ColumnAxis>, Precision> {
    static constexpr KernelNote note{"axes", "rows and columns one after the other"};
    using Pass = detail::UpsamplePass<Upsampling<C, RowAxis, ColumnAxis>, Precision>;
    using T = typename Precision::compute;
    static constexpr Items items{C * RowAxis::in};
    static constexpr int scratch(int S) { return Pass::scratch(S, true); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        bool const add = a.write == GradientWrite::add;
        if constexpr (Pass::has_phases)
            if (Pass::by_phases(a.stride))
                return detail::upsample_phases_gradient<widest_lane<T>>(Pass::rows(), Pass::columns(), a.dy, a.dx,
                                                                        a.stride, a.scratch, add, begin, end);
        with_lane<T>(a.stride, [&]<class L>() {
            detail::upsample_gradient<L>(Pass::rows(), Pass::columns(), a.dy, a.dx, a.stride, add, begin, end);
        });
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
