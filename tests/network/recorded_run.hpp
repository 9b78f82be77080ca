// Runs a network's training pass on the CPU executor with an upstream gradient of one's own, and gives everything
// that LibTorch's values can be compared with: the output in training mode, the input gradient, parameter
// gradients, running statistics.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../reference/reference.hpp"
#include "strata/testing/gradient_check.hpp"

namespace strata {

/// A loss that is none: it records the outputs and hands a given dy to the network. Targets
/// carry the flat index plus one.
struct Recorder {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    std::vector<double>* y = nullptr;
    std::vector<double> const* dy = nullptr;

    void check() const {}

    template <int K, class Io>
    auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        constexpr auto n = static_cast<std::size_t>(width_of<L>);
        for (int k = 0; k < K; ++k) {
            T index[n], x[n], gradient[n] = {};
            store_lane(index, io.target[k]);
            store_lane(x, io.x[k]);
            for (std::size_t s = 0; s < n; ++s) {
                if (!(index[s] > 0)) continue;  // an empty lane
                auto const at = static_cast<std::size_t>(index[s]) - 1;
                (*y)[at] = static_cast<double>(x[s]);
                gradient[s] = static_cast<T>((*dy)[at]);
            }
            if (io.dx.data) io.dx.set(k, load_lane<L>(gradient));
        }
        return L(0);
    }
};

/// At most Samples samples a batch.
template <class Net, int Samples, class Precision>
class RecordedRun {
    using Checked = typename detail::WithInputAsParameter<Net, Samples>::type;
    using Scalar = typename Precision::master;
    static constexpr std::size_t in = static_cast<std::size_t>(Net::InputShape::size),
                                 out = static_cast<std::size_t>(Net::OutputShape::size);

public:
    std::vector<double> y, dx;

    /// Learnable parameters in PyTorch's order, without the input.
    std::span<Scalar> parameters() { return model_.parameters().subspan(Samples * in); }
    [[nodiscard]] std::vector<double> gradients() const {
        auto const all = executor_.gradient().subspan(Samples * in);
        return {all.begin(), all.end()};
    }
    std::span<Scalar> buffers() { return model_.buffers(); }
    auto& model() { return model_; }

    /// Forward and backward; then the running statistics move.
    void train(std::vector<double> const& x, std::vector<double> const& dy) {
        auto const batch = prepare(x);
        dy_ = dy;
        executor_.gradients(model_, batch, {.seed = 1, .operation = 0, .step = 0});
        auto const all = executor_.gradient();
        dx.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(x.size()));
        std::vector<Scalar> state(model_.parameters().size());
        executor_.update(model_, Unmoved{}, std::span<Scalar>(state), {});
    }
    /// Forward in evaluation mode: leaves y.
    void evaluate(std::vector<double> const& x) {
        auto const batch = prepare(x);
        std::vector<typename Precision::storage> outputs(y.size());
        executor_.evaluate(model_, batch, nullptr, outputs.data());
        y.assign(outputs.begin(), outputs.end());
    }

    RecordedRun() : executor_(Cpu{.threads = 1}, Recorder{&y, &dy_}) {}
    RecordedRun(RecordedRun const&) = delete;  // the executor points here
    RecordedRun& operator=(RecordedRun const&) = delete;

private:
    /// An optimizer that leaves the parameters as they are.
    struct Unmoved {
        template <class T>
        struct Update {
            template <class L>
            void operator()(L&, L) const {}
        };
        template <class T>
        [[nodiscard]] Update<T> prepare(OptimizerStep const&) const {
            return {};
        }
    };
    Batch prepare(std::vector<double> const& x) {
        auto const samples = x.size() / in;
        for (std::size_t i = 0; i < x.size(); ++i) model_.parameters()[i] = static_cast<Scalar>(x[i]);
        y.assign(samples * out, 0);
        targets_.resize(y.size());
        for (std::size_t i = 0; i < y.size(); ++i) targets_[i] = static_cast<double>(i + 1);
        nothing_.assign(x.size(), 0);
        Batch batch;
        batch.size = static_cast<int>(samples);
        batch.shape = {1, 1, Net::InputShape::size};
        batch.type = DataType::float64;
        batch.inputs = nothing_.data();
        batch.target_type = DataType::float64;
        batch.targets = targets_.data();
        return batch;
    }
    Model<Checked, Precision> model_;
    std::vector<double> dy_;
    CpuExecutor<Checked, Precision, Recorder> executor_;
    std::vector<double> targets_, nothing_;
};

/// A network against PyTorch's values (record_network of reference/generate_joins.py): output, gradient of the input,
/// all gradients, all running statistics of a batch of three.
template <class Net>
void compare_network(std::string const& name, double tolerance) {
    CAPTURE(name);
    RecordedRun<Net, 3, Float64> run;
    std::uint32_t seed = 500;
    for (auto const& tensor : run.model().tensors()) {
        bool const bias = tensor.name.ends_with(".bias"), weight = tensor.name.ends_with(".weight");
        if (!bias && !weight) continue;
        auto const values = reference_values(seed++, tensor.size(), 0.5, weight && tensor.shape.size() == 1 ? 1 : 0);
        std::copy(values.begin(), values.end(), static_cast<double*>(tensor.data));
    }
    run.train(reference_values(1, 3 * static_cast<std::size_t>(Net::InputShape::size)),
              reference_values(4, reference(name + "/y").size()));
    CHECK(reference_difference(run.y, name + "/y") < tolerance);
    CHECK(reference_difference(run.dx, name + "/dx") < tolerance);
    CHECK(reference_difference(run.gradients(), name + "/gradients") < tolerance);
    if (Net::buffer_count > 0) CHECK(reference_difference(run.buffers(), name + "/buffers") < tolerance);
}

}  // namespace strata
