// Samples of a network with Inputs, from an array an input.
#pragma once

#include <vector>

#include "../core/array_access.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "heads.hpp"
#include "network.hpp"

namespace strata::inline STRATA_ABI {

/// An array for the input of that name: `named<"image">(images)`.
template <FixedString Name, class Array>
struct NamedArray {
    using IsNamedArray = void;
    static constexpr std::string_view name = Name.view();
    using Access = detail::access_of<Array>;
    Array const& array;
};
template <FixedString Name, class Array>
[[nodiscard]] NamedArray<Name, Array> named(Array const& array) {
    static_assert(
        detail::ArrayOf<Array, std::uint8_t, float, double, std::int32_t, std::uint16_t>,
        "named<name>(array): an array (vector, span, matrix whose rows are samples) of float, double or uint8, "
        "of ids int32, uint16 or uint8");
    return {array};
}

namespace detail {
template <class Net>
using input_parts = typename EntryOf<typename Net::InputType>::type;

/// Writes an input's numbers, `size` a sample, to their places in rows of `row` numbers.
template <class T, class A>
STRATA_COLD void place_input(std::string_view name, A const& array, std::size_t size, bool ids, T* to, std::size_t row,
                             std::size_t samples) {
    ArrayElements<typename access_of<A>::Element> const from(array);
    check_columns(from.columns, size, "input_values");
    if (from.size != samples * size)
        fail("input_values: got ", from.size, " values for input ", name, ", expected ", samples * size, ", ", size,
             " for each of ", samples, " samples");
    using Element = typename access_of<A>::Element;
    if (ids && std::is_floating_point_v<Element>)
        fail("input_values: input ", name, " takes ids, integers of type int32, uint16 or uint8");
    bool const bytes = !ids && std::is_same_v<Element, std::uint8_t> && std::is_floating_point_v<T>;
    for (std::size_t i = 0; i < samples; ++i)
        for (std::size_t k = 0; k < size; ++k) {
            auto const value = static_cast<T>(from.data[i * size + k]);
            to[i * row + k] = bytes ? static_cast<T>(value / T(255)) : value;
        }
}
// Found by its member, as Named is: nvcc deduces no names.
template <class T>
inline constexpr bool is_named_array = requires { typename T::IsNamedArray; };

/// Bytes where all are, int32 where all are integers and not `Beside`, ids beside numbers; doubles where some are, or some
/// are int32, which floats do not know apart.
template <bool Beside, class... Elements>
using joined_element = std::conditional_t<
    (std::is_same_v<Elements, std::uint8_t> && ...), std::uint8_t,
    std::conditional_t<
        (std::is_integral_v<Elements> && ...), std::conditional_t<Beside, double, std::int32_t>,
        std::conditional_t<((std::is_same_v<Elements, double> || std::is_same_v<Elements, std::int32_t>) || ...),
                           double, float>>>;
/// Whether some of a network's inputs are ids and others numbers.
template <class Net>
constexpr bool has_ids_beside_numbers() {
    int ids = 0;
    for (IdPart const& part : Net::id_parts) ids += part.count;
    return ids > 0 && ids < Net::InputShape::size;
}
template <bool HaveNames, class Net, class... Given>
struct JoinedElement {
    using type = float;
};
template <class Net, class... Given>
struct JoinedElement<true, Net, Given...> {
    using type = joined_element<has_ids_beside_numbers<Net>(), typename Given::Access::Element...>;
};
}  // namespace detail

/// Samples of a network with Inputs: `input_values<Net>(named<"image">(images), named<"meta">(numbers))`, in any order. They
/// go where the samples of any network go: model(values, workspace), trainer.train_step(values, labels),
/// from_memory(values, {Net::InputShape::size}, labels). Bytes beside floats are divided by 255, as bytes alone are later.
/// Ids are given as integers, and beside numbers they are doubles, which know all of them apart, until they reach a tile.
/// Throws Error unless all have as many samples.
template <class Net, class... Given>
[[nodiscard]] auto input_values(Given const&... given) {
    constexpr bool several = requires { typename detail::input_parts<Net>::AreInputParts; };
    static_assert(several, "input_values: the network does not begin with Inputs");
    constexpr bool have_names = (detail::is_named_array<Given> && ...);
    static_assert(have_names, "input_values: say which input each array is for: named<\"image\">(array)");
    using T = typename detail::JoinedElement<have_names, Net, Given...>::type;
    std::vector<T> values;
    if constexpr (several && have_names) {
        using Parts = detail::input_parts<Net>;
        constexpr bool all = [] {
            int found[] = {Parts::find(Given::name)...};
            bool each = sizeof...(Given) == static_cast<std::size_t>(Parts::count);
            for (std::size_t i = 0; i < sizeof...(Given); ++i) {
                each = each && found[i] >= 0;
                for (std::size_t k = 0; k < i; ++k) each = each && found[k] != found[i];
            }
            return each;
        }();
        static_assert(all, "input_values: give each of the network's inputs once, by its name");
        if constexpr (all) {
            constexpr auto row = static_cast<std::size_t>(Net::InputShape::size);
            constexpr std::size_t sizes[] = {
                static_cast<std::size_t>(Parts::template ShapeOf<Parts::find(Given::name)>::size)...};
            std::size_t const counts[] = {Given::Access::size(given.array)...};
            std::size_t const samples = counts[0] / sizes[0];
            values.resize(samples * row);
            std::size_t input = 0;
            (detail::place_input(Given::name, given.array, sizes[input++],
                                 detail::are_ids<typename Parts::template ShapeOf<Parts::find(Given::name)>>,
                                 values.data() + Parts::offset(Parts::find(Given::name)), row, samples),
             ...);
        }
    }
    return values;
}

/// One input's part of numbers [N][inputs], such as input_gradients:
/// `input_part<"image", Net>(trainer.input_gradients())[0]` is that of sample 0.
template <FixedString Name, class Net, class Numbers>
[[nodiscard]] auto input_part(Numbers&& numbers) {
    using Parts = detail::input_parts<Net>;
    constexpr bool several = requires { typename Parts::AreInputParts; };
    static_assert(several, "input_part: the network does not begin with Inputs");
    static_assert(
        std::is_lvalue_reference_v<Numbers> || std::ranges::enable_borrowed_range<std::remove_cvref_t<Numbers>>,
        "input_part: the numbers are a temporary that will be gone: keep them in a variable first");
    constexpr int k = Parts::find(Name.view());
    static_assert(k >= 0, "input_part: the network has no input of this name");
    using T = std::remove_reference_t<decltype(*std::data(numbers))>;
    constexpr auto row = static_cast<std::size_t>(Net::InputShape::size);
    if (std::size(numbers) % row != 0)
        fail("input_part: ", std::size(numbers), " numbers are not a whole number of samples of ", row);
    return HeadOutputs<T, Parts::template ShapeOf<k>::size>{std::data(numbers) + Parts::offset(k),
                                                            std::size(numbers) / row, row};
}

}  // namespace strata::inline STRATA_ABI
