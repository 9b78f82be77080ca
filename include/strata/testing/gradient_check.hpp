// Gradient check: what a network's backward pass says against central differences of its loss, in double, for every
// parameter and every input element. For authors of layers and losses.
//
//   auto const check = check_gradients<Network<Input<3, 6, 5>, MyLayer>>();
//   CHECK(check.error < 1e-6);   // where it is worse, check.where says: "0.weight[7]"
//
// The loss is sum(y r) with fixed random r unless another one is given, so all of dy counts. The memory of a pass is
// filled with NaN before it, so that a value which is read but never written shows. Inputs are distinct and not zero:
// no two elements of a max-pooling window tie, no ReLU that reads the input stands at its kink.
//
// What layers do in evaluation is checked too: that no body reads what is not there (body_audit.hpp), and, in networks
// without BatchNorm and Dropout, that the outputs are those of training.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "../backend/cpu/run/executor.hpp"
#include "../network/heads.hpp"
#include "body_audit.hpp"

namespace strata::inline STRATA_ABI {

/// The result of check_gradients: the worst element.
struct GradientCheck {
    double error =
        0;  ///< |backward - difference| / max(|backward|, |difference|, 1e-3); infinite where one is not a number
    /// The parameter's name and index, "conv1.weight[7]", or "input[sample, element]", or "output[sample, element] in
    /// evaluation", which differs from that in training.
    std::string where;
    double backward = 0;    ///< what the backward pass says there; the output in training
    double difference = 0;  ///< (loss(p + step) - loss(p - step)) / (2 step); the output in evaluation
    int elements = 0;       ///< how many were checked
};

/// The objective sum_k y(k) r(k), a mean over the batch like every loss; r are the targets.
struct DotProduct {
    using policy = LossPolicy;
    static constexpr bool classifies = false;

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        L total(0);
        for (int k = 0; k < K; ++k) {
            total = multiply_add(io.x[k], io.target[k], total);
            if (io.dx.data) io.dx.set(k, io.target[k] * io.scale);
        }
        return total;
    }
};

namespace detail {

/// The input as a parameter of a layer of its own: y(sample, e) = value(sample, e), whatever x is.
template <class X, int Samples>
struct InputAsParameter {
    using Input = X;
    using Output = X;
    struct Value : Parameter<"value", Shape<Samples, X::size>, Zeros, 1, 1> {};
    using Parameters = ParameterList<Value>;
    static constexpr Keep keep = Keep::nothing;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "InputAsParameter";

    template <class Io>
    static auto forward(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        int const element = X::index(at);
        L value(0);
        for (int k = 0; k < width_of<L> && io.sample + k < Samples; ++k)
            value = select(lane_index<L>(0) == L(k), L(io.p(Value{})(io.sample + k, element)), value);
        return value;
    }
    template <class Io>
    static auto input_gradient(Position<X::rank>, Io const&) {
        return typename Io::L(0);
    }
    template <class Io>
    static auto parameter_gradient(Value, Position<2> at, Io const& io) {
        using L = typename Io::L;
        return select(lane_index<L>(io.sample) == L(at[0]), io.dy[at[1]], L(0));
    }
};
template <int Samples>
struct InputAsParameterLayer {
    template <class X>
    using On = InputAsParameter<X, Samples>;
};

template <class Net, int Samples>
struct WithInputAsParameter;
/// Lengths of a batch of sequences of Samples tokens: 1, 3, 10, 2 and again, the last one what is left.
constexpr int checked_length(int sequence) {
    constexpr int lengths[] = {1, 3, 10, 2};
    return lengths[sequence % 4];
}

template <class In, class... Layers, int Samples>
struct WithInputAsParameter<Network<In, Layers...>, Samples> {
    using type = Network<In, InputAsParameterLayer<Samples>, Named<"layers", Sequential<Layers...>>>;
};

template <class... Parts, class... Layers, int Samples>
struct WithInputAsParameter<Network<Inputs<Parts...>, Layers...>, Samples> {
    using type = Network<Input<Network<Inputs<Parts...>, Layers...>::InputShape::size>, InputAsParameterLayer<Samples>,
                         Named<"layers", BehindInputs<Inputs<Parts...>, Layers...>>>;
};

/// Of a network with ids the inputs have no gradient: they stay as they are.
template <class Net>
struct WithFixedInputs;
template <class In, class... Layers>
struct WithFixedInputs<Network<In, Layers...>> {
    using type = Network<In, Named<"layers", Sequential<Layers...>>>;
};
template <class Net, int Samples>
using checked_network =
    typename std::conditional_t<Net::has_ids, WithFixedInputs<Net>, WithInputAsParameter<Net, Samples>>::type;

/// Training passes of one fixed batch over tiles of S samples, one after another, in memory full of NaN.
template <class Net, class Loss, int Samples, int S>
class PoisonedPass {
    using Program = TileProgram<Net, Float64, Loss>;
    static constexpr int tiles = Net::has_sequences ? Samples : (Samples + S - 1) / S;  // at most
    static constexpr int most_columns = Net::has_sequences ? tile_columns((std::max)(S, 10)) : S;
    static constexpr std::size_t columns_size =
        static_cast<std::size_t>((std::max)(Program::training_size, Program::inference_size)) * most_columns;
    static constexpr std::size_t tile_size = Net::has_sequences ? 2 * columns_size : columns_size;

public:
    Model<Net, Float64> model;
    std::vector<double> gradient = std::vector<double>(static_cast<std::size_t>(Net::parameter_count));
    std::vector<double> outputs =  // [Samples][outputs], of the last pass
        std::vector<double>(static_cast<std::size_t>(Samples * Net::OutputShape::size));

