// Windows over one channel's plane or a few, as pooling and depthwise convolution of small tiles have them.
//
// A band of rows is packed with what stands for the padding around it, and rows and columns of equal remainder by the
// stride side by side. Then a tap is one shift for all outputs of the band, whose rows follow each other: one run of
// vectors for every tile size, with a few idle columns between the rows, which are computed and dropped. Each output's
// taps are taken in order, wherever it stands.
#pragma once

#include "carver.hpp"
#include "convolution_geometry.hpp"
#include "register_block.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Tiles of whole vectors need no packing and take another kernel.
template <class T>
constexpr bool packs_windows(int S) {
    return S % width_of<widest_lane<T>> != 0;
}

/// Copies `count` numbers; shorter than a call for the rows of small tiles.
template <class L, class T>
STRATA_INLINE void copy_numbers(T const* from, int count, T* to) {
    constexpr int N = width_of<L>;
    int k = 0;
    for (; k + N <= count; k += N) store_lane(to + k, load_lane<L>(from + k));
    if (k < count && count >= N) return store_lane(to + count - N, load_lane<L>(from + count - N));
    STRATA_ROLLED
    for (; k < count; ++k) to[k] = from[k];
}

/// How bands of a plane are packed; `planes` of them, one after another.
template <class T>
struct WindowLayout {
    static constexpr int N = width_of<widest_lane<T>>, slack = 4 * N;
    int rows, phase_rows, pitch, plane, output, planes;
    constexpr WindowLayout(Correlation const& g, int S, int count)
        : rows(1), phase_rows(0), pitch(g.phase_columns() * S), plane(0), output(0), planes(count) {
        int const row = pitch * g.stride_height * g.stride_width * planes * static_cast<int>(sizeof(T));
        rows = std::clamp(32768 / (std::max)(row, 1), 1, (std::max)(g.out_height, 1));
        phase_rows = rows + (g.taps_height - 1) * g.dilation_height / g.stride_height;
        plane = phase_rows * pitch * g.stride_height * g.stride_width + slack;
        output = rows * pitch + slack;
    }
};

/// Packed bands of planes, one plane's after another's.
template <class T>
struct PackedPlanes {
    using L = widest_lane<T>;
    Correlation const& g;
    WindowLayout<T> layout;
    int S;
    T* packed;
    int held = -1, above = 0, below = 0;  ///< of the last band: where its padding is

    constexpr PackedPlanes(Carver& memory, Correlation const& geometry, int samples, int planes)
        : g(geometry), layout(g, samples, planes), S(samples), packed(memory.take<T>(planes * layout.plane)) {}

    /// Where what kernel row p and column q see begins, from one row of outputs to the next `layout.pitch` further.
    [[nodiscard]] std::ptrdiff_t kernel_row(int p) const {
        int const row = p * g.dilation_height;
        return static_cast<std::ptrdiff_t>(row % g.stride_height * g.stride_width * layout.phase_rows +
                                           row / g.stride_height) *
               layout.pitch;
    }
    [[nodiscard]] std::ptrdiff_t kernel_column(int q) const {
        int const column = q * g.dilation_width;
        return static_cast<std::ptrdiff_t>(column % g.stride_width * layout.phase_rows) * layout.pitch +
               column / g.stride_width * S;
    }

    /// Packs what `count` rows of outputs from `first` on see of plane number `which`, the planes in their order; `padding`
    /// stands outside the image.
    STRATA_ONE_COPY void pack(T const* x, int which, int first, int count, T padding) {
        T* const to = packed + which * layout.plane;
        int const under = g.rows_under(count), top = g.in_row(first, 0);
        int const over = std::clamp(-top, 0, under), beneath = std::clamp(top + under - g.in_height, 0, under);
        if (which == 0 && (held != count || above != over || below != beneath)) {
            std::fill_n(packed, layout.planes * layout.plane, padding);
            held = count;
            above = over;
            below = beneath;
        }
        std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S;
        for (int phase = 0; phase < g.stride_height * g.stride_width; ++phase) {
            PackedRun const run(g, phase % g.stride_width);
            int const columns = run.end - run.begin, row_phase = phase / g.stride_width,
                      row = (over - row_phase + g.stride_height - 1) / g.stride_height,  // in the phase
                r = row * g.stride_height + row_phase, last = under - beneath;
            if (r >= last) continue;
            RowSteps const steps{(last - r + g.stride_height - 1) / g.stride_height, g.stride_height * in_row,
                                 layout.pitch};
            T const* const from = x + (top + r) * in_row + run.column * S;
            T* const begin =
                to + static_cast<std::ptrdiff_t>(phase * layout.phase_rows + row) * layout.pitch + run.begin * S;
            if (g.stride_width == 1)
                for (int k = 0; k < steps.rows; ++k)
                    copy_numbers<L>(from + k * steps.from, columns * S, begin + k * steps.to);
            else
                move_columns<false>(from, g.stride_width * S, begin, S, columns, S, steps);
        }
    }
};

