// The Eigen type of a network's tensor: its sizes are constants, as the network's are.
#pragma once

#include <Eigen/Core>

#include "../network/tensor_table.hpp"

namespace strata::inline STRATA_ABI {

/// A row-major matrix of fixed or dynamic size; Eigen wants single columns column-major.
template <class T, int Rows, int Columns>
using RowMajorMatrix = Eigen::Matrix<T, Rows, Columns, Columns == 1 && Rows != 1 ? Eigen::ColMajor : Eigen::RowMajor>;

namespace detail {

/// The tensor of a network that has a name; `known` is false where there is none.
template <class Net, FixedString Name, bool Buffers>
struct NamedTensor {
    static constexpr int count = static_cast<int>(parameter_table<Net>.size());
    static constexpr int index = [] {
        int at = 0;
        for (auto const& candidate : parameter_table<Net>) {
            if (candidate.is(Name.view())) return at;
            ++at;
        }
        if constexpr (Buffers)
            for (auto const& candidate : buffer_table<Net>) {
                if (candidate.is(Name.view())) return at;
                ++at;
            }
        return -1;
    }();
    static constexpr bool known = index >= 0;
    static constexpr bool is_buffer = index >= count;
    static constexpr TensorRow row = [] {
        if constexpr (!known)
            return TensorRow{};
        else if constexpr (is_buffer)
            return buffer_table<Net>[static_cast<std::size_t>(index - count)];
        else
            return parameter_table<Net>[static_cast<std::size_t>(index)];
    }();
    template <class T>
    static consteval auto matrix() {
        if constexpr (known)
            return std::type_identity<RowMajorMatrix<T, row.rows(), row.columns()>>{};
        else  // the first message stays the only one
            return std::type_identity<RowMajorMatrix<T, Eigen::Dynamic, Eigen::Dynamic>>{};
    }
    template <class T>
    using Matrix = typename decltype(matrix<T>())::type;

    /// A map of the tensor; T may be const.
    template <class T>
    static auto map(T* parameters, T* buffers) {
        using M = Matrix<std::remove_const_t<T>>;
        using Map = Eigen::Map<std::conditional_t<std::is_const_v<T>, M const, M>>;
        if constexpr (known)
            return Map((is_buffer ? buffers : parameters) + row.offset);
        else
            return Map(nullptr, 0, 0);
    }
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