    PoisonedPass(Loss const& loss, Random& random) : model(1), loss_(loss) {
        for (auto& label : labels_)
            label = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(classes())));
        for (auto& target : targets_) target = random.uniform(-1, 1);
        if constexpr (Net::has_ids) {
            for (auto& input : inputs_) input = random.uniform(-1, 1);
            for (std::size_t i = 0; i < inputs_.size(); i += static_cast<std::size_t>(Net::InputShape::size))
                for (IdPart const& part : Net::id_parts)
                    for (int k = part.first; k < part.first + part.count; ++k)
                        inputs_[i + static_cast<std::size_t>(k)] =
                            random.below(static_cast<std::uint32_t>(part.vocabulary));
        }
        if constexpr (Net::has_sequences) {
            starts_.assign(1, 0);
            for (int i = 0; starts_.back() < Samples; ++i)
                starts_.push_back((std::min)(starts_.back() + checked_length(i), Samples));
            batch_.size = static_cast<int>(starts_.size()) - 1;
            batch_.starts = starts_.data();
            batch_.answers_columns = !Net::answers_sequences;
            sequences_.cut(batch_, S, Samples);
        }
    }

    /// Forward, loss and backward: leaves outputs and the gradient of all parameters, returns the mean loss.
    double run() {
        workspace_ = AlignedVector<double>(tile_size * tiles, nan);
        parts_.assign(static_cast<std::size_t>(Net::statistic_count) * tiles + 1, nan);
        merged_.assign(static_cast<std::size_t>(Net::statistic_count) + 1, nan);
        frozen_statistics<Net>(model.buffers().data(), merged_.data());
        gradient.assign(gradient.size(), 0.0);  // parameter gradients accumulate
        result_ = {};
        for (auto const& step : Program::training) {
            prepare_parameters<Float64, Loss>({&step, 1}, context(0), Share{});
            for (int tile = 0; tile < made(); ++tile) run_step(step, context(tile), Net::InputShape::size);
            merge(step);
        }
        return merged_result(loss_, &result_, loss_mean(loss_, batch_), batch_.answers(), 1, 0).loss;
    }

    /// A forward pass in evaluation mode: leaves outputs.
    void evaluate() {
        workspace_ = AlignedVector<double>(tile_size * tiles, nan);
        merged_.assign(static_cast<std::size_t>(Net::statistic_count) + 1, nan);
        evaluation_statistics<Net>(model.buffers().data(), merged_.data());
        for (auto const& step : Program::inference) {
            prepare_parameters<Float64, Loss>({&step, 1}, context(0), Share{});
            for (int tile = 0; tile < made(); ++tile) {
                auto c = context(tile);
                c.loss = nullptr;
                run_step(step, c, Net::InputShape::size);
            }
        }
    }

