// A tile as [groups][length][positions times samples], for what sums over the middle axis: normalisations of a sample,
// softmax.
//
// A vector of a row's numbers goes down the middle axis, all its numbers on their own (MiddleColumn). Where a row is
// shorter than a vector, a group's numbers are taken as they lie in memory, several of the middle axis in a vector, and
// the vector's parts of each sample are added at the end (MiddleRun); with KernelData::invariant columns are taken
// there, too, whose order of additions is that of every tile. All sums are of blocks, each in four chains.
//
// The copies for whole and for partial vectors have to give the same bits, so whoever uses these says multiply_add
// wherever a product is added to something.
#pragma once

#include "../generic.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// How a tile is seen. Numbers `shared` in a row of the middle axis have one weight.
struct MiddleAxis {
    int groups, length, positions, shared;
};

/// Some numbers of a tile: `count` from `offset` on, and the weight of the first.
struct MiddlePlace {
    std::ptrdiff_t offset;
    int count, weight;
};

/// The loops of both kinds. Self has place(m, weight), step (of the middle axis in a vector), and whole(place).
template <class L, class Self>
struct MiddleLoops {
    /// Calls f(place) for all of the middle axis.
    template <class F>
    STRATA_INLINE void each(F const& f) const {
        runs([&](int begin, int end, int weight, int varies) {
            for (int m = begin; m < end; m += self().step()) f(self().place(m, end, weight + varies * (m - begin)));
        });
    }
    /// K sums over the middle axis: terms(place, sums) adds a place's.
    template <int K, class F>
    STRATA_INLINE void sum(L (&totals)[K], F const& terms) const {
        constexpr int chains = 4, block = 64 * chains;
        for (L& total : totals) total = L(0);
        runs([&](int begin, int end, int weight, int varies) {
            int const step = self().step();
            auto const place = [&](int m) { return self().place(m, end, weight + varies * (m - begin)); };
            for (int m = begin; m < end;) {
                L sums[chains][K];
                for (auto& chain : sums)
                    for (L& s : chain) s = L(0);
                int const stop = (std::min)(m + block * step, end);
                for (; m + chains * step <= stop; m += chains * step) {
                    STRATA_UNROLL
                    for (int c = 0; c < chains; ++c) terms(place(m + c * step), sums[c]);
                }
                for (; m < stop; m += step) self().add(place(m), terms, sums[0]);
                for (int k = 0; k < K; ++k)
                    totals[k] = totals[k] + ((sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k]));
            }
        });
        for (L& total : totals) total = self().folded(total, [](auto a, auto b) { return a + b; });
    }
    /// The largest of value(place).
    template <class F>
    STRATA_INLINE L largest(F const& value) const {
        L top(-std::numeric_limits<scalar_of<L>>::infinity());
        each([&](MiddlePlace const& at) { top = maximum(self().only(at, value(at), top), top); });
        return self().folded(top, [](auto a, auto b) { return maximum(a, b); });
    }

private:
    [[nodiscard]] STRATA_INLINE Self const& self() const { return static_cast<Self const&>(*this); }
    /// Calls f(begin, end, weight, varies) for runs of one weight, or for all where each number has its own.
    template <class F>
    STRATA_INLINE void runs(F const& f) const {
        MiddleAxis const& axis = self().axis;
        int const first = self().group * axis.length;
        if (axis.shared == 1) return f(0, axis.length, first, 1);
        int weight = first / axis.shared, left = axis.shared - first % axis.shared;
        for (int begin = 0; begin < axis.length; begin += left, left = axis.shared)
            f(begin, (std::min)(begin + left, axis.length), weight++, 0);
    }
};

/// `count` numbers of a row, a vector at most, down the middle axis.
template <class L, bool Whole>
struct MiddleColumn : MiddleLoops<L, MiddleColumn<L, Whole>> {
    MiddleAxis axis;
    int group, first, count, stride;

    MiddleColumn(MiddleAxis const& a, int g, int from, int numbers, int S)
        : axis(a), group(g), first(from), count(numbers), stride(S) {}

    [[nodiscard]] static constexpr int step() { return 1; }
    [[nodiscard]] STRATA_INLINE MiddlePlace place(int m, int, int weight) const {
        std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(axis.positions) * stride;
        return {(static_cast<std::ptrdiff_t>(group) * axis.length + m) * row + first, count, weight};
    }
    template <class T>
    [[nodiscard]] STRATA_INLINE L load(T const* from, MiddlePlace const& at) const {
        if constexpr (Whole)
            return load_lane<L>(from + at.offset);
        else
            return load_first<L>(from + at.offset, at.count);
    }
    template <class T>
    STRATA_INLINE void store(T* to, MiddlePlace const& at, L value) const {
        if constexpr (Whole)
            store_lane(to + at.offset, value);
        else
            store_first(to + at.offset, value, at.count);
    }
    template <class T>
    [[nodiscard]] STRATA_INLINE L parameter(T const* p, MiddlePlace const& at) const {
        return L(static_cast<scalar_of<L>>(p[at.weight]));
    }
    /// What a pass [groups][positions] left of these numbers.
    template <class T>
    [[nodiscard]] STRATA_INLINE L left(T const* pass) const {
        return load(pass, at_position());
    }
    template <class T>
    STRATA_INLINE void leave(T* pass, L value) const {
        if (pass) store(pass, at_position(), value);
    }

