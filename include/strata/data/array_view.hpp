// Arrays that a user has in memory, as arguments: ArrayView (samples, targets) and Labels accept a std::vector,
// std::array, std::span, C array, Eigen matrix or Eigen map, so that the functions taking them need not be templates.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "../core/aligned.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class R>
concept ContiguousRange = requires(R const& range) {
    *std::data(range);
    std::size(range);
};
template <class R>
using element_of = std::remove_cvref_t<decltype(*std::data(std::declval<R const&>()))>;

/// Number of columns of an Eigen object whose rows lie one behind the other; 0 for anything that is not Eigen's.
template <ContiguousRange R>
std::size_t contiguous_columns(R const& range) {
    if constexpr (requires { range.outerStride(); }) {
        static_assert(
            R::IsRowMajor || R::ColsAtCompileTime == 1,
            "rows are samples: the matrix must be row-major (Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, "
            "Eigen::RowMajor>)");
        if (range.innerStride() != 1 || (R::IsRowMajor && range.rows() > 1 && range.outerStride() != range.cols()))
            fail("the rows of the Eigen matrix (", range.rows(), " x ", range.cols(),
                 ") do not lie one behind the other in memory: copy it into a plain row-major matrix first");
        return static_cast<std::size_t>(range.cols());
    } else {
        return 0;
    }
}
}  // namespace detail

/// An array of one of the element types Allowed. An lvalue is viewed, not copied, and must outlive every dataset made
/// from it; an rvalue (a moved std::vector, a temporary matrix) is taken over.
template <class... Allowed>
class ArrayView {
public:
    template <class R>
    requires(detail::ContiguousRange<std::remove_cvref_t<R>> &&
             (std::same_as<detail::element_of<std::remove_cvref_t<R>>, Allowed> || ...))
    ArrayView(R&& range)  // NOLINT(google-explicit-constructor): made to be an argument
        : type(data_type_of<detail::element_of<std::remove_cvref_t<R>>>),
          size(static_cast<std::size_t>(std::size(range))),
          columns(detail::contiguous_columns(range)) {
        if constexpr (std::is_lvalue_reference_v<R>) {
            data = std::data(range);
        } else {
            auto owned = std::make_shared<std::remove_cvref_t<R>>(std::forward<R>(range));
            data = std::data(std::as_const(*owned));
            owner = std::move(owned);
        }
    }

    /// An array that `owner` keeps alive.
    ArrayView(DataType type_of_elements, void const* first, std::size_t count, std::shared_ptr<void const> keeper)
        : type(type_of_elements), data(first), size(count), owner(std::move(keeper)) {}

    DataType type;
    void const* data = nullptr;
    std::size_t size = 0;     ///< elements
    std::size_t columns = 0;  ///< elements in a row where the array is a matrix, else 0
    std::shared_ptr<void const> owner;
};

/// [N][C][H][W] samples.
using Samples = ArrayView<std::uint8_t, float, double>;
/// [N][outputs] regression targets.
using Targets = ArrayView<float, double>;

/// [N] class indices of any integer type; always copied.
class Labels {
public:
    template <detail::ContiguousRange R>
    requires(std::integral<detail::element_of<R>> && !std::same_as<detail::element_of<R>, bool> &&
             (sizeof(detail::element_of<R>) < 8 || std::is_signed_v<detail::element_of<R>>))
    STRATA_COLD Labels(R const& range) {    // NOLINT(google-explicit-constructor): made to be an argument
        detail::contiguous_columns(range);  // refuses strides
        values = AlignedVector<std::int64_t>(static_cast<std::size_t>(std::size(range)));
        std::copy_n(std::data(range), values.size(), values.data());
    }

    AlignedVector<std::int64_t> values;
};

}  // namespace strata::inline STRATA_ABI
