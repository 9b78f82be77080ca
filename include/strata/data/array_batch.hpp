// ArrayBatch: a batch made of a caller's arrays, for a training step of one's own.
#pragma once

#include "array_view.hpp"

namespace strata::inline STRATA_ABI {

/// Samples [N][C][H][W] of float, double or uint8 (divided by 255), or of ids, and labels [N], or [N][places], of any integer type, or
/// targets [N][outputs] of float or double, as a batch while the arrays live. Nothing is copied but labels that are not int32
/// and matrices whose rows do not lie one behind the other. Throws Error that begins with `who` where the numbers are
/// not as many as the shapes say.
template <class X, class Y>
class ArrayBatch {
    static constexpr bool samples_fit = detail::SampleArray<X>, has_targets = detail::ArrayOf<Y, float, double>,
                          has_labels = std::is_constructible_v<Labels, Y const&>;
    static_assert(
        samples_fit && (has_targets || has_labels),
        "a step on arrays: the samples are float, double or uint8 (ids int32, uint16 or uint8), the labels "
        "integers, or the targets float or double; each a vector, span, array or matrix whose rows are samples");

public:
    /// `wanted` is what a network asks for: the shape of a sample, its outputs, and its places, each with a label.
    template <class Wanted>
    ArrayBatch(X const& samples, Y const& answers, Wanted const& wanted, char const* who)
        : samples_(samples), answers_(answers) {
        int const outputs = wanted.outputs, places = wanted.places;
        SampleShape const shape = wanted.shape;
        batch_.shape = shape;
        batch_.type = data_type_of<Sample>;
        batch_.inputs = samples_.data;
        detail::check_columns(samples_.columns, shape.size(), who);
        if constexpr (std::is_same_v<Sample, std::uint8_t>) {
            auto const channels = static_cast<std::size_t>(shape.channels);
            scale_ = AlignedVector<double>(channels, 1 / 255.0);
            shift_ = AlignedVector<double>(channels, 0);
            batch_.scale = scale_.data();
            batch_.shift = shift_.data();
        }
        if constexpr (has_targets) {
            detail::check_columns(answers_.columns, static_cast<std::size_t>(outputs), who, "targets of a sample");
            batch_.target_type = data_type_of<typename detail::access_of<Y>::Element>;
            batch_.targets = answers_.data;
            batch_.size = count_of_targets(answers_.size, static_cast<std::size_t>(outputs), who);
        } else {
            batch_.labels_per_sample = places;
            batch_.labels = answers_.labels(static_cast<std::size_t>(places), who);
            batch_.size = count_of_labels(answers_.size, static_cast<std::size_t>(places), who);
        }
    }
    ArrayBatch(ArrayBatch const&) = delete;
    ArrayBatch& operator=(ArrayBatch const&) = delete;

    [[nodiscard]] Batch const& batch() const { return batch_; }

private:
    using Sample = typename detail::access_of<X>::Element;

    /// Labels as int32, where they are if they are that.
    struct LabelElements {
        explicit LabelElements(Y const& array) {
            if constexpr (detail::ArrayOf<Y, std::int32_t>) {
                using Access = detail::access_of<Y>;
                size = Access::size(array);
                data = Access::data(array);
                if (data || size == 0) return;
            }
            wide = Labels(array).values;
            size = wide.size();
        }
        STRATA_COLD std::int32_t const* labels(std::size_t places, char const* who) {
            if (wide.empty()) return data;
            narrow = AlignedVector<std::int32_t>(size);
            for (std::size_t i = 0; i < size; ++i) {
                narrow[i] = static_cast<std::int32_t>(wide[i]);
                if (narrow[i] != wide[i])
                    fail(who, ": label ", wide[i], " of sample ", i / places,
                         " of the batch is the number of no class");
            }
            return narrow.data();
        }
        std::size_t size = 0;
        std::int32_t const* data = nullptr;
        AlignedVector<std::int64_t> wide;
        AlignedVector<std::int32_t> narrow;
    };
    template <bool Targets>
    struct AnswersOf {
        using type = LabelElements;
    };
    template <bool Targets>
    requires Targets
    struct AnswersOf<Targets> {
        using type = detail::ArrayElements<typename detail::access_of<Y>::Element>;
    };

    STRATA_COLD int count_of_labels(std::size_t labels, std::size_t places, char const* who) const {
        std::size_t const values = batch_.shape.size(), count = labels / places;
        if (samples_.size != count * values || labels != count * places)
            fail(who, ": got ", samples_.size, " values for ", labels, " labels, expected ", values, " a sample",
                 places > 1 ? concatenate(" and ", places, " labels") : std::string());
        return checked(count, who);
    }
    STRATA_COLD int count_of_targets(std::size_t targets, std::size_t outputs, char const* who) const {
        std::size_t const values = batch_.shape.size(), count = samples_.size / values;
        if (samples_.size != count * values || targets != count * outputs)
            fail(who, ": got ", samples_.size, " values and ", targets, " target values, expected ", values, " and ",
                 outputs, " a sample");
        return checked(count, who);
    }
    static int checked(std::size_t count, char const* who) {
        if (count > static_cast<std::size_t>((std::numeric_limits<int>::max)()))
            fail(who, ": a batch of ", count, " samples, expected at most ", (std::numeric_limits<int>::max)());
        return static_cast<int>(count);
    }

    detail::ArrayElements<Sample> samples_;
    typename AnswersOf<has_targets>::type answers_;
    AlignedVector<double> scale_, shift_;
    Batch batch_;
};

}  // namespace strata::inline STRATA_ABI
