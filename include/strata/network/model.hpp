// Model: the weights of a network, apart from any work done with them. A const model is immutable and can serve any
// number of threads at once, each with a workspace of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/aligned.hpp"
#include "../core/array_access.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../precision/precision.hpp"
#include "network.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// A batch of samples that lie one behind the other, bytes divided by 255. `columns` as in ArrayAccess.
STRATA_COLD inline Batch batch_of_values(DataType type, void const* values, std::size_t count, std::size_t columns,
                                         int sample, char const* who = "model(samples, workspace)") {
    static constexpr double byte_scale = 1 / 255.0, byte_shift = 0;
    auto const size = static_cast<std::size_t>(sample);
    check_columns(columns, size, who);
    if (count == 0 || count % size != 0)
        fail(who, ": got ", count, " values, expected a positive multiple of ", size, ", the size of one sample");
    Batch batch;
    batch.size = static_cast<int>(count / size);
    batch.shape = {1, 1, sample};
    batch.type = type;
    batch.inputs = values;
    if (type == DataType::uint8) {
        batch.scale = &byte_scale;
        batch.shift = &byte_shift;
    }
    return batch;
}
}  // namespace detail

namespace detail {
/// Tells models apart, as their addresses do not: each has one of its own, so do a copy and what is assigned to. What is
/// moved keeps it.
class ModelIdentity {
public:
    ModelIdentity() = default;
    ModelIdentity(ModelIdentity const&) : ModelIdentity() {}
    ModelIdentity(ModelIdentity&& other) noexcept : number_(std::exchange(other.number_, next())) {}
    ModelIdentity& operator=(ModelIdentity const&) {
        number_ = next();
        return *this;
    }
    ModelIdentity& operator=(ModelIdentity&& other) noexcept {
        number_ = std::exchange(other.number_, next());
        return *this;
    }
    ~ModelIdentity() = default;
    [[nodiscard]] std::uint64_t number() const { return number_; }

private:
    static std::uint64_t next() {
        static std::atomic<std::uint64_t> last{0};
        return ++last;
    }
    std::uint64_t number_ = next();
};
}  // namespace detail

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
        for (std::size_t i = 0; i < tensor_table.size(); ++i) {
            fill(tensor_table[i].parameters, parameters_.data() + Net::parameter_offset[i], seed, tensor);
            fill(tensor_table[i].buffers, buffers_.data() + Net::buffer_offset[i], seed, tensor);
        }
    }

    /// Parameters that are kept elsewhere need no memory here: they are gone, until there is room again.
    STRATA_COLD void release_parameters() { parameters_ = {}; }
    STRATA_COLD void make_room() {
        if (parameters_.empty()) parameters_ = AlignedVector<Scalar>(static_cast<std::size_t>(Net::parameter_count));
    }

    // Not of a temporary, whose numbers would be gone: give `trainer.snapshot()` or `load<Net>(file)` a name first.
    [[nodiscard]] std::span<Scalar> parameters() & { return parameters_; }
    [[nodiscard]] std::span<Scalar const> parameters() const& { return parameters_; }
    void parameters() const&& = delete;
    [[nodiscard]] std::span<Scalar> buffers() & { return buffers_; }
    [[nodiscard]] std::span<Scalar const> buffers() const& { return buffers_; }
    void buffers() const&& = delete;
    /// Batches each BatchNorm has seen in training, one entry an operation of the op list (others stay 0).
    [[nodiscard]] std::span<std::int64_t> batches_tracked() { return batches_tracked_; }
    [[nodiscard]] std::span<std::int64_t const> batches_tracked() const { return batches_tracked_; }

    /// A number of this model alone, never 0: for who keeps a copy of it elsewhere.
    [[nodiscard]] std::uint64_t identity() const { return identity_.number(); }

    /// Every tensor with its PyTorch state-dict name, in state-dict order: weight, bias, running_mean, running_var,
    /// num_batches_tracked of each layer. The views point into this model.
    [[nodiscard]] STRATA_COLD std::vector<TensorView> tensors() & {
        std::vector<TensorView> list(tensor_count);
        tensors(list.data());
        return list;
    }
    /// The same, `tensor_count` of them, into a list of someone else's.
    STRATA_COLD void tensors(TensorView* list) {
        for (std::size_t i = 0; i < tensor_table.size(); ++i) {
            auto const layer = Net::layer_table[i].name;
            describe(list, layer, tensor_table[i].parameters, parameters_.data() + Net::parameter_offset[i]);
            describe(list, layer, tensor_table[i].buffers, buffers_.data() + Net::buffer_offset[i]);
            if (tensor_table[i].counts_batches)
                *list++ = {concatenate(layer, ".num_batches_tracked"), {}, DataType::int64, &batches_tracked_[i]};
        }
    }
    /// The same for reading: nothing may be written through these views.
    [[nodiscard]] std::vector<TensorView> tensors() const& { return const_cast<Model*>(this)->tensors(); }
    void tensors() const&& = delete;

    /// Runs the network on a Batch, or on samples [N][C][H][W] as from_memory takes them: a vector, span, array or matrix
    /// (rows are samples) of float, double or uint8, which is divided by 255, or of ids. Nothing is copied but a matrix whose rows
    /// do not lie one behind the other. See Workspace of the backend in use for the rest.
    template <class Workspace, class Samples>
    auto operator()(Samples const& samples, Workspace& workspace) const {
        constexpr bool ours = requires(Batch const& batch) { workspace.run(*this, batch); };
        constexpr bool runs = requires { workspace.run(*this, samples); };
        static_assert(ours,
                      "model(samples, workspace): the workspace is a Workspace, not const, of the same network "
                      "and precision as the model");
        constexpr bool array =
            ours && detail::ArrayOf<Samples, std::uint8_t, float, double, std::int32_t, std::uint16_t>;
        static_assert(
            runs || array || !ours,
            "model(samples, workspace): the samples are a Batch, or an array (vector, span, matrix whose rows "
            "are samples) of float, double or uint8, of ids int32, uint16 or uint8");
        if constexpr (runs) {
            return workspace.run(*this, samples);
        } else if constexpr (array) {
            detail::ArrayElements<typename detail::access_of<Samples>::Element> const read(samples);
            auto const type = data_type_of<typename detail::access_of<Samples>::Element>;
            char const* who = "model(samples, workspace)";
            if constexpr (requires { Workspace::called; }) who = Workspace::called;
            return workspace.run(
                *this, detail::batch_of_values(type, read.data, read.size, read.columns, Net::InputShape::size, who));
        }
    }

    /// The next tokens of sequences that `state` holds (SequenceState, or some of its slots, state[{0, 2}]), one of them or
    /// a chunk of each sequence: what model(tokens, workspace) answers, and the state has them, too. See SequenceState.
    template <class Tokens, class State, class Workspace>
    auto append(Tokens const& tokens, State&& state, Workspace& workspace) const {
        constexpr bool ours = requires { std::forward<State>(state).continued(*this, workspace); };
        static_assert(ours,
                      "model.append(tokens, state, workspace): the state is a SequenceState, or some of its slots, "
                      "state[{0, 2}], and the workspace a Workspace, neither const, both of the same network and "
                      "precision as the model; slots are chosen in the call itself");
        if constexpr (ours) {
            auto continued = std::forward<State>(state).continued(*this, workspace);
            return (*this)(tokens, continued);
        }
    }

