// Whether data fit a network: flat numbers, compiled once and not once a network type.
#pragma once

#include <cmath>

#include "../backend/backend.hpp"
#include "../data/dataset.hpp"

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
    SampleShape shape;  ///< of one sample
    bool flat;          ///< a flat network takes images of as many values
    int outputs;        ///< of the network
    bool classifies;    ///< labels are wanted, else targets

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
            if (batch.labels[i] < 0 || batch.labels[i] >= outputs)
                fail(who, ": label ", batch.labels[i], " of ", name_of_sample(batch, i), ", expected 0 to ",
                     outputs - 1);
    }
};

/// What training `Net` with `Loss` asks.
template <class Net, class Loss>
inline constexpr InputCheck input_check_of{[] {
                                               using In = typename Net::InputShape;
                                               if constexpr (In::rank == 3)
                                                   return SampleShape{In::template extent<0>, In::template extent<1>,
                                                                      In::template extent<2>};
                                               else
                                                   return SampleShape{1, 1, In::size};
                                           }(),
                                           Net::InputShape::rank == 1, Net::OutputShape::size, Loss::classifies};

/// Index of the first sample of a batch that holds a number that is not finite, -1 where there is none.
inline std::int64_t first_non_finite_sample(Batch const& batch) {
    if (batch.type == DataType::uint8) return -1;
    std::size_t const size = batch.shape.size();
    for (std::size_t i = 0; i < size * static_cast<std::size_t>(batch.size); ++i) {
        bool const finite = batch.type == DataType::float32
                                ? std::isfinite(static_cast<float const*>(batch.inputs)[i])
                                : std::isfinite(static_cast<double const*>(batch.inputs)[i]);
        if (!finite) return static_cast<std::int64_t>(i / size);
    }
    return -1;
}

}  // namespace strata::inline STRATA_ABI