/// A tap of a window: where it lies in a packed band, its number in the window and its weight.
template <class T>
struct WindowTap {
    std::ptrdiff_t offset;
    T number, weight;
};

/// What a window does with its taps. `second` is the plane packed behind the first one.
struct WindowSum {
    static constexpr int planes = 1, results = 1;
    static constexpr bool numbers = false;
    template <class L, class T>
    static STRATA_INLINE void take(T const* x, T const*, L, L weight, L& sum, L&) {
        sum = multiply_add(weight, load_lane<L>(x), sum);
    }
};
/// The largest number and its tap; NaN wins.
struct WindowMaximum {
    static constexpr int planes = 1, results = 2;
    static constexpr bool numbers = true;
    template <class L, class T>
    static STRATA_INLINE void take(T const* x, T const*, L number, L, L& best, L& place) {
        L const value = load_lane<L>(x);
        auto const wins = (value > best) | is_nan(value);
        best = select(wins, value, best);
        place = select(wins, number, place);
    }
};
/// The sum of the numbers whose place is the tap: the gradient of a maximum.
struct WindowRouted {
    static constexpr int planes = 2, results = 1;
    static constexpr bool numbers = true;
    template <class L, class T>
    static STRATA_INLINE void take(T const* dy, T const* argmax, L number, L, L& sum, L&) {
        sum = sum + select(load_lane<L>(argmax) == number, load_lane<L>(dy), L(T(0)));
    }
};

/// The scratch memory of a band: packed planes, taps, rows of outputs.
template <class Kind, class T>
struct WindowParts : PackedPlanes<T> {
    int tap_count;
    WindowTap<T>* taps;
    T* results;
    constexpr WindowParts(Carver& memory, Correlation const& geometry, int samples)
        : PackedPlanes<T>(memory, geometry, samples, (std::max)(Kind::planes, geometry.in_channels)),
          tap_count(geometry.in_channels * geometry.taps_height * geometry.taps_width),
          taps(memory.take<WindowTap<T>>(tap_count)),
          results(memory.take<T>(Kind::results * this->layout.output)) {}
};
template <class Kind, class T>
constexpr int window_scratch(Correlation const& g, int S) {
    return packs_windows<T>(S) ? carved_numbers<T, WindowParts<Kind, T>>(g, S) : 0;
}

/// `groups` groups of V vectors of a band's outputs, from number `at` on.
template <class Kind, int V, class L, class T>
STRATA_ONE_COPY void window_vectors(T const* packed, std::ptrdiff_t second, WindowTap<T> const* taps, int tap_count,
                                    T start, T* results, std::ptrdiff_t second_result, int at, int groups) {
    constexpr int N = width_of<L>;
    for (; groups > 0; --groups, at += V * N) {
        L first[V], other[V];
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) first[v] = L(start), other[v] = L(T(-1));
        for (int k = 0; k < tap_count; ++k) {
            T const* const from = packed + taps[k].offset + at;
            L number(taps[k].number), weight(taps[k].weight);
            if constexpr (Kind::numbers) hold_in_register(number);
            STRATA_UNROLL
            for (int v = 0; v < V; ++v)
                Kind::template take<L>(from + v * N, from + second + v * N, number, weight, first[v], other[v]);
        }
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) {
            store_lane(results + at + v * N, first[v]);
            if constexpr (Kind::results > 1) store_lane(results + second_result + at + v * N, other[v]);
        }
    }
}

/// A band of planes and a window over it.
template <class Kind, class T>
struct WindowBand : WindowParts<Kind, T> {
    using Parts = WindowParts<Kind, T>;
    using Parts::g, Parts::layout, Parts::S, Parts::packed, Parts::taps, Parts::tap_count, Parts::results;
    using L = widest_lane<T>;