private:
    /// One tensor of a layer, as constants.
    struct TensorRow {
        std::string_view name;
        std::span<int const> shape;
        std::ptrdiff_t size;
        Fan fan;
        void (*initialize)(std::span<Scalar>, Fan, Random&);
    };
    struct LayerTensors {
        std::span<TensorRow const> parameters, buffers;
        bool counts_batches;
    };
    template <class Scheme>
    static void initialize(std::span<Scalar> values, Fan fan, Random& random) {
        Scheme::fill(values, fan, random);
    }
    template <class List>
    struct RowsOf;
    template <class... Ps>
    struct RowsOf<ParameterList<Ps...>> {
        static constexpr std::array<TensorRow, sizeof...(Ps)> rows{
            TensorRow{Ps::name, detail::ExtentsOf<typename Ps::Extents>::value, Ps::Extents::size, Ps::fan,
                      &initialize<typename Ps::Initialization>}...};
    };
    static constexpr auto tensor_table = [] {
        std::array<LayerTensors, static_cast<std::size_t>(Net::operation_count)> table{};
        Net::visit_operations([&]<class Op>(int index) {
            auto& row = table[static_cast<std::size_t>(index)];
            row.parameters = RowsOf<typename Op::Parameters>::rows;
            if constexpr (detail::has_buffers<Op>()) {
                row.buffers = RowsOf<typename Op::Buffers>::rows;
                row.counts_batches = detail::has_buffers<detail::kernel_operation<Op>>();
            }
        });
        return table;
    }();

public:
    static constexpr std::size_t tensor_count = [] {
        std::size_t count = 0;
        for (auto const& layer : tensor_table)
            count += layer.parameters.size() + layer.buffers.size() + (layer.counts_batches ? 1 : 0);
        return count;
    }();
    /// Those of them that are parameters.
    static constexpr std::size_t parameter_tensor_count = [] {
        std::size_t count = 0;
        for (auto const& layer : tensor_table) count += layer.parameters.size();
        return count;
    }();

private:
    /// Initialises tensors that lie one behind the other.
    STRATA_COLD static void fill(std::span<TensorRow const> rows, Scalar* at, std::uint64_t seed,
                                 std::uint32_t& tensor) {
        for (auto const& row : rows) {
            Random random(seed, Purpose::initialization, tensor++);
            row.initialize(std::span<Scalar>(at, static_cast<std::size_t>(row.size)), row.fan, random);
            at += row.size;
        }
    }
    STRATA_COLD static void describe(TensorView*& list, std::string_view layer, std::span<TensorRow const> rows,
                                     Scalar* at) {
        for (auto const& row : rows) {
            *list++ = {
                concatenate(layer, ".", row.name), {row.shape.begin(), row.shape.end()}, data_type_of<Scalar>, at};
            at += row.size;
        }
    }

    AlignedVector<Scalar> parameters_, buffers_;
    std::array<std::int64_t, static_cast<std::size_t>(Net::operation_count)> batches_tracked_{};
    detail::ModelIdentity identity_;
};

}  // namespace strata::inline STRATA_ABI
