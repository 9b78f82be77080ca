// The ranks of a training whose workers meet at parameter servers, as a worker's executor sees them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../../backend/cpu/run/batch_layout.hpp"
#include "../../backend/leaf_tree.hpp"
#include "../../core/aligned.hpp"
#include "../exchange.hpp"
#include "served_identity.hpp"
#include "synchronisation.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What the copies of a worker's ranks share.
template <class Gradient>
struct ServedNodes {
    AlignedVector<Gradient> kept;      ///< [count][parameters], where there are more than one
    std::vector<Gradient const*> own;  ///< of the last pass; empty: the gradient itself
    int count = 0, leaves = 0;
    std::vector<MessageItem> items;  ///< what all workers have to say the same
    std::int64_t joined_at = 0;      ///< the clock that this process began with
};

/// Which leaves are a worker's.
struct ServedDeal {
    int worker, workers;
    bool all;
    [[nodiscard]] LeafRange leaves(int leaves) const {
        return all ? LeafRange{0, leaves} : leaves_of(worker, workers, leaves);
    }
};

/// Each works on leaves of its own, or (Asp) on batches of its own, and knows nothing of the others.
template <class Gradient>
class ServedRanks {
public:
    static constexpr bool several = true;
    static constexpr bool by_groups = false, gathers_parameters = false;
    static constexpr bool replicated = true;
    static constexpr bool sharded = true;          ///< none of the optimizer's state is here
    static constexpr bool evaluates_alone = true;  ///< every worker evaluates all samples

    ServedRanks(int worker, int workers, Synchronisation mode)
        : worker_(worker), workers_(workers), mode_(mode), nodes_(std::make_shared<ServedNodes<Gradient>>()) {}

    [[nodiscard]] int rank() const { return worker_; }
    [[nodiscard]] STRATA_COLD std::string text() const { return "Served"; }
    [[nodiscard]] bool goes_on() const { return false; }
    [[nodiscard]] ServedDeal deal() const { return {worker_, workers_, takes_all()}; }
    [[nodiscard]] LeafRange leaves(int all) const { return deal().leaves(all); }
    [[nodiscard]] LeafRange leaves_of(int worker, int all) const {
        return ServedDeal{worker, workers_, takes_all()}.leaves(all);
    }
    /// Whether what is known of the training's samples, their losses say, is of this worker's alone.
    [[nodiscard]] bool sees_part() const { return workers_ > 1 && !mode_.is_asynchronous(); }
    /// While it is true all leaves are this worker's.
    void take_all(bool all) { takes_all_ = all; }

    /// Keeps the nodes for the push, and makes this worker's share of the gradient of them.
    STRATA_COLD void sum(std::span<Gradient* const> nodes, Gradient* gradient, std::size_t count, int leaves) const {
        nodes_->count = static_cast<int>(nodes.size());
        nodes_->leaves = leaves;
        nodes_->own.clear();
        if (nodes.empty()) std::fill_n(gradient, count, Gradient(0));
        if (nodes.size() == 1 && nodes[0] != gradient) std::copy_n(nodes[0], count, gradient);
        if (nodes.size() < 2) return;
        if (nodes_->kept.size() < nodes.size() * count) nodes_->kept = AlignedVector<Gradient>(nodes.size() * count);
        for (std::size_t k = 0; k < nodes.size(); ++k) {
            Gradient* const kept = nodes_->kept.data() + k * count;
            std::copy_n(nodes[k], count, kept);
            nodes_->own.push_back(kept);
        }
        std::copy_n(nodes_->own[0], count, gradient);
        for (std::size_t k = 1; k < nodes.size(); ++k)
            add_numbers(gradient, nodes_->own[k], 0, static_cast<std::ptrdiff_t>(count));
    }
    [[nodiscard]] OwnedRange summed(std::size_t count) const { return {0, count}; }
    [[nodiscard]] int shards() const { return 1; }
    [[nodiscard]] double scale_left(double loss_scale) const { return loss_scale; }
    [[nodiscard]] double largest(double magnitude) const { return magnitude; }
    template <class T, class RangeOf>
    void gather(T*, int, RangeOf const&) const {}
    void share_parts(double*, int, int, int, Tiling const&) const {}
    [[nodiscard]] int smallest(int number) const { return number; }
    template <class F>
    auto together(F const& f) const {
        return f();
    }
    template <class F>
    void on_first(char const* what, F const&) const {
        fail_checkpoint(what);
    }
    [[noreturn]] STRATA_COLD void fail_checkpoint(char const* what) const {
        fail("worker ", worker_, ": ", what,
             ": weights and optimizer state are the servers', which have a storage of their own "
             "(ServerOptions::storage)");
    }
    void compare_ways() const {}
    /// Notes a text that other workers have to have too. Of several trainings without a step, as where a worker that is
    /// started again looks for its place, the last one counts.
    STRATA_COLD void compare(char const* what, std::string const& text) const {
        // Weights and steps differ where workers begin again, and the first ones are the servers'.
        auto const end = text.find(", step ");
        std::string const value = end == std::string::npos ? text : text.substr(0, end);
        std::erase_if(nodes_->items, [&](MessageItem const& item) { return item.what == what; });
        nodes_->items.push_back({what, message_text(value)});
    }
    /// The clock that this process began with: above 0 where it took the place of one that ended early.
    [[nodiscard]] std::int64_t joined_at() const { return nodes_->joined_at; }
    [[nodiscard]] ServedNodes<Gradient>& nodes() const { return *nodes_; }

private:
    [[nodiscard]] bool takes_all() const { return takes_all_ || mode_.is_asynchronous(); }

    int worker_, workers_;
    bool takes_all_ = false;
    Synchronisation mode_;
    std::shared_ptr<ServedNodes<Gradient>> nodes_;
};

}  // namespace strata::inline STRATA_ABI::detail
