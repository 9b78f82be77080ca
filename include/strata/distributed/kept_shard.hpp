// What a rank keeps of parameters and gradients where ranks share them, and what it gathers while it works.
#pragma once

#include <utility>

#include "../core/aligned.hpp"
#include "communicator.hpp"
#include "owned_parts.hpp"

namespace strata::inline STRATA_ABI::detail {

/// This rank's parts of the parameters and of a batch's gradient, and the parameters of a few neighbouring layers from all
/// ranks (ZeRO 3, Rajbhandari et al. 2020), while the next ones come.
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

    /// Where gathered parameters go: to their places in an arena of all of them, or (null) to memory of the shard's own.
    void gather_into(Scalar* all) { all_ = all; }
    /// Begins to gather parameters from all ranks, beside those that are open.
    template <Communicator C>
    STRATA_COLD void post_gather(C& communicator, OwnedParts const& parts, OwnedRange numbers) {
        auto& next = gathered_[1 - open_];
        if (!all_ && next.size() < numbers.size()) next = AlignedVector<Scalar>(numbers.size());
        Scalar* const first = all_ ? all_ + numbers.begin : next.data();
        coming_ = numbers;
        arrived_ = false;
        parts.for_each_piece(numbers, [&](int rank, int index, OwnedRange piece) {
            std::span const to(first + (piece.begin - numbers.begin), piece.size());
            if (rank != parts.rank()) return communicator.post_receive(rank, std::as_writable_bytes(to));
            std::span const own(parameters_.data() + parts.place(index) + (piece.begin - parts.part(index).begin),
                                piece.size());
            std::copy_n(own.data(), own.size(), to.data());
            for (int distance = 1; distance < parts.ranks(); ++distance)
                communicator.post_send((rank + distance) % parts.ranks(), std::as_bytes(own));
        });
    }
    /// The communicator has done all that was posted.
    void arrive() { arrived_ = true; }
    [[nodiscard]] bool has_arrived(OwnedRange numbers) const { return arrived_ && numbers == coming_; }
    /// Those that have arrived are open.
    void open() {
        open_ = 1 - open_;
        opened_ = std::exchange(coming_, OwnedRange{0, 0});
    }
    [[nodiscard]] bool is_open(OwnedRange numbers) const { return numbers == opened_; }
    [[nodiscard]] bool is_coming(OwnedRange numbers) const { return numbers == coming_; }
    [[nodiscard]] Scalar const* opened() const { return all_ ? all_ + opened_.begin : gathered_[open_].data(); }
    /// What was gathered is old.
    void close() { opened_ = coming_ = {0, 0}; }
    [[nodiscard]] std::size_t memory_bytes() const {
        return (parameters_.size() + gathered_[0].size() + gathered_[1].size()) * sizeof(Scalar) +
               gradient_.size() * sizeof(Gradient);
    }

private:
    AlignedVector<Scalar> parameters_;
    AlignedVector<Scalar> gathered_[2];  // in turn
    int open_ = 0;
    Scalar* all_ = nullptr;
    AlignedVector<Gradient> gradient_;
    OwnedRange opened_{0, 0}, coming_{0, 0};
    bool arrived_ = false;
};

}  // namespace strata::inline STRATA_ABI::detail
