// weights: a model's tensors as Eigen matrices of constant size, in the model's memory.
#pragma once

#include "../network/model.hpp"
#include "tensor_map.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <FixedString Name, class Model, class T>
auto weights_of(T* parameters, T* buffers) {
    using Tensor = NamedTensor<typename Model::Network, Name, true>;
    static_assert(Tensor::known,
                  "weights<name>(model): the network has no tensor of that name; names are as in files and in "
                  "model.tensors(): \"fc1.weight\", \"0.bias\" for a layer without a name");
    return Tensor::map(parameters, buffers);
}
}  // namespace detail

/// A parameter or buffer by its name in files, without a copy: `weights<"fc1.weight">(model)` is an
/// `Eigen::Map<Eigen::Matrix<float, 120, 400, Eigen::RowMajor>>`, of const for a const model. A Linear's weight is
/// [out][in], a convolution's [out][in kh kw] (in: of its group), a bias a column. Valid as long as the model.
/// Products of such matrices are as large as these: name their type (`Eigen::MatrixXf y = w * x;`), since Eigen
/// refuses to put large ones of constant size on the stack.
template <FixedString Name, class Net, class Precision>
[[nodiscard]] auto weights(Model<Net, Precision>& model) {
    return detail::weights_of<Name, Model<Net, Precision>>(model.parameters().data(), model.buffers().data());
}
template <FixedString Name, class Net, class Precision>
[[nodiscard]] auto weights(Model<Net, Precision> const& model) {
    return detail::weights_of<Name, Model<Net, Precision>>(model.parameters().data(), model.buffers().data());
}
/// A temporary model would be gone before the map is used: give it a name.
template <FixedString Name, class Net, class Precision>
void weights(Model<Net, Precision> const&& model) = delete;

}  // namespace strata::inline STRATA_ABI
