// What a parameter server owns: a range of the weights and of the optimizer's state, cut into pieces that each have a clock
// of their own, and the gradients that wait until those of all workers are there.
//
// Here is no message sent and no file written: who calls check and take writes what was accepted to a log in between.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "../../backend/cpu/step/update.hpp"
#include "../../core/aligned.hpp"
#include "../../optimizer/optimizer.hpp"
#include "../exchange.hpp"
#include "messages.hpp"
#include "served_code.hpp"
#include "shard_piece.hpp"
#include "synchronisation.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The nodes of a batch's tree that a worker brings.
constexpr TreeNodes nodes_of_worker(std::uint32_t worker, std::uint32_t workers, std::uint32_t leaves) {
    int const all = static_cast<int>(leaves);
    return TreeNodes(leaves_of(static_cast<int>(worker), static_cast<int>(workers), all), all);
}

template <class Scalar, class Gradient, class Optimizer>
class Shard {
    static constexpr int states = states_of<Optimizer>();
    using Piece = ShardPiece;

public:
    /// `all` weights of the network, of which this is a server's range. `workers` is 0 for Asp.
    Shard(OwnedRange range, std::span<Scalar const> all, Optimizer const& optimizer, std::uint32_t workers,
          Synchronisation mode, ServedCode const& code)
        : range_(range),
          optimizer_(optimizer),
          workers_(workers),
          mode_(mode),
          code_(code),
          changes_(code.without_momentum()),
          weights_(range.size()),
          state_(range.size() * static_cast<std::size_t>(states), Scalar(0)),
          seen_(code.is_exact() ? 0 : range.size()),
          previous_(mode.is_exact() ? range.size() : 0),
          pieces_(pieces_of(range.size())),
          away_(workers) {
        std::copy_n(all.data() + range.begin, range.size(), weights_.begin());
        std::copy_n(weights_.begin(), seen_.size(), seen_.begin());
        std::copy_n(weights_.begin(), previous_.size(), previous_.begin());
        for (auto& piece : pieces_) piece.next.resize(workers);
    }

    [[nodiscard]] OwnedRange range() const { return range_; }
    [[nodiscard]] std::span<Scalar const> weights() const { return {weights_.data(), weights_.size()}; }
    /// [states][numbers]
    [[nodiscard]] std::span<Scalar const> state() const { return {state_.data(), state_.size()}; }

    /// The clock that a worker goes on with: the first one that some piece has no gradient of.
    [[nodiscard]] std::int64_t clock_of(std::uint32_t worker) const {
        std::int64_t clock = pieces_.empty() ? 0 : pieces_[0].next_of(worker);
        for (auto const& piece : pieces_) clock = (std::min)(clock, piece.next_of(worker));
        return clock;
    }
    /// Clocks (or, for Asp, pushes) of which every piece has had its update.
    [[nodiscard]] std::int64_t made() const {
        std::int64_t made = pieces_.empty() ? 0 : pieces_[0].made;
        for (auto const& piece : pieces_) made = (std::min)(made, piece.made);
        return made;
    }