private:
    static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

    [[nodiscard]] int made() const {
        if constexpr (Net::has_sequences) return sequences_.tiles;
        return tiles;
    }
    auto context(int tile) {
        typename Program::Context c;
        c.parameters = model.parameters().data();
        c.frozen = model.buffers().data();
        c.workspace = workspace_.data() + static_cast<std::size_t>(tile) * tile_size;
        c.gradient = gradient.data();
        c.statistics = merged_.data();
        c.scratch = scratch_.data();
        c.prepared = prepared_.data();
        c.partial = parts_.data() + static_cast<std::ptrdiff_t>(tile) * Net::statistic_count;
        c.batch = &batch_;
        c.first = tile * S;
        c.samples = (std::min)(S, Samples - c.first);
        c.stride = S;
        if constexpr (Net::has_sequences) {
            c.sequences = sequences_.of(tile);
            c.first = c.sequences.starts[0];
            c.samples = c.sequences.starts[c.sequences.count] - c.first;
            c.stride = sequences_.stride;
            c.sequence_workspace = c.workspace + columns_size;
        }
        c.random = {.seed = 5, .operation = 0, .step = 3};
        c.loss = &loss_;
        c.mean = loss_mean(loss_, batch_);
        c.result = &result_;
        c.outputs = outputs.data();
        return c;
    }
    template <class Step>
    void merge(Step const& step) {
        if constexpr (Net::is_batch_wide) {
            if (step.reduction)
                merge_batch<Float64, Loss>(step,
                                           {parts_.data(), Net::statistic_count, merged_.data(), tiles, S, Samples,
                                            model.buffers().data(), next_buffers_.data(), gradient.data(), Share{}});
        }
    }

    Loss loss_;
    std::vector<double> inputs_ = std::vector<double>(static_cast<std::size_t>(Samples * Net::InputShape::size));
    std::vector<double> targets_ = std::vector<double>(static_cast<std::size_t>(Samples * Net::OutputShape::size));
    static constexpr int places = (std::max)(1, places_in<Loss, Net>);
    /// Of which all heads have as many at least.
    static constexpr int classes() {
        int least = row_shape<Loss, typename Net::OutputShape>::size;
        if constexpr (is_head_losses<Loss>)
            Loss::for_each_head([&]<int Index>() {
                using One = typename Loss::template LossOf<Index>;
                if (One::classifies)
                    least = (std::min)(least, row_shape<One, typename Loss::template ShapeOf<Index>>::size);
            });
        return least;
    }
    std::vector<std::int32_t> labels_ = std::vector<std::int32_t>(static_cast<std::size_t>(Samples * places));
    std::vector<double> next_buffers_ = std::vector<double>(static_cast<std::size_t>(Net::buffer_count) + 1);
    Batch batch_{.size = Samples,
                 .shape = {1, 1, Net::InputShape::size},
                 .type = DataType::float64,
                 .inputs = inputs_.data(),
                 .labels = labels_.data(),
                 .target_type = DataType::float64,
                 .targets = targets_.data(),
                 .labels_per_sample = places};
    AlignedVector<double> workspace_,
        scratch_ = AlignedVector<double>(
            static_cast<std::size_t>((std::max)(Program::training_scratch, Program::inference_scratch)) + 1),
        prepared_ = AlignedVector<double>(
            static_cast<std::size_t>((std::max)(Program::training_prepared, Program::inference_prepared)) + 1);
    std::vector<double> parts_, merged_;
    std::vector<std::int32_t> starts_;
    SequenceTiles sequences_;
    typename ResultOf<Loss>::type result_;
};

