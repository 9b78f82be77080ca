// What an executor asks of several ranks.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "../backend/cpu/run/executor.hpp"
#include "../train/policy_texts.hpp"
#include "compressed_exchange.hpp"
#include "exchange.hpp"
#include "kept_shard.hpp"

namespace strata::inline STRATA_ABI {

/// What the ranks of a training do when one of them is gone.
enum class WhenLost : unsigned char {
    stop,  ///< RankLost comes out of what they were doing
    go_on,  ///< fit deals the leaves out anew and goes on to the same bits: repeats the step, or, where the lost rank had
            ///< something that no other has, begins at the last checkpoint
};

namespace detail {

/// How the leaves of a batch are dealt out, seen from one rank.
struct LeafDeal {
    int rank, ranks, shards;  ///< of 0 shards: leaf by leaf
    [[nodiscard]] constexpr LeafRange leaves(int all) const {
        if (shards == 0) return leaves_of(rank, ranks, all);
        LeafRange const own = leaves_of(rank, ranks, shards);
        auto const first_of = [&](int shard) { return static_cast<int>(static_cast<long>(all) * shard / shards); };
        return {first_of(own.begin), first_of(own.end)};
    }
};

/// In the place of a code: gradients are sent as they are.
struct NoCode {};

/// What an executor asks of several ranks: `Level` says what they shard, 0 for nothing. All of them make the same calls in
/// the same order. Everything that waits for others throws RankLost where one of them is gone.
template <Communicator C, class Scalar, class Gradient, int Level, class Code>
class RankGroup {
public:
    static constexpr bool several = true;
    static constexpr bool by_groups = Level >= 2;
    static constexpr bool gathers_parameters = Level >= 3;
    /// Whether a training pass gathers parameters.
    [[nodiscard]] bool gathers_now() const { return gathers_parameters || old_parameters_; }
    /// A copy of all parameters is older than the shards; the next training pass gathers it to `all`.
    void parameters_are_old(bool old) { old_parameters_ = old; }
    static constexpr bool compressed = !std::is_same_v<Code, NoCode>;
    /// The optimizer's state is all ranks' together.
    static constexpr bool sharded = Level > 0;
    /// What each rank has, all have.
    static constexpr bool replicated = !sharded && !compressed;

    /// Each rank owns a part of each of the ranges, which are all numbers of a gradient.
    template <class Compression>
    RankGroup(C& communicator, WhenLost when_lost, Compression const& compression, std::span<OwnedRange const> ranges)
        : communicator_(&communicator), when_lost_(when_lost), ranges_(ranges), codes_(compression) {
        look();
    }

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int size() const { return size_; }
    [[nodiscard]] bool goes_on() const { return when_lost_ == WhenLost::go_on; }
    [[nodiscard]] LeafDeal deal() const { return deal_of(rank()); }
    [[nodiscard]] LeafRange leaves(int all) const { return deal().leaves(all); }
    [[nodiscard]] LeafRange leaves_of(int rank, int all) const { return deal_of(rank).leaves(all); }
    /// Parts of a batch whose sums have to be known: 1 where it is only the whole one's.
    [[nodiscard]] int shards() const {
        if constexpr (compressed) return codes_.shards();
        return 1;
    }
    /// What is left to be divided by after sum.
    [[nodiscard]] static double scale_left(double loss_scale) { return compressed ? 1 : loss_scale; }
    /// What ranks have to have in common besides their types.
    [[nodiscard]] STRATA_COLD std::string text() const {
        std::string text = concatenate("WhenLost::go_on ", int{goes_on()});
        if constexpr (compressed) text += concatenate(", Compressed ", codes_.text());
        return text;
    }
    /// What this rank keeps of numbers that are sharded.
    [[nodiscard]] OwnedParts parts() const { return parts_of(rank()); }
    /// The part of a batch's gradient [count] that sum leaves on this rank.
    [[nodiscard]] OwnedRange summed(std::size_t count) const {
        return sharded ? parts().part(0) : OwnedRange{0, count};
    }

