// What a rank keeps of parameters and gradients where ranks share them, and what it gathers while it works.
#pragma once

#include "../core/aligned.hpp"
#include "communicator.hpp"
#include "owned_parts.hpp"

namespace strata::inline STRATA_ABI::detail {

/// This rank's parts of the parameters and of a batch's gradient. In gather, parameters of a few neighbouring layers come
/// from all ranks (ZeRO 3, Rajbhandari et al. 2020); all_to is for whole models.
template <class Scalar, class Gradient>
class KeptShard {
public:
    /// Empties it: for other ranks.
    void deal(OwnedParts const& parts) {
        parameters_ = {};
        gradient_ = AlignedVector<Gradient>(parts.size());
        close();
    }
    /// This rank's parameters are those of a whole model.
    void take(OwnedParts const& parts, Scalar const* all) {
        if (parameters_.size() != parts.size()) parameters_ = AlignedVector<Scalar>(parts.size());
        parts.copy_own(all, parameters_.data());
        close();
    }
    /// The same for the batch's gradient.
    void take_gradient(OwnedParts const& parts, Gradient const* all) { parts.copy_own(all, gradient_.data()); }
    [[nodiscard]] std::span<Scalar> parameters() { return {parameters_.data(), parameters_.size()}; }
    [[nodiscard]] std::span<Scalar const> parameters() const { return {parameters_.data(), parameters_.size()}; }
    [[nodiscard]] std::span<Gradient> gradient() { return {gradient_.data(), gradient_.size()}; }
    [[nodiscard]] std::span<Gradient const> gradient() const { return {gradient_.data(), gradient_.size()}; }

    /// Parameters from all ranks; nothing is done where they are here. Throws RankLost.
    template <Communicator C>
    STRATA_COLD void gather(C& communicator, OwnedParts const& parts, OwnedRange numbers) {
        if (numbers == gathered_range_) return;
        close();
        if (gathered_.size() < numbers.size()) gathered_ = AlignedVector<Scalar>(numbers.size());
        parts.for_each_piece(numbers, [&](int rank, int index, OwnedRange piece) {
            std::span const to(gathered_.data() + (piece.begin - numbers.begin), piece.size());
            if (rank != parts.rank()) return communicator.post_receive(rank, std::as_writable_bytes(to));
            std::span const own(parameters_.data() + parts.place(index) + (piece.begin - parts.part(index).begin),
                                piece.size());
            std::copy_n(own.data(), own.size(), to.data());
            for (int distance = 1; distance < parts.ranks(); ++distance)
                communicator.post_send((rank + distance) % parts.ranks(), std::as_bytes(own));
        });
        communicator.wait();
        gathered_range_ = numbers;
    }
    [[nodiscard]] Scalar const* gathered() const { return gathered_.data(); }
    /// What was gathered is old.
    void close() { gathered_range_ = {0, 0}; }
    [[nodiscard]] std::size_t memory_bytes() const {
        return (parameters_.size() + gathered_.size()) * sizeof(Scalar) + gradient_.size() * sizeof(Gradient);
    }

private:
    AlignedVector<Scalar> parameters_, gathered_;
    AlignedVector<Gradient> gradient_;
    OwnedRange gathered_range_{0, 0};
};

}  // namespace strata::inline STRATA_ABI::detail