/// Distinct numbers in [-1, 1], none of them zero, in random order.
inline void fill_distinct(std::span<double> values, Random& random) {
    auto const n = static_cast<double>(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = (2.0 * static_cast<double>(i) + 1.3 - n) / n;
    for (std::size_t i = values.size(); i > 1; --i)
        std::swap(values[i - 1], values[random.below(static_cast<std::uint32_t>(i))]);
}

/// True where every layer does in evaluation what it does in training.
template <class Net>
consteval bool evaluates_as_it_trains() {
    bool same = !Net::is_batch_wide;
    Net::visit_operations([&]<class Op>(int) { same = same && !requires { typename Op::IsTrainingOnly; }; });
    return same;
}

/// |a - b| / max(|a|, |b|, 1e-3); infinite where one is not a number.
inline double relative_error(double a, double b) {
    double const error = std::abs(a - b) / (std::max)({std::abs(a), std::abs(b), 1e-3});
    return is_finite(error) ? error : std::numeric_limits<double>::infinity();
}

}  // namespace detail

/// Checks the gradients of a network (a layer is checked as Network<Input<…>, Layer>) with a loss over a batch of
/// Samples samples in tiles of S: every input element and every parameter, in training mode, dropout's masks held
/// fixed; and its outputs in evaluation. The default has a full and a ragged tile. Of a network of sequences Samples are the
/// tokens, of sequences of 1, 3, 10, 2 and so on, in tiles of S or as many as the longest needs. Throws Error where a
/// layer reads what executors do not provide.
template <class Net, int Samples = 3, int S = 2, class Loss = DotProduct>
[[nodiscard]] GradientCheck check_gradients(Loss const& loss = {}, std::uint64_t seed = 1, double step = 1e-5) {
    using Checked = detail::checked_network<Net, Samples>;
    constexpr std::size_t inputs = Net::has_ids ? 0 : static_cast<std::size_t>(Samples * Net::InputShape::size);
    Random random(seed, Purpose::user);
    auto const bound = detail::loss_of<Checked>(loss);
    detail::PoisonedPass<Checked, std::remove_const_t<decltype(bound)>, Samples, S> pass(bound, random);
    auto const parameters = pass.model.parameters();
    detail::fill_distinct(parameters.first(inputs), random);
    // Away from special values such as BatchNorm's ones and zeros.
    for (double& p : parameters.subspan(inputs)) p += random.uniform(-0.25, 0.25);

    audit_bodies(pass.model, "layers.");
    pass.run();
    std::vector<double> const backward = pass.gradient;
    GradientCheck worst;
    worst.elements = static_cast<int>(parameters.size());
    std::size_t worst_at = 0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        double const value = parameters[i];
        parameters[i] = value + step;
        double const above = pass.run();
        parameters[i] = value - step;
        double const below = pass.run();
        parameters[i] = value;
        double const difference = (above - below) / (2 * step);
        double const error = detail::relative_error(backward[i], difference);
        if (i > 0 && error <= worst.error) continue;
        worst_at = i;
        worst.error = error;
        worst.backward = backward[i];
        worst.difference = difference;
    }
    if (worst_at < inputs) {
        constexpr auto size = static_cast<std::size_t>(Net::InputShape::size);
        worst.where = concatenate("input[", worst_at / size, ", ", worst_at % size, "]");
    } else {
        for (auto const& tensor : pass.model.tensors()) {
            auto const* const first = static_cast<double const*>(tensor.data);
            if (tensor.type != DataType::float64 || parameters.data() + worst_at < first ||
                parameters.data() + worst_at >= first + tensor.size())
                continue;
            worst.where = concatenate(tensor.name.substr(std::string_view("layers.").size()), "[",
                                      parameters.data() + worst_at - first, "]");
        }
    }
    if constexpr (detail::evaluates_as_it_trains<Net>()) {
        pass.run();
        std::vector<double> const trained = pass.outputs;
        pass.evaluate();
        for (std::size_t i = 0; i < trained.size(); ++i)
            if (double const error = detail::relative_error(trained[i], pass.outputs[i]); error > worst.error) {
                constexpr auto size = static_cast<std::size_t>(Net::OutputShape::size);
                worst.error = error;
                worst.where = concatenate("output[", i / size, ", ", i % size, "] in evaluation");
                worst.backward = trained[i];
                worst.difference = pass.outputs[i];
            }
    }
    return worst;
}

}  // namespace strata::inline STRATA_ABI