    /// The gradient [count] of a batch of so many leaves from the sums of all ranks' nodes, or shards, [count] each: the
    /// part that `summed` says.
    STRATA_COLD void sum(std::span<Gradient* const> nodes, Gradient* gradient, std::size_t count, int leaves) {
        if constexpr (compressed) {
            codes_.reduce(*communicator_, nodes, leaves, gradient + owned_range(rank(), size(), count).begin);
            if constexpr (!sharded) codes_.gather(*communicator_, gradient);
        } else {
            exchange_.deal(rank(), size(), leaves, count);
            exchange_.reduce(*communicator_, nodes, gradient + exchange_.owned().begin);
            if constexpr (!sharded) exchange_.gather(*communicator_, gradient);
        }
    }
    /// Begins the same for one group of parameters, while the ranks compute; the nodes' arrays begin with the number `first`
    /// and may be overwritten then. This rank's part is in its shard after settle.
    STRATA_COLD void post_group(std::span<Gradient* const> nodes, int group, std::size_t first, int leaves) {
        OwnedRange const range = parts().range(group);
        if (range.size() == 0) return;  // all of it waits for the group before
        if (!compressed && leaving_.size() < nodes.size() * range.size())
            leaving_ = AlignedVector<Gradient>(nodes.size() * range.size());
        Gradient* arrays[64];
        for (std::size_t k = 0; k < nodes.size(); ++k) {
            arrays[k] = nodes[k] + (range.begin - first);
            if (compressed) continue;  // the code is what is sent
            std::copy_n(arrays[k], range.size(), leaving_.data() + k * range.size());
            arrays[k] = leaving_.data() + k * range.size();
        }
        std::span<Gradient* const> const sums(arrays, nodes.size());
        if constexpr (compressed) {
            codes_.post(*communicator_, sums, leaves, range);
        } else {
            exchange_.deal(rank(), size(), leaves, range.size(), true);
            exchange_.post(*communicator_, sums);
        }
        reducing_ = group;
    }
    /// Waits for all that is under way: a group's gradient is in the shard, and parameters that were coming are here.
    STRATA_COLD void settle() {
        communicator_->wait();
        shard_.arrive();
        if (int const group = std::exchange(reducing_, -1); group >= 0) {
            Gradient* const result = shard_.gradient().data() + parts().place(group);
            if constexpr (compressed)
                codes_.finish(result);
            else
                exchange_.finish(result);
        }
    }
    /// Opens parameters from all ranks, where each keeps a part, and begins to gather the next ones, if any. Those that were
    /// coming while a group's gradients were computed have arrived before these were posted, which need not be waited for.
    STRATA_COLD void open_parameters(OwnedRange numbers, OwnedRange next) {
        if (shard_.is_open(numbers)) return;
        if (!shard_.is_coming(numbers)) shard_.post_gather(*communicator_, parts(), numbers);
        if (!shard_.has_arrived(numbers)) settle();
        shard_.open();
        if (next.size() > 0) shard_.post_gather(*communicator_, parts(), next);
    }
    [[nodiscard]] Scalar const* opened_parameters() const { return shard_.opened(); }
    /// Lets messages move on.
    void poll() { static_cast<void>(communicator_->poll()); }
    /// While an exception is handled: nothing is under way any more. Others send what this rank waits for, unless the
    /// communicator is broken.
    STRATA_COLD void give_up() noexcept {
        try {
            throw;
        } catch (RankLost const&) {
        } catch (RankKilled const&) {
        } catch (...) {
            try {
                settle();
            } catch (...) {}  // the first one counts
        }
        reducing_ = -1;
        shard_.close();
    }
    [[nodiscard]] auto& shard() { return shard_; }
    [[nodiscard]] auto const& shard() const { return shard_; }