    /// Whether a push is a new one; false where it was taken already. Throws Error where it cannot be taken.
    [[nodiscard]] bool check(PushMessage const& push) const {
        Piece const& piece = checked_piece(push.worker, push.piece);
        std::int64_t const expected = piece.next_of(push.worker);
        if (push.clock < 0 || push.clock > expected)
            fail("worker ", push.worker, " pushes clock ", push.clock, ", expected ", expected,
                 ": was this server started again without its storage?");
        if (push.clock < expected) return false;
        if (!mode_.is_asynchronous() && push.clock > piece.made + mode_.staleness())
            fail("worker ", push.worker, " pushes clock ", push.clock, " while the slowest is at ", piece.made);
        if (push.leaves < 1 || push.leaves > most_leaves || push.batch < 1)
            fail("worker ", push.worker, " pushes of ", push.leaves, " leaves and ", push.batch, " samples");
        if (!is_finite(push.learning_rate) || is_infinite(push.momentum))
            fail("worker ", push.worker, " pushes with a learning rate or momentum that is not finite");
        if (push.skip > 1) fail("worker ", push.worker, " pushes with skip ", push.skip);
        check_payload(push);
        for (auto const& other : piece.pending)
            if (other.clock == push.clock) {
                auto const theirs = message_from<PushMessage>(other.bytes);
                if (!theirs.skip && !push.skip && (theirs.batch != push.batch || theirs.leaves != push.leaves))
                    fail("worker ", push.worker, " is at clock ", push.clock, " with a batch of ", push.batch,
                         " samples in ", push.leaves, " leaves, worker ", theirs.worker, " with one of ", theirs.batch,
                         " in ", theirs.leaves);
                if (!theirs.skip && !push.skip &&
                    (!same(theirs.learning_rate, push.learning_rate) || !same(theirs.momentum, push.momentum)))
                    fail("worker ", push.worker, " is at clock ", push.clock, " with learning rate ",
                         push.learning_rate, ", worker ", theirs.worker, " with ", theirs.learning_rate,
                         ": their schedules differ");
            }
        return true;
    }
    /// Takes a push that check calls new, of these bytes, and makes the updates that it completes.
    void take(PushMessage const& push, std::span<std::byte const> bytes) {
        Piece& piece = pieces_[push.piece];
        if (piece.next.size() <= push.worker) piece.next.resize(push.worker + 1);
        ++piece.next[push.worker];
        if (mode_.is_asynchronous()) {
            make_update(piece, push.piece, std::span(&push, 1));
            return;
        }
        if (push.clock == piece.made && piece.complete_up_to(away_) > piece.made)
            complete(piece, push.piece, &push);  // the last one of its clock is not kept
        else
            piece.pending.push_back({push.clock, push.worker, {bytes.begin(), bytes.end()}});
        complete_all(piece, push.piece);
    }
    /// Ssp: nobody waits for a worker that has left, whose samples are in no gradient any more.
    void leave(std::uint32_t worker) {
        if (mode_.staleness() <= 0 || worker >= away_.size()) return;
        away_[worker] = 1;
        for (std::uint32_t index = 0; index < pieces_.size(); ++index) complete_all(pieces_[index], index);
    }
    /// It comes again, and goes on with the others.
    void join(std::uint32_t worker) {
        if (worker >= away_.size() || !away_[worker]) return;
        away_[worker] = 0;
        std::int64_t clock = 0;
        for (auto const& piece : pieces_) clock = (std::max)({clock, piece.made, piece.next[worker]});
        for (auto& piece : pieces_) piece.next[worker] = clock;
    }

    /// Whether a read came late: its worker has gone on since.
    [[nodiscard]] bool is_gone(std::uint32_t index, PieceRead const& read) const {
        return mode_.is_exact() && index < pieces_.size() && read.clock < pieces_[index].made - 1;
    }
    /// What answers a read, its payload in this shard's memory; none where it has to wait. Throws Error where it never can.
    [[nodiscard]] std::optional<WeightsMessage> answer(std::uint32_t worker, std::uint32_t index,
                                                       PieceRead const& read) const {
        Piece const& piece = checked_piece(worker, index);
        if (!mode_.is_asynchronous() && (read.clock < 0 || read.clock > piece.next_of(worker)))
            fail("worker ", worker, " reads for clock ", read.clock, ", and has pushed up to ", piece.next_of(worker));
        if (!mode_.is_asynchronous() && piece.made < read.clock - mode_.staleness()) return {};
        bool const before = mode_.is_exact() && read.clock == piece.made - 1;
        auto const [begin, end] = piece_range(index, range_.size());
        WeightsMessage weights;
        weights.piece = index;
        weights.clock = read.clock;
        weights.version = piece.made - (before ? 1 : 0);
        if (piece.fault && weights.version == piece.fault_version) {
            weights.fault = static_cast<std::uint8_t>(piece.fault.part);
            weights.fault_state = static_cast<std::uint8_t>(piece.fault.state);
            weights.fault_index = piece.fault.index;
        }
        auto const& numbers = before ? previous_ : what_is_seen();
        weights.payload = std::as_bytes(std::span(numbers.data() + begin, end - begin));
        weights.left_out = piece.left_out_of(worker, read, weights.version, mode_.staleness());
        if (!before) shorten(piece, read, weights);
        return weights;
    }
    /// The worker that a piece waits for.
    [[nodiscard]] std::uint32_t slowest(std::uint32_t index) const { return pieces_[index].slowest(away_); }
    [[nodiscard]] std::int64_t made(std::uint32_t index) const { return pieces_[index].made; }