    template <class F, int K>
    STRATA_INLINE void add(MiddlePlace const& at, F const& terms, L (&sums)[K]) const {
        terms(at, sums);
    }
    STRATA_INLINE L only(MiddlePlace const&, L value, L) const { return value; }
    template <class F>
    STRATA_INLINE L folded(L value, F const&) const {
        return value;
    }

private:
    [[nodiscard]] STRATA_INLINE MiddlePlace at_position() const {
        return {static_cast<std::ptrdiff_t>(group) * axis.positions * stride + first, count, 0};
    }
};

/// A group of one position as its numbers lie in memory, tiles of fewer samples than a vector has places.
template <class L>
struct MiddleRun : MiddleLoops<L, MiddleRun<L>> {
    static constexpr int N = width_of<L>;
    using T = scalar_of<L>;
    MiddleAxis axis;
    int group, stride;

    MiddleRun(MiddleAxis const& a, int g, int S) : axis(a), group(g), stride(S) {}

    [[nodiscard]] STRATA_INLINE int step() const { return N / stride; }
    [[nodiscard]] STRATA_INLINE MiddlePlace place(int m, int end, int weight) const {
        return {(static_cast<std::ptrdiff_t>(group) * axis.length + m) * stride, (std::min)(N, (end - m) * stride),
                weight};
    }
    template <class S>
    [[nodiscard]] STRATA_INLINE L load(S const* from, MiddlePlace const& at) const {
        return load_first<L>(from + at.offset, at.count);
    }
    template <class S>
    STRATA_INLINE void store(S* to, MiddlePlace const& at, L value) const {
        store_first(to + at.offset, value, at.count);
    }
    template <class S>
    [[nodiscard]] STRATA_INLINE L parameter(S const* p, MiddlePlace const& at) const {
        if (axis.shared > 1) return L(static_cast<T>(p[at.weight]));
        T values[static_cast<std::size_t>(N)] = {};
        for (int k = 0; k < at.count; ++k) values[k] = static_cast<T>(p[at.weight + k / stride]);
        return load_lane<L>(static_cast<T const*>(values));
    }
    template <class S>
    [[nodiscard]] STRATA_INLINE L left(S const* pass) const {
        T values[static_cast<std::size_t>(N)];
        for (int k = 0; k < N; ++k) values[k] = static_cast<T>(pass[group * stride + k % stride]);
        return load_lane<L>(static_cast<T const*>(values));
    }
    template <class S>
    STRATA_INLINE void leave(S* pass, L value) const {
        if (pass) store_first(pass + group * stride, value, stride);
    }

    template <class F, int K>
    STRATA_INLINE void add(MiddlePlace const& at, F const& terms, L (&sums)[K]) const {
        if (at.count == N) return terms(at, sums);
        L part[K];
        for (L& p : part) p = L(0);
        terms(at, part);
        for (int k = 0; k < K; ++k) sums[k] = sums[k] + select(first_lanes<L>(at.count), part[k], L(0));
    }
    STRATA_INLINE L only(MiddlePlace const& at, L value, L otherwise) const {
        return at.count == N ? value : select(first_lanes<L>(at.count), value, otherwise);
    }
    /// A vector's parts of each sample as one, in all of its places.
    template <class F>
    STRATA_INLINE L folded(L value, F const& f) const {
        T values[static_cast<std::size_t>(N)];
        store_lane(static_cast<T*>(values), value);
        for (int width = N / 2; width >= stride; width /= 2)
            for (int k = 0; k < width; ++k) values[k] = f(values[k], values[k + width]);
        for (int k = stride; k < N; ++k) values[k] = values[k - stride];
        return load_lane<L>(static_cast<T const*>(values));
    }
};

/// Calls f with a MiddleColumn or MiddleRun for items [begin, end) of a tile of S samples: an item is a position of a
/// group.
template <class T, class F>
STRATA_INLINE void for_middle(MiddleAxis const& axis, int S, bool invariant, int begin, int end, F const& f) {
    using L = widest_lane<T>;
    constexpr int N = width_of<L>;
    for (int item = begin; item < end;) {
        int const group = item / axis.positions, from = item % axis.positions;
        int const to = (std::min)(axis.positions, from + end - item);
        item += to - from;
        if (axis.positions == 1 && S < N && !invariant) {
            f(MiddleRun<L>(axis, group, S));
            continue;
        }
        int at = from * S;
        for (; at + N <= to * S; at += N) f(MiddleColumn<L, true>(axis, group, at, N, S));
        if (at < to * S) f(MiddleColumn<L, false>(axis, group, at, to * S - at, S));
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
