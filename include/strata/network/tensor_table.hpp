// A network's parameter and buffer tensors as rows of constants: where each lies in the arenas of a Model.
#pragma once

#include "network.hpp"

namespace strata::inline STRATA_ABI {

/// One tensor of a network.
struct TensorRow {
    std::string_view layer, name;  ///< "fc1", "weight": together its name in files
    std::span<int const> shape;    ///< in PyTorch's layout
    std::ptrdiff_t offset = 0;     ///< of its first number in Model::parameters() or Model::buffers()
    std::ptrdiff_t size = 0;

    /// A tensor as a matrix, row-major: the first extent are the rows, all others together the columns. A Linear's
    /// weight is [out][in], a convolution's [out][in kh kw], a bias [out][1].
    [[nodiscard]] constexpr int rows() const { return shape[0]; }
    [[nodiscard]] constexpr int columns() const { return static_cast<int>(size / shape[0]); }
    /// Whether it is named `text`.
    [[nodiscard]] constexpr bool is(std::string_view text) const {
        return text.size() == layer.size() + 1 + name.size() && text.starts_with(layer) && text.ends_with(name) &&
               text[layer.size()] == '.';
    }
};

namespace detail {
struct ParameterTensors {
    template <class Op>
    using of = typename Op::Parameters;
    template <class Net>
    static constexpr std::ptrdiff_t offset(std::size_t operation) {
        return Net::parameter_offset[operation];
    }
};
struct BufferTensors {
    template <class Op>
    using of = buffers_of<Op>;
    template <class Net>
    static constexpr std::ptrdiff_t offset(std::size_t operation) {
        return Net::buffer_offset[operation];
    }
};
template <class Net, class Tensors>
consteval auto tensor_rows() {
    constexpr int count = [] {
        int sum = 0;
        Net::visit_operations([&]<class Op>(int) { sum += Tensors::template of<Op>::count; });
        return sum;
    }();
    std::array<TensorRow, static_cast<std::size_t>(count)> rows{};
    std::size_t at = 0;
    Net::visit_operations([&]<class Op>(int index) {
        auto const operation = static_cast<std::size_t>(index);
        std::ptrdiff_t offset = Tensors::template offset<Net>(operation);
        Tensors::template of<Op>::for_each([&]<class P>(P) {
            rows[at++] = {Net::layer_table[operation].name, P::name, ExtentsOf<typename P::Extents>::value, offset,
                          P::Extents::size};
            offset += P::Extents::size;
        });
    });
    return rows;
}
}  // namespace detail

/// The parameters of a network in the order of Model::parameters().
template <class Net>
inline constexpr auto parameter_table = detail::tensor_rows<Net, detail::ParameterTensors>();
/// The buffers of a network in the order of Model::buffers().
template <class Net>
inline constexpr auto buffer_table = detail::tensor_rows<Net, detail::BufferTensors>();

}  // namespace strata::inline STRATA_ABI