    /// Calls f(bytes) for the pushes that wait for others, in the order in which they came.
    void for_each_pending(auto const& f) const {
        for (auto const& piece : pieces_)
            for (auto const& push : piece.pending) f(std::span<std::byte const>(push.bytes));
    }

    /// Everything but the pushes that wait, as numbers of Scalar and as counters: to be written to a file, or to be filled
    /// from one. `counters` is [pieces][Piece::counters_before + workers].
    [[nodiscard]] std::vector<std::int64_t> counters() const {
        std::size_t known = workers_;
        for (auto const& piece : pieces_) known = (std::max)(known, piece.next.size());
        std::vector<std::int64_t> all;
        for (auto const& piece : pieces_) piece.append_counters(known, all);
        return all;
    }
    /// Throws Error where they are not those of such a shard.
    void set_counters(std::span<std::int64_t const> all) {
        std::size_t const width = pieces_.empty() ? 0 : all.size() / pieces_.size();
        if (all.size() != width * pieces_.size() || (!pieces_.empty() && width < Piece::counters_before + workers_))
            fail("a snapshot has ", all.size(), " counters for ", pieces_.size(), " pieces");
        for (std::size_t k = 0; k < pieces_.size(); ++k) pieces_[k].set_counters(all.subspan(k * width, width));
    }
    /// The last clocks of which no update was made: [..][piece, clock, worker].
    [[nodiscard]] std::vector<std::int64_t> left_out() const {
        std::vector<std::int64_t> all;
        for (std::size_t piece = 0; piece < pieces_.size(); ++piece)
            for (auto const& one : pieces_[piece].left_out)
                all.insert(all.end(), {static_cast<std::int64_t>(piece), one.clock, std::int64_t{one.worker}});
        return all;
    }
    void set_left_out(std::span<std::int64_t const> all) {
        for (std::size_t k = 0; k + 3 <= all.size(); k += 3) {
            if (all[k] < 0 || all[k] >= static_cast<std::int64_t>(pieces_.size()))
                fail("a snapshot tells of piece ", all[k], ", expected one of ", pieces_.size());
            pieces_[static_cast<std::size_t>(all[k])].left_out.push_back(
                {all[k + 1], static_cast<std::uint32_t>(all[k + 2])});
        }
    }
    /// Names and numbers of all arrays.
    void for_each_array(auto const& f) {
        f("weights", std::span<Scalar>(weights_.data(), weights_.size()));
        f("state", std::span<Scalar>(state_.data(), state_.size()));
        f("seen", std::span<Scalar>(seen_.data(), seen_.size()));
        f("previous", std::span<Scalar>(previous_.data(), previous_.size()));
    }

private:
    static constexpr std::uint32_t most_leaves = 1u << 20;
    static constexpr std::size_t most_codes = 16;  // of a piece: who is further behind gets the numbers

