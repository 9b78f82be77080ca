// Whether data fit a network: flat numbers, compiled once and not once a network type.
#pragma once

#include "../backend/backend.hpp"
#include "../data/dataset.hpp"
#include "../loss/loss_mean.hpp"

namespace strata::inline STRATA_ABI {

/// A sample of a batch in words, as it is called in its dataset too where that is known.
STRATA_COLD inline std::string name_of_sample(Batch const& batch, std::int64_t sample) {
    auto name = concatenate("sample ", sample, " of the batch");
    if (batch.indices) name += concatenate(" (sample ", batch.indices[sample], " of the dataset)");
    return name;
}

/// What a network and its loss ask of samples, labels and targets. Every check throws Error
/// that says what was expected.
struct InputCheck {
    SampleShape shape;                     ///< of one sample
    bool flat;                             ///< a flat network takes images of as many values
    int outputs;                           ///< of the network
    bool classifies;                       ///< labels are wanted, else targets
    std::int64_t ignore_index = no_label;  ///< a label that the loss leaves out
    static constexpr std::int64_t no_label = (std::numeric_limits<std::int64_t>::min)();

    STRATA_COLD void check(SampleShape got, char const* who) const {
        if (got == shape || (flat && got.size() == shape.size())) return;
        std::string const wanted =
            flat ? concatenate(shape.size()) : concatenate(shape.channels, " x ", shape.height, " x ", shape.width);
        fail(who, ": the data's samples are ", got.channels, " x ", got.height, " x ", got.width,
             ", the network's input is ", wanted);
    }
    STRATA_COLD void check(Dataset const& data, char const* who) const {
        if (data.size() == 0) fail(who, ": the dataset is empty");
        check(data.shape(), who);
        if (!classifies) {
            if (data.outputs() == 0)
                fail(who, ": the loss needs targets, the dataset has ", data.classes() > 0 ? "labels" : "none");
            if (data.outputs() != outputs)
                fail(who, ": the dataset has ", data.outputs(), " target values a sample, the network ", outputs,
                     " outputs");
            return;
        }
        if (data.classes() == 0)
            fail(who, ": the loss needs labels, the dataset has ", data.outputs() > 0 ? "targets" : "none");
        if (data.classes() > outputs)
            fail(who, ": the dataset has ", data.classes(), " classes, the network ", outputs, " outputs");
        if (data.has_ignored() && data.ignore_index() != ignore_index) {
            auto const its = ignore_index == no_label ? std::string("none") : concatenate(ignore_index);
            fail(who, ": the dataset has labels ", data.ignore_index(), ", to be ignored, the loss's ignore_index is ",
                 its);
        }
    }
    void check(Batch const& batch, char const* who) const {
        if (batch.size < 1) fail(who, ": a batch of ", batch.size, " samples, expected at least 1");
        check(batch.shape, who);
        check_batch_memory(batch, who);
        if (!classifies) {
            if (!batch.targets) fail(who, ": the loss needs targets, the batch has ", batch.labels ? "labels" : "none");
            return;
        }
        if (!batch.labels) fail(who, ": the loss needs labels, the batch has ", batch.targets ? "targets" : "none");
        for (int i = 0; i < batch.size; ++i)
            if ((batch.labels[i] < 0 || batch.labels[i] >= outputs) && batch.labels[i] != ignore_index)
                fail(who, ": label ", batch.labels[i], " of ", name_of_sample(batch, i), ", expected 0 to ",
                     outputs - 1);
    }
};

/// What training `Net` with a loss asks.
template <class Net, class Loss>
constexpr InputCheck input_check_of(Loss const& loss) {
    using In = typename Net::InputShape;
    InputCheck check{{1, 1, In::size}, In::rank == 1, Net::OutputShape::size, Loss::classifies};
    if constexpr (In::rank == 3) check.shape = {In::template extent<0>, In::template extent<1>, In::template extent<2>};
    if constexpr (In::rank == 2) check.shape = {In::template extent<0>, 1, In::template extent<1>};
    if constexpr (IgnoresLabels<Loss>) check.ignore_index = loss.ignore_index;
    return check;
}

/// The first sample of a batch of which a number, as a network stores it in a T, is not finite, in words; empty where
/// all are. Doubles may be finite and still too large.
template <class T>
STRATA_COLD std::string non_finite_sample(Batch const& batch, int outputs) {
    using Compute = std::conditional_t<std::is_floating_point_v<T>, T, float>;
    auto const search = [&](char const* what, void const* numbers, DataType type, std::size_t size, bool scaled) {
        auto const at = [&](std::size_t i) {
            return type == DataType::float64   ? static_cast<double const*>(numbers)[i]
                   : type == DataType::float32 ? static_cast<double>(static_cast<float const*>(numbers)[i])
                                               : 0.0;
        };
        std::size_t const pixels = batch.shape.size() / static_cast<std::size_t>(batch.shape.channels);
        for (std::size_t i = 0; i < size * static_cast<std::size_t>(batch.size); ++i) {
            auto stored = static_cast<Compute>(at(i));
            std::size_t const channel = i % size / pixels;
            if (scaled && batch.scale)
                stored =
                    stored * static_cast<Compute>(batch.scale[channel]) + static_cast<Compute>(batch.shift[channel]);
            if (!is_finite(static_cast<Compute>(static_cast<T>(stored))))
                return concatenate("the ", what, " of ", name_of_sample(batch, static_cast<std::int64_t>(i / size)),
                                   is_finite(at(i)) ? " is too large for the network's numbers" : " is not finite");
        }
        return std::string();
    };
    auto text = search("input", batch.inputs, batch.type, batch.shape.size(), true);
    if (text.empty() && batch.targets)
        text = search("target", batch.targets, batch.target_type, static_cast<std::size_t>(outputs), false);
    return text;
}

}  // namespace strata::inline STRATA_ABI