    /// `taps` get weight and number by `describe(p, q)`.
    template <class F>
    WindowBand(Carver memory, Correlation const& geometry, int samples, F const& describe)
        : Parts(memory, geometry, samples) {
        for (int c = 0, k = 0; c < g.in_channels; ++c)
            for (int p = 0; p < g.taps_height; ++p)
                for (int q = 0; q < g.taps_width; ++q, ++k) {
                    auto const [number, weight] = describe(p, q);
                    taps[k] = {c * layout.plane + this->kernel_row(p) + this->kernel_column(q), number, weight};
                }
    }

    /// Other weights for the taps, as g lays them out.
    void weigh(T const* weights) {
        weights += g.first_weight;
        for (int c = 0, k = 0; c < g.in_channels; ++c)
            for (int p = 0; p < g.taps_height; ++p)
                for (int q = 0; q < g.taps_width; ++q, ++k)
                    taps[k].weight = weights[c * g.in_weights + p * g.row_weights + q * g.tap_weights];
    }

    /// The results of `count` rows, `layout.pitch` numbers a row.
    void compute(int count, T start) {
        constexpr int N = width_of<L>, V = 4;
        int const vectors = ((count - 1) * layout.pitch + g.out_width * S + N - 1) / N, groups = vectors / V;
        window_vectors<Kind, V, L>(packed, layout.plane, taps, tap_count, start, results, layout.output, 0, groups);
        window_vectors<Kind, 1, L>(packed, layout.plane, taps, tap_count, start, results, layout.output, groups * V * N,
                                   vectors - groups * V);
    }
};

/// Calls f(channel, begin, end) for the rows that items [from, to) are: items are (channel, row).
template <class F>
void for_channel_rows(int from, int to, int height, F const& f) {
    while (from < to) {
        int const channel = from / height, row = from % height, end = (std::min)(row + to - from, height);
        f(channel, row, end);
        from = channel * height + end;
    }
}

/// A layer's input gradient, phase by phase of the stride: rows [begin, end) of dx of one plane. `describe(p, q)` gives
/// number and weight of the window's tap (p, q); `prepare(band, first, count)` packs what stands under rows of outputs.
template <class Kind, class T, class D, class P>
void window_input_gradient(Correlation const& f, T* dx, int S, Carver memory, bool add, int items_begin, int items_end,
                           D const& describe, P const& prepare) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.in_width) * S;
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto const phase = backward_phase(f, phase_row, phase_column);
            Correlation const& g = phase.correlation;
            if (g.out_width <= 0) continue;
            bool const reached = g.taps_height > 0 && g.taps_width > 0;
            auto const each = [&](auto const& rows_of) {
                for_channel_rows(items_begin, items_end, f.in_height, [&](int channel, int begin, int end) {
                    rows_of(channel, phase.rows_before(begin), phase.rows_before(end),
                            dx + channel * f.in_height * row + phase.row0 * row + phase.column0 * S);
                });
            };
            if (!reached) {  // no window sees these pixels
                each([&](int, int from, int to, T* y) {
                    if (!add) phase.fill(y, from, to, f.stride_height * row, f.stride_width * S, S, T(0));
                });
                continue;
            }
            // The taps of a phase are every s-th one of the window, from the last to the first: describe is for pools,
            // which have no dilation.
            WindowBand<Kind, T> band(memory, g, S, [&](int p, int q) {
                return describe(phase_row + f.stride_height * (g.taps_height - 1 - p),
                                phase_column + f.stride_width * (g.taps_width - 1 - q));
            });
            each([&](int channel, int from, int to, T* y) {
                for (int i = from, count = 0; i < to; i += count) {
                    count = (std::min)(band.layout.rows, to - i);
                    prepare(band, channel, i, count);
                    band.compute(count, T(0));
                    (add ? move_columns<true, T>
                         : move_columns<false, T>)(band.results, S, y + i * f.stride_height * row, f.stride_width * S,
                                                   g.out_width, S, {count, band.layout.pitch, f.stride_height * row});
                }
            });
        }
}
template <class Kind, class T>
constexpr int window_gradient_scratch(Correlation const& f, int S) {
    return most_of_phases(f, [&](Correlation const& g) {
        return g.taps_height > 0 && g.taps_width > 0 && g.out_width > 0 ? window_scratch<Kind, T>(g, S) : 0;
    });
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
