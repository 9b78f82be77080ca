// How Strata reads arrays that users hand over: vectors, spans, C arrays, matrices of other libraries.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "aligned.hpp"
#include "config.hpp"
#include "error.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// False for Eigen's expressions that are computed element by element, of which some, `x.array().exp().matrix()`, declare
/// data() and strides that do not compile: their Flags lack Eigen's DirectAccessBit.
template <class A>
consteval bool has_place() {
    if constexpr (requires {
                      typename A::PlainObject;
                      +A::Flags;
                  })
        return (static_cast<unsigned>(A::Flags) & 0x40u) != 0;
    return true;
}
template <class A>
concept ContiguousRange = has_place<A>() && requires(A const& a) {
    *std::data(a);
    std::size(a);
};
/// A matrix with a pointer and two strides, as Eigen's matrices, maps and blocks are.
template <class A>
concept StridedMatrix = ContiguousRange<A> && requires(A const& a) {
    a.rows(), a.cols(), a.innerStride(), a.outerStride();
    { A::IsRowMajor } -> std::convertible_to<bool>;
};
/// True where moving an A moves its elements or keeps them where they are: containers hand their constness on to the
/// elements, views of someone else's memory do not.
template <class A>
inline constexpr bool owns_elements =
    !std::is_array_v<A> && !std::ranges::enable_borrowed_range<A> &&
    std::is_const_v<std::remove_reference_t<decltype(*std::data(std::declval<A const&>()))>> &&
    !std::is_const_v<std::remove_reference_t<decltype(*std::data(std::declval<A&>()))>>;
}  // namespace detail

/// How an array of type A is read. A specialisation makes arrays of another library welcome wherever samples, labels
/// and targets go in: from_memory, model(samples, workspace), train_step. It has
///
///   using Element                  type of a number
///   static constexpr bool views    an A is a view of someone else's memory, and meant as one, as std::span is
///   static constexpr bool owns     a moved A keeps its numbers: an rvalue is taken over, not copied
///   size(a)                        how many numbers there are
///   columns(a)                     how many of them are in a row where `a` is a matrix (rows are samples), else 0
///   data(a)                        the first of them, row by row, or null where they do not lie so in memory
///   copy(a, to)                    writes them to `to`, row by row; not called where data(a) is not null
template <class A>
struct ArrayAccess {};

template <class A>
requires(detail::ContiguousRange<A> && !detail::StridedMatrix<A>)
struct ArrayAccess<A> {
    using Element = std::remove_cvref_t<decltype(*std::data(std::declval<A const&>()))>;
    static constexpr bool views = std::ranges::enable_borrowed_range<A>, owns = detail::owns_elements<A>;
    static std::size_t size(A const& a) { return static_cast<std::size_t>(std::size(a)); }
    static std::size_t columns(A const&) { return 0; }
    static Element const* data(A const& a) { return std::data(a); }
    static void copy(A const&, Element*) {}
};

/// Eigen's maps and blocks count neither as views nor as owners: they are copied, because a block that is returned from
/// a function looks just like a matrix.
template <detail::StridedMatrix A>
struct ArrayAccess<A> {
    using Element = std::remove_cvref_t<decltype(*std::data(std::declval<A const&>()))>;
    static constexpr bool views = false;
    static constexpr bool owns = [] {
        if constexpr (requires { typename A::PlainObject; }) return std::is_same_v<typename A::PlainObject, A>;
        return false;
    }();
    static std::size_t size(A const& a) { return static_cast<std::size_t>(a.rows() * a.cols()); }
    static std::size_t columns(A const& a) { return static_cast<std::size_t>(a.cols()); }
    static Element const* data(A const& a) {
        bool const rows = a.rows() <= 1 || row_step(a) == a.cols(), within = a.cols() <= 1 || column_step(a) == 1;
        return rows && within ? a.data() : nullptr;
    }
    static void copy(A const& a, Element* to) {
        for (std::ptrdiff_t row = 0; row < a.rows(); ++row)
            for (std::ptrdiff_t column = 0; column < a.cols(); ++column)
                *to++ = a.data()[row * row_step(a) + column * column_step(a)];
    }

private:
    static std::ptrdiff_t row_step(A const& a) { return A::IsRowMajor ? a.outerStride() : a.innerStride(); }
    static std::ptrdiff_t column_step(A const& a) { return A::IsRowMajor ? a.innerStride() : a.outerStride(); }
};

namespace detail {
template <class A>
using access_of = ArrayAccess<std::remove_cvref_t<A>>;
/// An array whose numbers are of one of these types.
template <class A, class... Elements>
concept ArrayOf = (std::same_as<typename access_of<A>::Element, Elements> || ...);

/// The numbers of an array, row by row, while the array lives: where they are, or a copy where they do not lie so.
template <class Element>
struct ArrayElements {
    template <class A>
    explicit ArrayElements(A const& a)
        : size(access_of<A>::size(a)), columns(access_of<A>::columns(a)), data(access_of<A>::data(a)) {
        if (data || size == 0) return;
        copy = AlignedVector<Element>(size);
        access_of<A>::copy(a, copy.data());
        data = copy.data();
    }
    std::size_t size, columns;
    Element const* data;
    AlignedVector<Element> copy;
};

/// Throws Error that begins with `who` unless the rows of a matrix, if the array is one, are `what` of that size.
STRATA_COLD inline void check_columns(std::size_t columns, std::size_t size, char const* who,
                                      char const* what = "values of a sample") {
    if (columns > 1 && columns != size)
        fail(who, ": the matrix has ", columns, " columns, expected ", size, ", the ", what);
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