    /// Numbers of which each rank has its parts in their places, on all.
    template <class T>
    STRATA_COLD void share_owned(T* numbers) const {
        for (OwnedRange const& range : ranges_)
            Exchange<T>(rank(), size(), 1, range.size()).gather(*communicator_, numbers + range.begin);
    }
    /// The same from parts that lie side by side.
    template <class T>
    STRATA_COLD void share_owned(T const* own, T* numbers) const {
        parts().put_back(own, numbers);
        share_owned(numbers);
    }
    /// The same on rank 0 alone.
    template <class T>
    STRATA_COLD void collect_owned(T const* own, T* all) const {
        for (int k = 0; k < parts().ranges(); ++k) {
            OwnedRange const mine = parts().part(k);
            T const* const its = own + parts().place(k);
            if (rank() == 0) {
                std::copy_n(its, mine.size(), all + mine.begin);
                for (int peer = 1; peer < size(); ++peer)
                    if (OwnedRange const theirs = parts().part_of(peer, k); theirs.size() > 0)
                        communicator_->post_receive(
                            peer, std::as_writable_bytes(std::span(all + theirs.begin, theirs.size())));
            } else if (mine.size() > 0) {
                communicator_->post_send(0, std::as_bytes(std::span(its, mine.size())));
            }
        }
        communicator_->wait();
    }
    /// Before what all ranks have to call together. Who calls it alone gets an Error, and so do the others: nothing else that
    /// is sent has seven bytes.
    STRATA_COLD void meet(char const* call) const {
        constexpr std::size_t bytes = 7;
        std::byte const own[bytes] = {};
        std::vector<std::byte> all(bytes * static_cast<std::size_t>(size()));
        try {
            for (int peer = 0; peer < size(); ++peer) {
                if (peer == rank()) continue;
                communicator_->post_receive(peer, {all.data() + bytes * static_cast<std::size_t>(peer), bytes});
                communicator_->post_send(peer, own);
            }
            communicator_->wait();
        } catch (RankLost const&) { throw; } catch (Error const& error) {
            fail("rank ", rank(), ": ", call,
                 " gathers what ranks keep parts of, so all of them have to call it together (", error.what(), ")");
        }
    }
    /// The largest of the ranks' magnitudes; NaN is more than infinity.
    [[nodiscard]] STRATA_COLD double largest(double magnitude) const {
        if constexpr (!sharded) return magnitude;
        auto const all = gathered(magnitude);
        return largest_magnitude(all.data(), all.data() + all.size());
    }
    /// The sums of all ranks' parts of numbers, 0 elsewhere, on each of them.
    STRATA_COLD void add_to_each(std::span<double> numbers) const {
        if constexpr (!sharded) return;
        std::vector<double> all(numbers.size() * static_cast<std::size_t>(size()));
        all_gather<C, double>(*communicator_, numbers, all);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            numbers[i] = 0;
            for (std::size_t k = i; k < all.size(); k += numbers.size()) numbers[i] += all[k];
        }
    }
    /// The first of the faults that ranks found, on all of them.
    [[nodiscard]] STRATA_COLD UpdateFault first(UpdateFault const& fault) const {
        struct Place {
            std::int64_t index, part, state;
        };
        UpdateFault found;
        for (Place const& place : gathered(Place{fault.index, static_cast<std::int64_t>(fault.part), fault.state}))
            if (place.part != 0 && (!found || place.index < found.index))
                found = {static_cast<UpdateFault::Part>(place.part), static_cast<int>(place.state), place.index};
        return found;
    }
    /// Rows [begin, end) = range_of(rank) of numbers [rows][width] from each rank to all others.
    template <class T, class RangeOf>
    STRATA_COLD void gather(T* numbers, int width, RangeOf const& range_of) const {
        auto const part = [&](int rank) {
            auto const [begin, end] = range_of(rank);
            return std::span(numbers + static_cast<std::ptrdiff_t>(begin) * width,
                             static_cast<std::size_t>(end - begin) * static_cast<std::size_t>(width));
        };
        auto const own = part(rank());
        for (int peer = 0; peer < size(); ++peer) {
            if (peer == rank()) continue;
            if (auto const theirs = part(peer); !theirs.empty())
                communicator_->post_receive(peer, std::as_writable_bytes(theirs));
            if (!own.empty()) communicator_->post_send(peer, std::as_bytes(own));
        }
        communicator_->wait();
    }
    /// Columns [begin, end) of the tiles' parts [tiles][row] of passes over the batch.
    STRATA_COLD void share_parts(double* parts, int row, int begin, int end, Tiling const& tiling) {
        int const width = end - begin;
        auto const needed = static_cast<std::size_t>(tiling.tiles) * static_cast<std::size_t>(width);
        if (packed_.size() < needed) packed_.resize(needed);
        auto const tiles_of = [&](int rank) { return tiles_of_leaves(leaves_of(rank, tiling.leaves), tiling); };
        auto const copy = [&](int from, int to, bool back) {
            for (int tile = from; tile < to; ++tile) {
                double* const part = parts + static_cast<std::ptrdiff_t>(tile) * row + begin;
                double* const dense = packed_.data() + static_cast<std::ptrdiff_t>(tile) * width;
                std::copy_n(back ? dense : part, width, back ? part : dense);
            }
        };
        auto const [first, last] = tiles_of(rank());
        copy(first, last, false);
        gather(packed_.data(), width, tiles_of);
        copy(0, first, true);
        copy(last, tiling.tiles, true);
    }
    /// f(), done on all ranks or on none: where one was lost on the way, RankLost comes out on all that are left, so that
    /// none of them is ahead of the others.
    template <class F>
    auto together(F const& f) const {
        if (!goes_on()) return f();
        decltype(f()) result{};
        bool done = false;
        try {
            result = f();
            done = true;
        } catch (RankLost const&) {}
        if (!communicator_->agree(done)) throw RankLost(concatenate("rank ", rank(), ": another rank is gone"));
        return result;
    }
    /// After RankLost, on all ranks that are left: they deal the leaves out among themselves.
    STRATA_COLD void go_on() {
        *communicator_ = communicator_->shrink();
        look();
    }
    [[nodiscard]] STRATA_COLD int smallest(int number) const {
        auto const all = gathered(number);
        return *std::min_element(all.begin(), all.end());
    }
    /// Calls f on rank 0 alone. Returns on all when it is done; where it throws, that comes out there, and an Error on
    /// the others.
    template <class F>
    void on_first(char const* what, F const& f) const {
        std::exception_ptr thrown;
        bool const done = together([&] {
            if (rank() == 0) try {
                    f();
                } catch (...) { thrown = std::current_exception(); }
            // Not an agreement: rank 0 may be gone when it is asked.
            std::byte ok{static_cast<unsigned char>(thrown ? 0 : 1)};
            for (int peer = 1; peer < size() && rank() == 0; ++peer) communicator_->post_send(peer, std::span(&ok, 1));
            if (rank() > 0) communicator_->post_receive(0, std::span(&ok, 1));
            communicator_->wait();
            return ok != std::byte{0};
        });
        if (thrown) std::rethrow_exception(thrown);
        if (!done) fail("rank ", rank(), ": ", what, " failed on rank 0");
    }
    /// Throws Error that says what differs unless all ranks give the same text.
    STRATA_COLD void compare(char const* what, std::string const& text) const {
        check_same(what, together([&] { return difference(text); }));
    }
    /// Compares what ranks do where one is lost: before they do it.
    STRATA_COLD void compare_ways() const { check_same("the policy of its ranks", difference(text())); }

