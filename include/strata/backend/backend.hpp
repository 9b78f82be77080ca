// What every backend shares: the tag of backend policies and the result of a step.
//
// A backend policy is a plain value with a nested template Executor<Net, Precision, Loss>, made from the policy and a
// loss: what concept Executor says, and what of its optional abilities it has. Each backend asserts the concept where it
// defines its executor.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "../core/error.hpp"
#include "../core/operation.hpp"
#include "../core/tensor.hpp"
#include "../optimizer/optimizer.hpp"
#include "update_range.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of backend policies.
struct BackendPolicy {};

/// One of several losses, in a batch or an epoch.
struct LossPart {
    std::string_view name{};                ///< of the head
    double loss = 0;                        ///< mean, as that loss alone has it
    double weight = 0;                      ///< what its sum was divided by
    double factor = 1;                      ///< its weight in the sum of the losses
    std::int64_t correct = 0, counted = 0;  ///< of a head that classifies, labels that are not ignored
    bool classifies = false;

    /// NaN where nothing is classified.
    [[nodiscard]] double accuracy() const {
        return counted > 0 ? static_cast<double>(correct) / static_cast<double>(counted)
                           : std::numeric_limits<double>::quiet_NaN();
    }
    /// Adds what another batch says of the same loss.
    void add(LossPart const& other) {
        double const both = weight + other.weight, sum = loss * weight + other.loss * other.weight;
        *this = {other.name,      both > 0 ? sum / both : 0, both,
                 other.factor,    correct + other.correct,   counted + other.counted,
                 other.classifies};
    }
};
/// The losses of a network that ends in Heads; none of others.
struct LossParts {
    static constexpr int most = 8;
    int count = 0;
    LossPart parts[static_cast<std::size_t>(most)];

    [[nodiscard]] LossPart const* begin() const { return static_cast<LossPart const*>(parts); }
    [[nodiscard]] LossPart const* end() const { return begin() + count; }
    [[nodiscard]] bool empty() const { return count == 0; }
    /// That of a head. Throws Error where no head is called so.
    [[nodiscard]] STRATA_COLD LossPart const& operator[](std::string_view name) const {
        for (LossPart const& part : *this)
            if (part.name == name) return part;
        fail("there is no loss of a head \"", name, "\"");
    }
    /// The sum of the losses, each times its factor.
    [[nodiscard]] double total() const {
        double sum = 0;
        for (LossPart const& part : *this) sum += part.factor * part.loss;
        return sum;
    }
    /// Adds those of another batch.
    STRATA_COLD void add(LossParts const& other) {
        count = other.count;
        for (int k = 0; k < count; ++k) parts[k].add(other.parts[k]);
    }
};

/// What a training or evaluation step says. `loss` is the mean over the batch.
struct StepResult {
    double loss = 0;
    std::int64_t correct = 0;
    int samples = 0;           ///< of sequences the tokens, where the network has an output a token
    bool finite = true;        ///< false: loss, a gradient or a number to be written is NaN or infinite
    std::int64_t ignored = 0;  ///< labels that the loss ignores: not in the loss, nor in `correct`
    double label_weight = -1;  ///< sum of the labels' weights; negative where the loss knows none, all count 1 then
    /// Of train_step's gradient, before it is clipped, where the training has a ClipNorm; else NaN.
    double gradient_norm = std::numeric_limits<double>::quiet_NaN();
    int places = 1;  ///< labels of a sample, each with a part in loss and `correct`
    /// Where the network ends in Heads; `loss` is their sum then, `correct` of the first that classifies.
    LossParts losses = {};

    /// Labels that are not ignored: accuracy is correct / counted().
    [[nodiscard]] std::int64_t counted() const { return std::int64_t{samples} * places - ignored; }
    /// What the sum of the losses was divided by; 0 where no label counts, and `loss` is 0.
    [[nodiscard]] double weight() const { return label_weight < 0 ? static_cast<double>(counted()) : label_weight; }
};

namespace detail {
/// Stands for whatever optimizer a training has: updates are made for all alike.
struct AnyOptimizer {};
}  // namespace detail

