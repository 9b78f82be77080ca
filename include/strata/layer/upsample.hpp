// Upsample: larger images, as torch.nn.Upsample with a whole scale_factor and mode "nearest" or "bilinear".
//
//   y(c, i, j) = sum_{h, w} A(i, h) B(j, w) x(c, h, w),   dx(c, h, w) = sum_{i, j} A(i, h) B(j, w) dy(c, i, j)
//
// A and B have one or two numbers a row. Nearest: row i is input row i / s. Bilinear: it lies at (i + 1/2) / s - 1/2, or
// with AlignCorners at i (H - 1) / (s H - 1), between two input rows, which weigh by their nearness; in front of the first
// row and behind the last one lies the border. Shapes: x [C][H][W], y [C][s H][s W]. Keeps nothing.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// The two inputs that an output lies between (one, twice, where it lies on it), and the second one's weight.
struct Between {
    int low, high;
    double weight;
};

/// One axis of an upsampled image.
template <int In, int Scale, bool Interpolates, bool Aligns>
struct UpsampledAxis {
    static constexpr int in = In, scale = Scale, out = In * Scale;
    static constexpr bool interpolates = Interpolates && Scale > 1;
    /// Between inputs that are the same for all outputs of one phase j % Scale, but for their distance j / Scale.
    static constexpr bool periodic = !interpolates || !Aligns;

    /// Before borders: `low` may be -1 and `high` In.
    static constexpr Between unbounded(int j) {
        if (!interpolates) return {j / Scale, j / Scale, 0.0};
        int const numerator = Aligns ? j * (In - 1) : 2 * j + 1 - Scale, denominator = Aligns ? out - 1 : 2 * Scale;
        int const low = numerator < 0 ? -1 : numerator / denominator;
        return {low, low + 1, static_cast<double>(numerator - low * denominator) / denominator};
    }
    static constexpr Between of(int j) {
        Between const free = unbounded(j);
        return {free.low < 0 ? 0 : free.low, free.high < In ? free.high : In - 1, free.weight};
    }
    /// Outputs [first, last) of those that read input k; all in between do.
    static constexpr int first(int k) {
        if (!interpolates) return k * Scale;
        int j = Aligns ? (k - 1) * (out - 1) / (In > 1 ? In - 1 : 1) : (k - 1) * Scale;
        if (j < 0 || k == 0) j = 0;
        while (of(j).high < k) ++j;
        return j;
    }
    static constexpr int last(int k) {
        if (!interpolates) return (k + 1) * Scale;
        int j = first(k);
        while (j < out && of(j).low <= k) ++j;
        return j;
    }
    /// What input k counts in output j, which reads it.
    static constexpr double share(int j, int k) {
        Between const at = of(j);
        return (at.low == k ? 1 - at.weight : 0) + (at.high == k ? at.weight : 0);
    }
};

/// Upsample bound to its input.
template <int C, class RowAxis, class ColumnAxis>
struct Upsampling {
    using Rows = RowAxis;
    using Columns = ColumnAxis;
    using Input = Shape<C, RowAxis::in, ColumnAxis::in>;
    using Output = Shape<C, RowAxis::out, ColumnAxis::out>;
    using Parameters = NoParameters;
    static constexpr bool interpolates = RowAxis::interpolates || ColumnAxis::interpolates;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = !interpolates;
    static constexpr double flops = interpolates ? 3.0 * Output::size : 0.0;
    static constexpr std::string_view type = "Upsample";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        auto const row = RowAxis::of(at[1]), column = ColumnAxis::of(at[2]);
        if constexpr (!interpolates) return io.x(at[0], row.low, column.low);
        auto const across = [&](int h) {
            return multiply_add(L(static_cast<T>(column.weight)), io.x(at[0], h, column.high),
                                L(static_cast<T>(1 - column.weight)) * io.x(at[0], h, column.low));
        };
        return multiply_add(L(static_cast<T>(row.weight)), across(row.high),
                            L(static_cast<T>(1 - row.weight)) * across(row.low));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        int const from = ColumnAxis::first(at[2]), to = ColumnAxis::last(at[2]);
        L sum(0);
        for (int i = RowAxis::first(at[1]), end = RowAxis::last(at[1]); i < end; ++i)
            for (int j = from; j < to; ++j)
                sum = multiply_add(L(static_cast<T>(RowAxis::share(i, at[1]) * ColumnAxis::share(j, at[2]))),
                                   io.dy(at[0], i, j), sum);
        return sum;
    }
};

/// `Upsample<scale, options…>`, scale a number or `Size{rows, columns}`; options: Nearest or Bilinear, AlignCorners.
template <Size Scale, class... Options>
struct Upsample {
    static constexpr bool bilinear = option_or<Nearest, Options...>::value,
                          corners = option_or<FreeCorners, Options...>::value;

    template <class X>
    using On = Upsampling<X::template extent<0>, UpsampledAxis<X::template extent<1>, Scale.height, bilinear, corners>,
                          UpsampledAxis<X::template extent<2>, Scale.width, bilinear, corners>>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<InterpolationKind, CornersKind>::template accept<Options...>;
        static constexpr bool image = Got::type::rank == 3;
        static constexpr bool positive = Scale.height > 0 && Scale.width > 0;
        static constexpr bool between = bilinear || !corners;
        static constexpr bool ok = options && image && positive && between;
        struct Message {
            static_assert(options,
                          "Upsample: an option is unknown or given twice; it takes Nearest or Bilinear, AlignCorners");
            static_assert(image, "Upsample needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(positive, "Upsample: the scale must be positive");
            static_assert(between, "Upsample: AlignCorners needs Bilinear, as in PyTorch");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
