// Whether data fit a network: flat numbers, compiled once and not once a network type.
#pragma once

#include "../backend/backend.hpp"
#include "../data/dataset.hpp"
#include "../loss/losses.hpp"

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
    int classes = outputs;                 ///< of labels
    int places = 1;                        ///< labels that a sample has
    int columns = 1;                       ///< places in a row of them
    std::int64_t ignore_index = no_label;  ///< a label that the loss leaves out
    /// Labels of a sample, of the heads of a network that has them: each head has some columns of the row.
    struct Head {
        std::string_view name;
        int classes = 0, first = 0, count = 0;
        std::int64_t ignore_index = no_label;
    };
    int heads = 0;            ///< that classify
    Head labels_of[8] = {};   ///< those
    bool needs_both = false;  ///< labels and targets
    static constexpr std::int64_t no_label = (std::numeric_limits<std::int64_t>::min)();

    /// Numbers of a sample's targets that the loss reads.
    [[nodiscard]] int targets() const { return classifies && !needs_both ? 0 : outputs; }

    STRATA_COLD void check(SampleShape got, char const* who) const {
        if (got == shape || (flat && got.size() == shape.size())) return;
        std::string const wanted =
            flat ? concatenate(shape.size()) : concatenate(shape.channels, " x ", shape.height, " x ", shape.width);
        bool const lines = !flat && got == SampleShape{shape.channels, shape.width, shape.height} && shape.height == 1;
        fail(who, ": the data's samples are ", got.channels, " x ", got.height, " x ", got.width,
             ", the network's input is ", wanted,
             lines ? concatenate(": give lines the shape {", shape.channels, ", 1, ", shape.width, "}") : "");
    }
    STRATA_COLD void check(Dataset const& data, char const* who) const {
        if (data.size() == 0) fail(who, ": the dataset is empty");
        check(data.shape(), who);
        if (!classifies || needs_both) {
            if (data.outputs() == 0)
                fail(who, ": the loss needs targets, the dataset has ", data.classes() > 0 ? "labels" : "none");
            if (data.outputs() != outputs)
                fail(who, ": the dataset has ", data.outputs(), " target values a sample, the network ", outputs,
                     needs_both ? " outputs that are no scores of classes" : " outputs");
            if (!needs_both) return;
        }
        if (data.classes() == 0)
            fail(who, ": the loss needs labels, the dataset has ", data.outputs() > 0 ? "targets" : "none");
        check_places(data.labels_per_sample(), who);
        if (heads > 0) {  // whose labels are looked at batch by batch
            bool known = !data.has_ignored();
            for (int h = 0; h < heads; ++h) known = known || labels_of[h].ignore_index == data.ignore_index();
            if (!known)
                fail(who, ": the dataset has labels ", data.ignore_index(),
                     ", to be ignored, which is the ignore_index of no head's loss");
            return;
        }
        if (data.classes() > classes)
            fail(who, ": the dataset has ", data.classes(), " classes, the network ", classes,
                 places > 1 ? " channels of outputs" : " outputs");
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
        for (int i = 0; batch.weights && i < batch.size; ++i)
            if (!is_finite(batch.weights[i]) || !(batch.weights[i] >= 0))
                fail(who, ": the weight of ", name_of_sample(batch, i), " is ", batch.weights[i],
                     ", expected a finite one of at least 0");
        if (!classifies || needs_both) {
            if (!batch.targets) fail(who, ": the loss needs targets, the batch has ", batch.labels ? "labels" : "none");
            if (!needs_both) return;
        }
        if (!batch.labels) fail(who, ": the loss needs labels, the batch has ", batch.targets ? "targets" : "none");
        check_places(batch.labels_per_sample, who);
        if (heads > 0) return check_heads(batch, who);
        std::int64_t const count = std::int64_t{batch.size} * places;
        auto const wrong = [&](std::int32_t label) {
            return static_cast<unsigned>(label < 0) | static_cast<unsigned>(label >= classes);
        };
        unsigned any = 0;  // most batches have none, and pixels are many
        for (std::int64_t i = 0; i < count; ++i) any |= wrong(batch.labels[i]);
        for (std::int64_t i = 0; any != 0 && i < count; ++i)
            if (wrong(batch.labels[i]) != 0 && batch.labels[i] != ignore_index)
                fail(who, ": label ", batch.labels[i], " of ", name_of_sample(batch, i / places),
                     place_text(i % places), ", expected 0 to ", classes - 1);
    }

