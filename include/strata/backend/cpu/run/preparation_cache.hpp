// Inference keeps what its kernels make of the parameters (Winograd's transformed weights) from batch to batch: for a
// single sample that may cost as much as the convolution itself. Models do not tell when their numbers change, so the
// parameters are compared with those that it was made of, which takes a hundredth of the time.
#pragma once

#include <cstring>
#include <utility>

#include "../step/program_step.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The parameters that were prepared, of the steps that prepare any.
template <class Precision, class Loss>
class PreparationCache {
public:
    using Scalar = typename Precision::master;
    using Steps = std::span<ProgramStep<Precision, Loss> const>;

    static constexpr std::size_t size_of(Steps steps) {
        std::size_t sum = 0;
        for (auto const& step : steps)
            if (step.preparation.size > 0) sum += static_cast<std::size_t>(step.parameters.count);
        return sum;
    }

    explicit PreparationCache(std::size_t size) : parameters_(size) {}
    [[nodiscard]] std::size_t size() const { return parameters_.size(); }

    /// The memory of what is prepared is used for something else.
    void forget() { samples_ = 0; }
    /// Whether `parameters`, and those in the model's buffers that are Frozen, were prepared for tiles of so many samples.
    /// If not, they have to be now.
    STRATA_ONE_COPY bool is_ready(Steps steps, Scalar const* parameters, Scalar const* frozen, int samples) {
        bool same = std::exchange(samples_, samples) == samples;
        Scalar* then = parameters_.data();
        for (auto const& step : steps) {
            if (step.preparation.size == 0) continue;
            Scalar const* const now = (step.parameters.frozen ? frozen : parameters) + step.offsets.parameters;
            std::size_t const bytes = static_cast<std::size_t>(step.parameters.count) * sizeof(Scalar);
            if (!same || std::memcmp(then, now, bytes) != 0) {
                same = false;
                std::memcpy(then, now, bytes);
            }
            then += step.parameters.count;
        }
        return same;
    }

private:
    AlignedVector<Scalar> parameters_;
    int samples_ = 0;  // 0: nothing is prepared
};

}  // namespace strata::inline STRATA_ABI::detail