    static bool is_infinite(double x) { return !is_finite(x) && !is_nan(x); }
    static bool same(double a, double b) {
        return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) || (is_nan(a) && is_nan(b));
    }
    [[nodiscard]] std::size_t size_of_piece(std::uint32_t index) const {
        return piece_range(index, range_.size()).size();
    }
    /// The nodes that a push brings. A code is that of a worker's sum: a leaf of a tree over the workers.
    [[nodiscard]] TreeNodes nodes(PushMessage const& push) const {
        if (mode_.is_asynchronous()) return TreeNodes({0, 1}, 1);
        return nodes_of_worker(push.worker, workers_, push.leaves);
    }
    [[nodiscard]] Piece const& checked_piece(std::uint32_t worker, std::uint32_t index) const {
        std::uint32_t const most = mode_.is_asynchronous() ? most_workers : workers_;
        if (worker >= most) fail("worker ", worker, ", expected one of ", most);
        if (index >= pieces_.size()) fail("worker ", worker, ": piece ", index, ", expected one of ", pieces_.size());
        return pieces_[index];
    }

    void check_payload(PushMessage const& push) const {
        std::size_t const size = size_of_piece(push.piece);
        auto const arrays = static_cast<std::size_t>(push.skip ? 0 : nodes(push).count());
        if (!code_.is_exact() && !mode_.is_asynchronous() && push.leaves != workers_)
            fail("worker ", push.worker, " pushes a code of ", push.leaves, " leaves, expected one a worker");
        std::size_t const expected = arrays * code_.bytes<Gradient>(push.clock, size);
        if (push.payload.size() != expected)
            fail("worker ", push.worker, " pushes ", push.payload.size(), " bytes, expected ", expected);
        if (code_.is_exact() || push.skip) return;
        std::vector<Gradient> numbers(size);  // a code that is none is seen before it is accepted
        code_.decode<Gradient>(push.clock, push.payload, numbers);
    }
    /// What workers have when they have all that they were sent: the weights, but for what codes have left out so far.
    [[nodiscard]] AlignedVector<Scalar> const& what_is_seen() const { return code_.is_exact() ? weights_ : seen_; }
    /// In place of a piece's numbers what they changed by since the reader's, where that is shorter.
    void shorten(Piece const& piece, PieceRead const& read, WeightsMessage& weights) const {
        if (read.have < 0) return;
        std::int64_t const behind = piece.made - read.have;
        if (behind < 0 || behind > static_cast<std::int64_t>(piece.codes.size())) return;
        joined_.clear();
        for (auto code = piece.codes.end() - behind; code != piece.codes.end(); ++code)
            joined_.insert(joined_.end(), code->begin(), code->end());
        if (joined_.size() >= weights.payload.size()) return;
        weights.from = read.have;
        weights.payload = joined_;
    }
    /// A version of what workers see of a piece.
    void publish(Piece& piece, std::size_t begin, std::size_t size) {
        if (code_.is_exact()) return;
        Scalar *const seen = seen_.data() + begin, *const weights = weights_.data() + begin;
        std::vector<Scalar> change(size), state(size * code_.states(), Scalar(0));
        for (std::size_t i = 0; i < size; ++i) change[i] = weights[i] - seen[i];  // with what was left out before
        auto& code = piece.codes.emplace_back();
        changes_.encode<Scalar>(piece.made, change, state, code);
        changes_.decode<Scalar>(piece.made, code, change);
        for (std::size_t i = 0; i < size; ++i) seen[i] += change[i];
        if (piece.codes.size() > most_codes) piece.codes.pop_front();
    }

    void complete_all(Piece& piece, std::uint32_t index) {
        while (piece.complete_up_to(away_) > piece.made) complete(piece, index, nullptr);
    }
    /// The next clock's update, whose pushes are all there; `last` is one that is not among those that wait.
    void complete(Piece& piece, std::uint32_t index, PushMessage const* last) {
        std::vector<PushMessage> pushes(workers_);
        for (auto const& waiting : piece.pending)
            if (waiting.clock == piece.made) pushes[waiting.worker] = message_from<PushMessage>(waiting.bytes);
        if (last) pushes[last->worker] = *last;
        auto const first = std::find_if(pushes.begin(), pushes.end(), is_there);
        for (std::uint32_t worker = 0; worker < workers_ && first != pushes.end(); ++worker)
            if (!is_there(pushes[worker])) {
                pushes[worker].worker = worker;
                pushes[worker].leaves = first->leaves;
            }
        make_update(piece, index, pushes);
        std::erase_if(piece.pending, [&](Piece::Pending const& push) { return push.clock < piece.made; });
    }
    /// Not that of a worker that has left.
    static bool is_there(PushMessage const& push) { return push.batch > 0; }
    /// One clock: the nodes of all pushes become one gradient in the tree's order, and the weights move.
    void make_update(Piece& piece, std::uint32_t index, std::span<PushMessage const> pushes) {
        auto const [begin, end] = piece_range(index, range_.size());
        std::size_t const size = end - begin;
        if (!previous_.empty()) std::copy_n(what_is_seen().data() + begin, size, previous_.data() + begin);
        ++piece.made;
        auto const first = std::find_if(pushes.begin(), pushes.end(), is_there);
        bool const skip = first == pushes.end() ||
                          std::any_of(pushes.begin(), pushes.end(), [](auto const& push) { return push.skip != 0; });
        if (!skip) add(pushes, size);
        bool const made = !skip && update(piece, begin, size, *first);
        bool const own = mode_.is_asynchronous();
        piece.note_update(made, own ? first->clock : piece.made - 1, own ? first->worker : 0, mode_.staleness());
        publish(piece, begin, size);
    }
    /// The gradient of all pushes, in the first numbers of arrived_.
    void add(std::span<PushMessage const> pushes, std::size_t size) {
        std::vector<TreeNode> all;
        for (auto const& push : pushes) {
            TreeNodes const theirs = nodes(push);
            for (int k = 0; k < theirs.count(); ++k) all.push_back(theirs[k]);
        }
        if (arrived_.size() < all.size() * size) arrived_ = AlignedVector<Gradient>(all.size() * size);
        std::vector<Gradient*> numbers(all.size());
        for (std::size_t k = 0; k < all.size(); ++k) numbers[k] = arrived_.data() + k * size;
        std::size_t at = 0;
        for (auto const& push : pushes) {
            auto const count = static_cast<std::size_t>(nodes(push).count());
            if (!is_there(push))
                for (std::size_t k = at; k < at + count; ++k) std::fill_n(numbers[k], size, Gradient(0));
            else if (count > 0 && code_.is_exact())
                std::memcpy(numbers[at], push.payload.data(), push.payload.size());
            else if (count > 0)
                code_.decode<Gradient>(push.clock, push.payload, std::span(numbers[at], size));
            at += count;
        }
        add_nodes<Gradient>(all, numbers, size);
    }
    /// False where it would make a number that is not finite: then nothing was written.
    bool update(Piece& piece, std::size_t begin, std::size_t size, PushMessage const& push) {
        auto const count = static_cast<std::ptrdiff_t>(size), stride = static_cast<std::ptrdiff_t>(range_.size());
        OptimizerStep step{push.learning_rate, {}, piece.updates};
        if (!is_nan(push.momentum)) step.momentum = push.momentum;
        auto const apply = optimizer_.template prepare<Scalar>(step);
        Scalar* const weights = weights_.data() + begin;
        Scalar* const state = state_.data() + (states > 0 ? begin : 0);
        Gradient* const gradient = arrived_.data();
        LargestMagnitude<Gradient> largest;
        for_lanes<Gradient>(0, count, [&]<class L>(std::ptrdiff_t i) { largest.take(load_lane<L>(gradient + i)); });
        if (!piece.known.template holds<states>(apply, weights, state, static_cast<double>(largest.value()))) {
            auto const found = measure_update<states>(apply, weights, gradient, state, stride, 0, count);
            piece.known.template know<std::remove_cvref_t<decltype(apply)>>(found, weights, state);
            if (auto fault = found.place()) {
                fault.index += static_cast<std::int64_t>(range_.begin + begin);
                piece.fault = fault;
                piece.fault_version = piece.made;
                return false;
            }
        }
        update_parameters<states>(apply, weights, gradient, state, stride, 0, count);
        ++piece.updates;
        return true;
    }

    OwnedRange range_;
    Optimizer optimizer_;
    std::uint32_t workers_;
    Synchronisation mode_;
    ServedCode code_, changes_;  // of gradients, and of changes of weights
    AlignedVector<Scalar> weights_, state_;
    AlignedVector<Scalar> seen_;      // what workers have of the weights, where a code is not exact
    AlignedVector<Scalar> previous_;  // Bsp: what they had a version ago, for a worker that begins again in mid step
    std::vector<Piece> pieces_;
    std::vector<char> away_;                 // workers that have left (Ssp)
    AlignedVector<Gradient> arrived_;        // the nodes of all workers
    mutable std::vector<std::byte> joined_;  // codes that answer a read
};

}  // namespace strata::inline STRATA_ABI::detail
