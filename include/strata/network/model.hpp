// Model: the weights of a network, apart from any work done with them. A const model is immutable and can serve any
// number of threads at once, each with a workspace of its own.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "../core/aligned.hpp"
#include "../core/tensor.hpp"
#include "../precision/precision.hpp"
#include "network.hpp"

namespace strata {

/// Parameters and buffers of a network, each in one contiguous arena in PyTorch's layouts and order.
template <class Net, class Precision = Float32>
class Model {
public:
    using Network = Net;
    using Scalar = typename Precision::master;
    static_assert(Net::valid, "Model: a layer of this network is misused, see the first error");
    static_assert(Net::names_differ, "Model: two layers with parameters have the same name: give each its own");

    /// Initialises every parameter as its layer says (PyTorch's defaults), from streams keyed by (seed, tensor).
    explicit Model(std::uint64_t seed = 0)
        : parameters_(static_cast<std::size_t>(Net::parameter_count)),
          buffers_(static_cast<std::size_t>(Net::buffer_count)) {
        std::uint32_t tensor = 0;
        Net::for_each_operation([&]<int I>() {
            using Op = typename Net::template OperationAt<I>;
            fill<typename Op::Parameters>(parameters_.data() + Net::parameter_offset[I], seed, tensor);
            if constexpr (requires { typename Op::Buffers; })
                fill<typename Op::Buffers>(buffers_.data() + Net::buffer_offset[I], seed, tensor);
        });
    }

    [[nodiscard]] std::span<Scalar> parameters() { return parameters_; }
    [[nodiscard]] std::span<Scalar const> parameters() const { return parameters_; }
    [[nodiscard]] std::span<Scalar> buffers() { return buffers_; }
    [[nodiscard]] std::span<Scalar const> buffers() const { return buffers_; }
    /// Batches each BatchNorm has seen in training, one entry an operation of the op list (others stay 0).
    [[nodiscard]] std::span<std::int64_t> batches_tracked() { return batches_tracked_; }
    [[nodiscard]] std::span<std::int64_t const> batches_tracked() const { return batches_tracked_; }

    /// Every tensor with its PyTorch state-dict name, in state-dict order: weight, bias, running_mean, running_var,
    /// num_batches_tracked of each layer. The views point into this model.
    [[nodiscard]] std::vector<TensorView> tensors() {
        std::vector<TensorView> list;
        Net::for_each_operation([&]<int I>() {
            using Op = typename Net::template OperationAt<I>;
            using Node = typename Net::template NodeAt<I>;
            if constexpr (Op::Parameters::size > 0)
                describe<typename Op::Parameters>(list, Node::Name::text(),
                                                  parameters_.data() + Net::parameter_offset[I]);
            if constexpr (requires { typename Op::Buffers; }) {
                describe<typename Op::Buffers>(list, Node::Name::text(), buffers_.data() + Net::buffer_offset[I]);
                list.push_back(
                    {Node::Name::text() + ".num_batches_tracked", {}, DataType::int64, &batches_tracked_[I]});
            }
        });
        return list;
    }
    /// The same for reading: nothing may be written through these views.
    [[nodiscard]] std::vector<TensorView> tensors() const { return const_cast<Model*>(this)->tensors(); }

    /// Runs the network on a batch: see Workspace of the backend in use.
    template <class Workspace, class Samples>
    auto operator()(Samples const& samples, Workspace& workspace) const {
        return workspace.run(*this, samples);
    }

private:
    template <class List>
    static void fill(Scalar* at, std::uint64_t seed, std::uint32_t& tensor) {
        List::for_each([&]<class P>(P) {
            Random random(seed, Purpose::initialization, tensor++);
            P::Initialization::fill(std::span<Scalar>(at, static_cast<std::size_t>(P::Extents::size)), P::fan, random);
            at += P::Extents::size;
        });
    }
    template <class List>
    static void describe(std::vector<TensorView>& list, std::string const& layer, Scalar* at) {
        List::for_each([&]<class P>(P) {
            list.push_back(
                {layer + "." + std::string(P::name), extents(typename P::Extents{}), data_type_of<Scalar>, at});
            at += P::Extents::size;
        });
    }
    template <int... E>
    static std::vector<std::int64_t> extents(Shape<E...>) {
        return {E...};
    }

    AlignedVector<Scalar> parameters_, buffers_;
    std::array<std::int64_t, static_cast<std::size_t>(Net::operation_count)> batches_tracked_{};
};

}  // namespace strata