private:
    STRATA_COLD void check_heads(Batch const& batch, char const* who) const {
        for (int h = 0; h < heads; ++h)
            for (std::int64_t i = 0; i < std::int64_t{batch.size} * labels_of[h].count; ++i) {
                Head const& head = labels_of[h];
                std::int64_t const sample = i / head.count, place = i % head.count;
                std::int32_t const label = batch.labels[sample * places + head.first + place];
                if ((label < 0 || label >= head.classes) && label != head.ignore_index)
                    fail(who, ": label ", label, " of ", head.name, " of ", name_of_sample(batch, sample),
                         head.count > 1 ? concatenate(" at place ", place) : std::string(), ", expected 0 to ",
                         head.classes - 1);
            }
    }
    STRATA_COLD void check_places(int got, char const* who) const {
        if (got == places) return;
        if (heads > 0)
            fail(who, ": a sample has ", got, got == 1 ? " label" : " labels", ", the network's heads take ", places);
        if (places == 1) fail(who, ": a sample has ", got, " labels, the network's output is flat and takes one");
        fail(who, ": a sample has ", got, got == 1 ? " label" : " labels", ", the network's output takes ",
             places / columns, " x ", columns, ", one a place: for one label a sample end it in Linear or Flatten");
    }
    [[nodiscard]] STRATA_COLD std::string place_text(std::int64_t place) const {
        if (places == 1) return {};
        return concatenate(" at row ", place / columns, ", column ", place % columns);
    }
};

/// What training `Net` with a loss asks.
template <class Net, class Loss>
constexpr InputCheck input_check_of(Loss const& loss) {
    using In = typename Net::InputShape;
    InputCheck check{{1, 1, In::size}, In::rank == 1, Net::OutputShape::size, Loss::classifies};
    if constexpr (In::rank == 3) check.shape = {In::template extent<0>, In::template extent<1>, In::template extent<2>};
    if constexpr (In::rank == 2) check.shape = {In::template extent<0>, 1, In::template extent<1>};
    if constexpr (detail::is_head_losses<Loss>) {
        check.outputs = Loss::targets;
        check.places = (std::max)(1, Loss::labels);
        check.needs_both = Loss::classifies && Loss::targets > 0;
        Loss::for_each_head([&]<int Index>() {
            using One = typename Loss::template LossOf<Index>;
            using Shape = typename Loss::template ShapeOf<Index>;
            if constexpr (One::classifies) {
                auto& head = check.labels_of[check.heads++];
                head = {loss.template at<Index>().name, detail::row_shape<One, Shape>::size, Loss::labels_before(Index),
                        detail::places_of<One, Shape>};
                if constexpr (IgnoresLabels<One>) head.ignore_index = loss.template at<Index>().loss.ignore_index;
            }
        });
        if (check.heads == 1) check.ignore_index = check.labels_of[0].ignore_index;
        return check;
    }
    check.classes = detail::row_shape<Loss, typename Net::OutputShape>::size;
    check.places = detail::places_of<Loss, typename Net::OutputShape>;
    check.columns = check.places > 1 ? Net::OutputShape::columns : 1;
    if constexpr (IgnoresLabels<Loss>) check.ignore_index = loss.ignore_index;
    return check;
}

/// The first sample of a batch of which a number, as a network stores it in a T, is not finite, in words; empty where
/// all are. Doubles may be finite and still too large.
template <class T>
STRATA_COLD std::string non_finite_sample(Batch const& batch, int targets) {
    using Compute = std::conditional_t<std::is_floating_point_v<T>, T, float>;
    if (batch.whole) return non_finite_sample<T>(*batch.whole, targets);
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
    if (text.empty() && batch.targets && targets > 0)
        text = search("target", batch.targets, batch.target_type, static_cast<std::size_t>(targets), false);
    return text;
}

}  // namespace strata::inline STRATA_ABI
