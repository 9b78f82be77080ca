// Whether data fit a network: flat numbers, compiled once and not once a network type.
#pragma once

#include <algorithm>

#include "../backend/backend.hpp"
#include "../backend/id_check.hpp"
#include "../data/dataset.hpp"
#include "../loss/losses.hpp"

namespace strata::inline STRATA_ABI {

/// A sample of a batch in words, as it is called in its dataset too where that is known; that of a column, and which one
/// of a sequence it is; and what a label belongs to.
std::string name_of_sample(Batch const& batch, std::int64_t sample);
std::string name_of_column(Batch const& batch, std::int64_t column);
std::string name_of_answer(Batch const& batch, std::int64_t answer);

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
    int heads = 0;                             ///< that classify
    Head labels_of[8] = {};                    ///< those
    bool needs_both = false;                   ///< labels and targets
    int longest = 0;                           ///< tokens of a sequence; 0: samples are none
    bool answers_tokens = false;               ///< an output a token, not a sequence
    std::span<detail::IdPart const> ids = {};  ///< where a sample's ids are
    static constexpr std::int64_t no_label = (std::numeric_limits<std::int64_t>::min)();

    /// Numbers of a sample's targets that the loss reads.
    [[nodiscard]] int targets() const { return classifies && !needs_both ? 0 : outputs; }

    void check(SampleShape got, char const* who) const;
    void check_samples(Dataset const& data, char const* who) const;
    void check(Dataset const& data, char const* who) const;
    void check(Batch const& batch, char const* who) const;

private:
    void check_answers(bool of_tokens, char const* who) const;
    void check_ids(Dataset const& data, char const* who) const;
    void check_heads(Batch const& batch, char const* who) const;
    void check_places(int got, char const* who) const;
    [[nodiscard]] std::string place_text(std::int64_t place) const;
};

/// What training `Net` with a loss asks.
template <class Net, class Loss>
constexpr InputCheck input_check_of(Loss const& loss) {
    using In = typename Net::InputShape;
    InputCheck check{{1, 1, In::size}, In::rank == 1, Net::OutputShape::size, Loss::classifies};
    if constexpr (In::rank == 3) check.shape = {In::template extent<0>, In::template extent<1>, In::template extent<2>};
    if constexpr (In::rank == 2) check.shape = {In::template extent<0>, 1, In::template extent<1>};
    check.longest = Net::longest_sequence;
    check.ids = Net::id_parts;
    check.answers_tokens = Net::has_sequences && !Net::answers_sequences;
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
    auto const search = [&](char const* what, void const* numbers, DataType type, std::size_t size, bool inputs) {
        auto const at = [&](std::size_t i) {
            return type == DataType::float64   ? static_cast<double const*>(numbers)[i]
                   : type == DataType::float32 ? static_cast<double>(static_cast<float const*>(numbers)[i])
                                               : 0.0;
        };
        int const rows = inputs ? batch.columns() : batch.answers();
        std::size_t const pixels = batch.shape.size() / static_cast<std::size_t>(batch.shape.channels);
        for (std::size_t i = 0; i < size * static_cast<std::size_t>(rows); ++i) {
            auto stored = static_cast<Compute>(at(i));
            std::size_t const channel = i % size / pixels;
            if (inputs && batch.scale)
                stored =
                    stored * static_cast<Compute>(batch.scale[channel]) + static_cast<Compute>(batch.shift[channel]);
            if (!is_finite(static_cast<Compute>(static_cast<T>(stored))))
                return concatenate("the ", what, " of ",
                                   inputs ? name_of_column(batch, static_cast<std::int64_t>(i / size))
                                          : name_of_answer(batch, static_cast<std::int64_t>(i / size)),
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

#ifndef STRATA_FILES
#include "input_check.ipp"
#endif
