// Arrays that a user has in memory, as arguments: ArrayView (samples, targets) and Labels accept whatever ArrayAccess
// can read, so that the functions taking them need not be templates.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>

#include "../core/array_access.hpp"
#include "../core/owner.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

/// What view gives: numbers in memory of someone else's.
template <class Element>
struct ViewedArray {
    Element const* data = nullptr;
    std::size_t size = 0, columns = 0;
};
template <class T>
struct ArrayAccess<ViewedArray<T>> {
    using Element = T;
    static constexpr bool views = true, owns = false;
    static std::size_t size(ViewedArray<T> a) { return a.size; }
    static std::size_t columns(ViewedArray<T> a) { return a.columns; }
    static T const* data(ViewedArray<T> a) { return a.data; }
    static void copy(ViewedArray<T>, T*) {}
};

/// The numbers of an array where they are, without a copy: `from_memory(view(samples), …)`. The array must outlive
/// every dataset made from it and must not move them, as a std::vector that grows does. Throws Error where the rows of a
/// matrix do not lie one behind the other.
template <class A>
requires requires { typename detail::access_of<A>::Element; }
[[nodiscard]] ViewedArray<typename detail::access_of<A>::Element> view(A const& array) {
    using Access = detail::access_of<A>;
    auto const* const data = Access::data(array);
    if (!data && Access::size(array) > 0)
        fail("view: the rows of the matrix, of ", Access::columns(array),
             " columns, do not lie one behind the other in memory: without view it is copied");
    return {data, Access::size(array), Access::columns(array)};
}
/// A temporary would be gone before it is looked at.
template <class A>
requires detail::access_of<A>::owns
void view(A const&& array) = delete;

/// An array of one of the element types Allowed. It is copied, so it may be a local variable of a function that returns
/// a dataset; an rvalue that owns its numbers (a moved std::vector, a temporary matrix) is taken over instead. Only
/// std::span, which is a view already, and view(array) are viewed, and must outlive every dataset made from them.
template <class... Allowed>
class ArrayView {
public:
    template <class A>
    requires detail::ArrayOf<A, Allowed...>
    ArrayView(A&& array)  // NOLINT(google-explicit-constructor): made to be an argument
        : type(data_type_of<typename detail::access_of<A>::Element>),
          data(detail::access_of<A>::data(array)),
          size(detail::access_of<A>::size(array)),
          columns(detail::access_of<A>::columns(array)) {
        using Access = detail::access_of<A>;
        if constexpr (Access::owns && !std::is_lvalue_reference_v<A> && !std::is_const_v<A>)
            if (data) {
                data = Access::data(owner.hold<A>(std::move(array)));
                return;
            }
        if constexpr (!Access::views) copy(array);
    }

    /// The first `count` elements of memory that is taken over.
    ArrayView(DataType type_of_elements, AlignedVector<std::byte> memory, std::size_t count)
        : type(type_of_elements), size(count) {
        own(std::move(memory));
    }

    DataType type;
    void const* data = nullptr;
    std::size_t size = 0;     ///< elements
    std::size_t columns = 0;  ///< elements in a row where the array is a matrix, else 0
    detail::Owner owner;

private:
    template <class A>
    void copy(A const& array) {
        void const* const from = data;
        std::byte* const to = own(AlignedVector<std::byte>(size * size_of(type)));
        if (size == 0) return;
        if (from) {
            std::memcpy(to, from, size * size_of(type));
        } else {
            using Element = typename detail::access_of<A>::Element;
            detail::access_of<A>::copy(array, reinterpret_cast<Element*>(to));
        }
    }
    STRATA_COLD std::byte* own(AlignedVector<std::byte> memory) {
        std::byte* const first = owner.hold<AlignedVector<std::byte>>(std::move(memory)).data();
        data = first;
        return first;
    }
};

/// [N][C][H][W] samples: numbers, or ids, which are int32, uint16 or uint8.
using Samples = ArrayView<std::uint8_t, float, double, std::int32_t, std::uint16_t>;
namespace detail {
/// An array that samples may be in.
template <class A>
concept SampleArray = ArrayOf<A, std::uint8_t, float, double, std::int32_t, std::uint16_t>;
}  // namespace detail
/// [N][outputs] regression targets.
using Targets = ArrayView<float, double>;

namespace detail {
template <class A>
concept IntegerArray = std::integral<typename access_of<A>::Element> && sizeof(typename access_of<A>::Element) <= 8;
/// Integers one after the other that lie nowhere in memory: std::vector<bool>, std::deque<int>.
template <class A>
concept IntegerSequence = !requires { typename access_of<A>::Element; } && requires(A const& a) {
    std::size(a);
    { static_cast<std::int64_t>(*std::begin(a)) };
    requires std::integral<typename A::value_type>;
    requires sizeof(typename A::value_type) <= 8;
};
}  // namespace detail

/// [N] class indices, or [N][places], of any integer type, bool and std::vector<bool> among them; always copied. Throws
/// Error for one that is larger than any class.
class Labels {
public:
    template <class A>
    requires(detail::IntegerArray<A> || detail::IntegerSequence<A>)
    Labels(A const& labels) {  // NOLINT(google-explicit-constructor): made to be an argument
        if constexpr (detail::IntegerArray<A>) {
            using Element = typename detail::access_of<A>::Element;
            detail::ArrayElements<Element> const elements(labels);
            assign<Element>(elements.data, elements.size);
            columns = elements.columns;
        } else {
            assign<typename A::value_type>(std::begin(labels), static_cast<std::size_t>(std::size(labels)));
        }
    }

    AlignedVector<std::int64_t> values;
    std::size_t columns = 0;  ///< of a matrix, else 0

private:
    template <class Integer, class Iterator>
    STRATA_COLD void assign(Iterator from, std::size_t count) {
        values = AlignedVector<std::int64_t>(count);
        for (std::size_t i = 0; i < count; ++i, ++from) {
            auto const label = static_cast<Integer>(*from);
            if constexpr (sizeof(label) >= 8 && std::is_unsigned_v<Integer>)
                if (label > static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)()))
                    fail("label ", label, " of sample ", i, " is larger than any class");
            values[i] = static_cast<std::int64_t>(label);
        }
    }
};

}  // namespace strata::inline STRATA_ABI