    [[nodiscard]] auto& codes() { return codes_; }
    [[nodiscard]] auto const& codes() const { return codes_; }
    [[nodiscard]] C& communicator() const { return *communicator_; }

private:
    [[nodiscard]] OwnedParts parts_of(int rank) const { return {rank, size(), ranges_}; }
    [[nodiscard]] std::string difference(std::string const& text) const {
        std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size()));
        std::uint64_t const own = text.size();
        all_gather<C, std::uint64_t>(*communicator_, std::span(&own, 1), sizes);
        std::uint64_t const longest = *std::max_element(sizes.begin(), sizes.end());
        std::vector<char> mine(longest), all(longest * sizes.size());
        std::copy(text.begin(), text.end(), mine.begin());
        all_gather<C, char>(*communicator_, mine, all);
        for (std::size_t peer = 0; peer < sizes.size(); ++peer) {
            std::string_view const theirs(all.data() + peer * longest, sizes[peer]);
            if (theirs == text) continue;
            auto const [here, there] = shown_difference(text, theirs);
            return concatenate(here, ", on rank ", peer, " it is ", there);
        }
        return std::string();
    }
    void check_same(char const* what, std::string const& difference) const {
        if (!difference.empty())
            fail("rank ", rank(), ": ", what, " is ", difference,
                 ": all ranks have to run the same program with the same policies");
    }
    [[nodiscard]] LeafDeal deal_of(int rank) const {
        if constexpr (compressed) return {rank, size(), codes_.shards()};
        return {rank, size(), 0};
    }
    template <class T>
    [[nodiscard]] std::vector<T> gathered(T const& own) const {
        std::vector<T> all(static_cast<std::size_t>(size()));
        all_gather<C, T>(*communicator_, std::span(&own, 1), all);
        return all;
    }
    void look() {
        rank_ = communicator_->rank();
        size_ = communicator_->size();
        if constexpr (by_groups) shard_.deal(parts());
    }

    C* communicator_;
    WhenLost when_lost_;
    int rank_ = 0, size_ = 1;  // also when the communicator is gone
    struct NoCodes {
        explicit NoCodes(NoCode) {}
    };
    template <class Its, class Number>
    struct CodesOf {
        using type = CompressedExchange<Its, Number>;
    };
    template <class Number>
    struct CodesOf<NoCode, Number> {
        using type = NoCodes;
    };

    std::span<OwnedRange const> ranges_;
    Exchange<Gradient> exchange_;
    KeptShard<Scalar, Gradient> shard_;
    AlignedVector<Gradient> leaving_;  // a group's sums, on their way
    int reducing_ = -1;                // that group
    bool old_parameters_ = false;
    typename CodesOf<Code, Gradient>::type codes_;
    std::vector<double> packed_;  // parts of a pass over the batch
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
