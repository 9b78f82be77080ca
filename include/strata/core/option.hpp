// Unordered layer options: `Conv2d<64, 3, Stride<2>, Padding<1>, NoBias>`.
#pragma once

#include <tuple>
#include <type_traits>

#include "initialization.hpp"

namespace strata::inline STRATA_ABI {

/// Height and width where both may differ: `Conv2d<8, Size{3, 5}>`; a plain number means a square.
struct Size {
    int height, width;
    constexpr Size(int side) : height(side), width(side) {}  // NOLINT: a number stands for a square
    constexpr Size(int rows, int columns) : height(rows), width(columns) {}
};

// An option is a type with a nested `kind`; a layer takes each kind at most once, in any order.
struct StrideKind {};
struct PaddingKind {};
struct PaddingIndexKind {};
struct OutputPaddingKind {};
struct DilationKind {};
struct GroupsKind {};
struct BiasKind {};
struct InitializationKind {};
struct MomentumKind {};
struct EpsilonKind {};
struct AffineKind {};
struct CountPaddingKind {};
struct SharingKind {};
struct InterpolationKind {};
struct CornersKind {};

/// An option that says one of two things.
template <class Kind, bool Value>
struct Choice {
    using kind = Kind;
    static constexpr bool value = Value;
};

template <int Height, int Width = Height>
struct Stride {
    using kind = StrideKind;
    static constexpr Size size{Height, Width};
    static_assert(Height > 0 && Width > 0, "Stride must be positive");
};
template <int Height, int Width = Height>
struct Padding {
    using kind = PaddingKind;
    static constexpr Size size{Height, Width};
    static_assert(Height >= 0 && Width >= 0, "Padding must not be negative");
};
/// PyTorch's padding="same": the output is as large as the input; the odd one of an even kernel goes right and below.
struct SamePadding {
    using kind = PaddingKind;
    static constexpr Size size{-1};
};
/// Rows and columns that ConvTranspose2d adds below and on the right.
template <int Height, int Width = Height>
struct OutputPadding {
    using kind = OutputPaddingKind;
    static constexpr Size size{Height, Width};
    static_assert(Height >= 0 && Width >= 0, "OutputPadding must not be negative");
};
template <int Height, int Width = Height>
struct Dilation {
    using kind = DilationKind;
    static constexpr Size size{Height, Width};
    static_assert(Height > 0 && Width > 0, "Dilation must be positive");
};
template <int Count>
struct Groups {
    using kind = GroupsKind;
    static constexpr int value = Count;
    static_assert(Count > 0, "Groups must be positive");
};
struct WithBias : Choice<BiasKind, true> {};
struct NoBias : Choice<BiasKind, false> {};
/// How the weight starts, e.g. `Initialize<KaimingNormal>`.
template <class Scheme>
struct Initialize {
    using kind = InitializationKind;
    using type = Scheme;
};
/// BatchNorm's weight of the newest batch in the running statistics, PyTorch's `momentum`.
template <Real Value>
struct Momentum {
    using kind = MomentumKind;
    static constexpr double value = Value.value;
};
template <Real Value>
struct Epsilon {
    using kind = EpsilonKind;
    static constexpr double value = Value.value;
    static_assert(Value.value >= 0, "Epsilon must not be negative");
};
struct Affine : Choice<AffineKind, true> {};
struct NoAffine : Choice<AffineKind, false> {};
/// PReLU learns one weight for all (PyTorch's default) or, with PerChannel, one for each channel.
struct OneForAll : Choice<SharingKind, false> {};
struct PerChannel : Choice<SharingKind, true> {};
/// How Upsample fills in: the nearest pixel (PyTorch's default) or between the four around a place.
struct Nearest : Choice<InterpolationKind, false> {};
struct Bilinear : Choice<InterpolationKind, true> {};
/// PyTorch's align_corners of bilinear interpolation, false unless it is given: the corners' pixels keep their places.
struct FreeCorners : Choice<CornersKind, false> {};
struct AlignCorners : Choice<CornersKind, true> {};
/// AvgPool2d divides by the window's size (PyTorch's default) or, with this, by the pixels inside the image.
struct ExcludePadding : Choice<CountPaddingKind, false> {};
struct CountPadding : Choice<CountPaddingKind, true> {};

namespace detail {
/// The kind of an option; a type that is no option at all is its own.
template <class Option>
struct KindOf {
    using type = Option;
};
template <class Option>
requires requires { typename Option::kind; }
struct KindOf<Option> {
    using type = typename Option::kind;
};
template <class Option>
using kind_of = typename KindOf<Option>::type;

template <class Kind, class Default, class... Options>
consteval auto find_option() {
    using Candidates = std::tuple<Default, Options...>;
    constexpr std::size_t index = [] {
        std::size_t found = 0, i = 0;
        ((++i, found = std::is_same_v<kind_of<Options>, Kind> ? i : found), ...);
        return found;
    }();
    return std::type_identity<std::tuple_element_t<index, Candidates>>{};
}
}  // namespace detail

/// The option of a kind, or the default where none is given.
template <class Default, class... Options>
using option_or = typename decltype(detail::find_option<typename Default::kind, Default, Options...>())::type;

/// True when every option is of one of the kinds, and none of them twice.
template <class... Kinds>
struct OptionKinds {
    template <class Kind, class... Options>
    static constexpr int times = (0 + ... + (std::is_same_v<detail::kind_of<Options>, Kind> ? 1 : 0));
    template <class Kind>
    static constexpr bool known = (std::is_same_v<Kind, Kinds> || ...);
    template <class... Options>
    static constexpr bool accept = ((times<Kinds, Options...> <= 1) && ...) && (known<detail::kind_of<Options>> && ...);
};

}  // namespace strata::inline STRATA_ABI