/// What a backend runs a network with: has types ModelType and Scalar, of the parameters, and offers
///
///   gradients(model, batch, key)            one training pass: loss, hits, and the gradient of the mean loss
///   gradient()                              that gradient, on the host, which may be changed before update
///   update(model, optimizer, state, step)   one optimizer update with that gradient, and the running statistics; where a
///                                           number would not be finite, nothing but the UpdateFault that says which
///                                           (of a matrix optimizer that clips, gradient() itself stays: clip.hpp)
///   statistics_fault(model)                 the running statistic that would not be finite
///   update_statistics(model)                the running statistics alone
///   evaluate(model, batch, predictions, outputs)    outputs are Precision::compute, as concept Backend asks
///   first_non_finite(model, batch, key)     for messages; without key in evaluation mode
///   load(model, state), store(model, state) to the device and back; nothing on the CPU
///   check_batch(size)                       throws Error where a batch of that size cannot be trained
///   workers(), memory_bytes()               host threads that compute; bytes held
template <class E, class Optimizer = detail::AnyOptimizer>
concept Executor = requires(E& executor, E const& seen, typename E::ModelType& model, typename E::ModelType const& read,
                            Batch const& batch, RandomKey key, Optimizer const& optimizer,
                            std::span<typename E::Scalar> state, OptimizerStep const& step) {
    { executor.gradients(read, batch, key) } -> std::same_as<StepResult>;
    { seen.gradient()[0] } -> std::convertible_to<double>;
    executor.gradient()[0] = seen.gradient()[0];
    { executor.update(model, optimizer, state, step) } -> std::same_as<UpdateFault>;
    { executor.statistics_fault(read) } -> std::same_as<UpdateFault>;
    executor.update_statistics(model);
    { executor.evaluate(read, batch, static_cast<std::int32_t*>(nullptr), nullptr) } -> std::same_as<StepResult>;
    { executor.first_non_finite(read, batch, key) } -> std::same_as<int>;
    { executor.first_non_finite(read, batch) } -> std::same_as<int>;
    executor.load(read, std::span<typename E::Scalar const>(state));
    executor.store(model, state);
    E::check_batch(1);
    { seen.workers() } -> std::convertible_to<int>;
    { seen.memory_bytes() } -> std::convertible_to<std::size_t>;
};

// The optional abilities of executors.

/// gradients() takes a factor of the loss's gradient behind the key.
template <class E>
concept ScalesLoss =
    requires(E& executor, typename E::ModelType const& model, Batch const& batch, RandomKey key, double scale) {
        { executor.gradients(model, batch, key, scale) } -> std::same_as<StepResult>;
    };
/// gradient_norm() is the norm of gradient(); without it that is computed from gradient().
template <class E>
concept KnowsGradientNorm = requires(E& executor) {
    { executor.gradient_norm() } -> std::same_as<double>;
};
/// input_gradients() is [batch][inputs] of the last training pass, for networks that begin with RequiresGrad.
template <class E>
concept GivesInputGradients = requires(E const& executor) {
    { executor.input_gradients()[0] } -> std::convertible_to<double>;
};
/// For Accumulate: a Batch may be a part of a `whole`, over which the loss is a mean; and that loss.
template <class E>
concept TakesParts = requires(E const& executor) {
    requires E::takes_parts;
    executor.loss();
};

/// A backend for one network, precision and loss.
template <class B, class Net, class Precision, class Loss, class Optimizer>
concept Backend = std::same_as<typename B::policy, BackendPolicy> &&
                  Executor<typename B::template Executor<Net, Precision, Loss>, Optimizer> &&
                  std::constructible_from<typename B::template Executor<Net, Precision, Loss>, B, Loss> &&
                  requires(typename B::template Executor<Net, Precision, Loss>& executor,
                           typename B::template Executor<Net, Precision, Loss>::ModelType const& model,
                           Batch const& batch, std::int32_t* predictions, typename Precision::compute* outputs) {
                      { executor.evaluate(model, batch, predictions, outputs) } -> std::same_as<StepResult>;
                  };

namespace detail {
inline constexpr char const* sequences_wanted =
    "the network takes sequences, the samples are single ones: give from_memory their Lengths, or make a SequenceBatch";
inline constexpr char const* no_sequences_wanted =
    "the samples are sequences, the network takes single ones: let it begin with Sequence<Input<...>>";
}  // namespace detail

/// Throws Error that begins with `who` unless the memory of a batch is what executors can read.
inline void check_batch_memory(Batch const& batch, char const* who) {
    if (!batch.inputs) fail(who, ": the batch has no inputs");
    if (batch.type != DataType::uint8 && batch.type != DataType::float32 && batch.type != DataType::float64 &&
        !is_of_ids(batch.type))
        fail(who, ": the batch's type must be uint8, float32 or float64, of ids uint8, uint16 or int32");
    if ((batch.scale == nullptr) != (batch.shift == nullptr)) fail(who, ": the batch has only one of scale and shift");
    if (batch.targets && batch.target_type != DataType::float32 && batch.target_type != DataType::float64)
        fail(who, ": the batch's target_type must be float32 or float64");
}

}  // namespace strata::inline STRATA_ABI
