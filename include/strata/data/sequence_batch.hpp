// SequenceBatch: sequences in a caller's arrays as a batch, for inference and for training steps of one's own.
#pragma once

#include <algorithm>

#include "dataset.hpp"

namespace strata::inline STRATA_ABI {

/// Tokens [tokens][shape] of float, double or uint8 (divided by 255), or of ids, and the lengths of the sequences, as a batch while the
/// array lives: `model(SequenceBatch(tokens, {64}, Lengths(lengths)), workspace)`, with labels of sequences or of tokens
/// `trainer.train_step(SequenceBatch(tokens, {64}, Lengths(lengths), labels))`. Throws Error as from_memory does.
template <class X>
class SequenceBatch {
    static_assert(detail::SampleArray<X>,
                  "SequenceBatch: the tokens are float, double or uint8 (ids int32, uint16 or uint8), in a vector, "
                  "span, array or matrix whose rows are "
                  "tokens");
    using Element = typename detail::access_of<X>::Element;

public:
    SequenceBatch(X const& tokens, SampleShape shape, Lengths const& lengths) : tokens_(tokens) {
        std::size_t const size = shape.size();
        detail::check_columns(tokens_.columns, size, "SequenceBatch");
        if (size == 0 || tokens_.size % size != 0)
            fail("SequenceBatch: ", tokens_.size, " values are no whole number of tokens of ", size);
        starts_ = detail::starts_of(lengths, tokens_.size / size, "SequenceBatch");
        batch_.size = static_cast<int>(lengths.values.size());
        batch_.shape = shape;
        batch_.type = data_type_of<Element>;
        batch_.inputs = tokens_.data;
        batch_.starts = starts_.data();
        if constexpr (std::is_same_v<Element, std::uint8_t>) {
            factors_ = AlignedVector<double>(2 * static_cast<std::size_t>(shape.channels), 0);
            std::fill_n(factors_.data(), shape.channels, 1 / 255.0);
            batch_.scale = factors_.data();
            batch_.shift = factors_.data() + shape.channels;
        }
    }
    SequenceBatch(X const& tokens, SampleShape shape, Lengths const& lengths, Labels const& labels)
        : SequenceBatch(tokens, shape, lengths) {
        std::size_t const count = labels.values.size();
        batch_.answers_columns = count != static_cast<std::size_t>(batch_.size);
        if (batch_.answers_columns && count != static_cast<std::size_t>(batch_.columns()))
            fail("SequenceBatch: got ", count, " labels for ", batch_.size, " sequences of ", batch_.columns(),
                 " tokens");
        labels_ = AlignedVector<std::int32_t>(count);
        for (std::size_t i = 0; i < count; ++i) {
            labels_[i] = static_cast<std::int32_t>(labels.values[i]);
            if (labels_[i] != labels.values[i])
                fail("SequenceBatch: label ", labels.values[i], " is the number of no class");
        }
        batch_.labels = labels_.data();
    }
    SequenceBatch(SequenceBatch const&) = delete;
    SequenceBatch& operator=(SequenceBatch const&) = delete;

    [[nodiscard]] Batch const& batch() const { return batch_; }
    operator Batch const&() const { return batch_; }  // NOLINT(google-explicit-constructor): it is one

private:
    detail::ArrayElements<Element> tokens_;
    AlignedVector<std::int32_t> starts_, labels_;
    AlignedVector<double> factors_;
    Batch batch_;
};

}  // namespace strata::inline STRATA_ABI
