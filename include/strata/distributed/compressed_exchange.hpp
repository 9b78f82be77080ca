// The exchange of gradients in a code: each shard of a batch is encoded once, with error feedback of its own, and decoded
// and added by whoever owns a part, in the tree over the shards; what comes back is encoded with the owner's feedback.
//
// Shards are parts of the batch, not ranks: so the bits, and what is left of the gradients, are those of one rank.
#pragma once

#include <vector>

#include "../core/aligned.hpp"
#include "communicator.hpp"
#include "compressed.hpp"
#include "exchange_rounds.hpp"

namespace strata::inline STRATA_ABI {

/// `count` gradients of type T over ranks. What the code leaves out is kept per shard, [chunk][states][numbers of the
/// chunk], on the rank that has the shard, and for the way back, on the rank that owns the chunk.
template <GradientCode Code, class T>
class CompressedExchange {
    static constexpr auto states = static_cast<std::size_t>(Code::states);

public:
    explicit CompressedExchange(Compressed<Code> compressed) : compressed_(compressed) { compressed.check(); }

    [[nodiscard]] int shards() const { return compressed_.shards; }
    [[nodiscard]] std::string text() const { return compressed_.text(); }

    /// For these ranks: nothing is left from before.
    STRATA_COLD void deal(int rank, int ranks, std::size_t count) {
        rank_ = rank;
        ranks_ = ranks;
        count_ = count;
        left_ = AlignedVector<T>(static_cast<std::size_t>(own_shards().size()) * states * count, T(0));
        left_back_ = AlignedVector<T>(states * owned().size(), T(0));
        new_left_ = AlignedVector<T>(left_.size());
    }
    /// A step whose gradients are to be divided by `loss_scale`: begin, then reduce, over all numbers or range after range
    /// until all had their turn, the same ranges on all ranks, then keep.
    void begin(std::int64_t step, double loss_scale) {
        code_ = compressed_.code.at(step);
        factor_ = static_cast<T>(1 / loss_scale);
    }
    /// Encodes the sums of this rank's shards that have leaves, [count] each, and adds what all ranks have of the part
    /// that this one owns: result [owned().size()]. Throws RankLost.
    template <Communicator C>
    void reduce(C& communicator, std::span<T* const> sums, int leaves, T* result) {
        reduce(communicator, sums, leaves, result, {0, count_});
    }
    /// The same of the numbers of a range alone, whole chunks of 4096 but for the last: the sums are [range.size()] each, and
    /// this rank owns a part of them. Any ranges that make up all numbers, in any order, give the bits of one call.
    template <Communicator C>
    void reduce(C& communicator, std::span<T* const> sums, int leaves, T* result, OwnedRange range) {
        post(communicator, sums, leaves, range);
        communicator.wait();
        finish(result);
    }
    /// The same in two parts: what is posted needs the sums no longer; once the communicator has done it, finish adds.
    template <Communicator C>
    STRATA_COLD void post(C& communicator, std::span<T* const> sums, int leaves, OwnedRange range) {
        if (range.begin % code_chunk != 0 || (range.end % code_chunk != 0 && range.end != count_) || range.end > count_)
            fail("CompressedExchange: numbers ", range.begin, " to ", range.end, " of ", count_,
                 ", expected whole chunks of ", code_chunk);
        std::size_t const size = bytes(range);
        resize(encoded_, sums.size() * size);
        LeafRange const mine = own_shards();
        for (std::size_t k = 0, shard = 0; shard < static_cast<std::size_t>(mine.size()); ++shard) {
            std::size_t const state = states * (shard * count_ + range.begin);
            if (!has_leaves(mine.begin + static_cast<int>(shard), leaves)) {
                std::copy_n(left_.data() + state, states * range.size(), new_left_.data() + state);
                continue;
            }
            encode_all(code_, sums[k], factor_, left_.data() + state, new_left_.data() + state, range.size(),
                       encoded_.data() + k * size);
            ++k;
        }
        OwnedRange const part = part_of(rank_, range);
        std::size_t const part_size = bytes(part);
        auto const sent = [&](std::size_t k, OwnedRange theirs) {
            return std::span(encoded_.data() + k * size + bytes({range.begin, theirs.begin}), bytes(theirs));
        };
        codes_.clear();
        part_ = part;
        std::size_t others = 0;
        for (int peer = 0; peer < ranks_; ++peer) others += peer == rank_ ? 0 : shards_with_leaves(peer, leaves);
        resize(arrived_, others * part_size);
        std::size_t next = 0;
        for (int peer = 0; peer < ranks_ && part.size() > 0; ++peer)
            for (std::size_t k = 0; k < shards_with_leaves(peer, leaves); ++k) {
                if (peer == rank_) {
                    codes_.push_back(sent(k, part).data());
                    continue;
                }
                std::span const from(arrived_.data() + next++ * part_size, part_size);
                communicator.post_receive(peer, from);
                codes_.push_back(from.data());
            }
        for (int distance = 1; distance < ranks_; ++distance) {
            int const peer = (rank_ + distance) % ranks_;
            OwnedRange const theirs = part_of(peer, range);
            for (std::size_t k = 0; k < sums.size() && theirs.size() > 0; ++k)
                communicator.post_send(peer, sent(k, theirs));
        }
    }
    STRATA_COLD void finish(T* result) { add_codes(codes_, part_, result); }
    /// What all ranks made of their parts of numbers [count], encoded, to all: the same numbers on each, and on the
    /// owner too. Throws RankLost.
    template <Communicator C>
    STRATA_COLD void gather(C& communicator, T* numbers) {
        auto const code = compressed_.back(code_);
        std::size_t const size = encoded_bytes<T>(code, count_);
        auto const offset_of = [&](std::size_t number) { return encoded_bytes<T>(code, number); };
        resize(encoded_, size);
        OwnedRange const part = owned();
        if (new_left_back_.size() != left_back_.size()) new_left_back_ = AlignedVector<T>(left_back_.size(), T(0));
        encode_all(code, numbers + part.begin, T(1), left_back_.data(), new_left_back_.data(), part.size(),
                   encoded_.data() + offset_of(part.begin));
        auto const bytes_of = [&](OwnedRange range) {
            return std::span(encoded_.data() + offset_of(range.begin), offset_of(range.end) - offset_of(range.begin));
        };
        for (int distance = 1; distance < ranks_; ++distance) {
            int const to = (rank_ + distance) % ranks_, from = (rank_ + ranks_ - distance) % ranks_;
            if (auto const theirs = bytes_of(owned_range(from, ranks_, count_)); !theirs.empty())
                communicator.post_receive(from, theirs);
            if (part.size() > 0) communicator.post_send(to, bytes_of(part));
        }
        communicator.wait();
        decode(code, std::span<std::byte const>(encoded_.data(), size), std::span(numbers, count_));
    }
    /// After a pass that is finite on all ranks: what its codes left out is kept for the next one. Once more, with no
    /// other pass since: it is what it was before.
    void keep() {
        std::swap(left_, new_left_);
        if (!new_left_back_.empty()) std::swap(left_back_, new_left_back_);
    }

    /// Bytes that this rank sends in reduce and in gather.
    [[nodiscard]] std::size_t reduce_bytes(int leaves) const {
        return shards_with_leaves(rank_, leaves) * (bytes({0, count_}) - bytes(owned()));
    }
    [[nodiscard]] std::size_t gather_bytes() const {
        auto const code = compressed_.back(code_);
        return static_cast<std::size_t>(ranks_ - 1) *
               (encoded_bytes<T>(code, owned().end) - encoded_bytes<T>(code, owned().begin));
    }

    // ---- checkpoints -----------------------------------------------------------------------------------------------

    /// Numbers of all ranks' state: of the shards, [shards][states * count], then of the way back.
    [[nodiscard]] std::size_t whole_size() const { return (static_cast<std::size_t>(shards()) + 1) * states * count_; }
    /// All of it on rank 0; `all` is of whole_size() there. Throws RankLost.
    template <Communicator C>
    STRATA_COLD void collect(C& communicator, T* all) const {
        for_each_piece([&](int owner, std::size_t begin, std::size_t size, T const* mine) {
            if (size == 0) return;
            if (rank_ == 0 && owner == 0)
                std::copy_n(mine, size, all + begin);
            else if (rank_ == 0)
                communicator.post_receive(owner, std::as_writable_bytes(std::span(all + begin, size)));
            else if (owner == rank_)
                communicator.post_send(0, std::as_bytes(std::span(mine, size)));
        });
        communicator.wait();
    }
    /// Takes this rank's part.
    STRATA_COLD void take(T const* all) {
        for_each_piece([&](int owner, std::size_t begin, std::size_t size, T const* mine) {
            if (owner == rank_) std::copy_n(all + begin, size, const_cast<T*>(mine));  // NOLINT: this one's own
        });
    }

private:
    [[nodiscard]] OwnedRange owned() const { return owned_range(rank_, ranks_, count_); }
    [[nodiscard]] LeafRange shards_of(int rank) const { return leaves_of(rank, ranks_, shards()); }
    [[nodiscard]] LeafRange own_shards() const { return shards_of(rank_); }
    [[nodiscard]] bool has_leaves(int shard, int leaves) const { return leaves_of(shard, shards(), leaves).size() > 0; }
    [[nodiscard]] std::size_t shards_with_leaves(int rank, int leaves) const {
        std::size_t number = 0;
        for (int shard = shards_of(rank).begin; shard < shards_of(rank).end; ++shard)
            number += has_leaves(shard, leaves) ? 1 : 0;
        return number;
    }
    /// What a rank owns of a range.
    [[nodiscard]] OwnedRange part_of(int rank, OwnedRange range) const {
        OwnedRange const part = owned_range(rank, ranks_, range.size());
        return {range.begin + part.begin, range.begin + part.end};
    }
    /// Of the code of numbers that begin with a chunk, and end with one or with all.
    [[nodiscard]] std::size_t bytes(OwnedRange range) const { return encoded_bytes<T>(code_, range.size()); }
    template <class Bytes>
    static void resize(Bytes& bytes, std::size_t size) {
        if (bytes.size() < size) bytes = Bytes(size);
    }
    /// Chunk after chunk; what was left before stays as it is.
    template <class Its>
    STRATA_HOT static void encode_all(Its const& code, T const* numbers, T factor, T const* left, T* new_left,
                                      std::size_t count, std::byte* to) {
        constexpr auto own_states = static_cast<std::size_t>(Its::states);
        static_assert(own_states <= states, "a code comes back in one that keeps no more than itself");
        T scaled[code_chunk];
        for (std::size_t at = 0; at < count; at += code_chunk) {
            std::size_t const n = (std::min)(code_chunk, count - at), size = code.template bytes<T>(n);
            for (std::size_t i = 0; i < n; ++i) scaled[i] = numbers[at + i] * factor;
            std::copy_n(left + states * at, own_states * n, new_left + states * at);
            code.encode(std::span<T const>(scaled, n), std::span<T>(new_left + states * at, own_states * n),
                        std::span(to, size));
            to += size;
        }
    }
    /// result[i] is the sum of the i-th numbers of all codes, in a binary tree over them.
    STRATA_HOT void add_codes(std::vector<std::byte const*> const& codes, OwnedRange part, T* result) {
        resize(decoded_, (std::max)(codes.size(), std::size_t{1}) * code_chunk);
        for (std::size_t at = part.begin; at < part.end; at += code_chunk) {
            std::size_t const n = (std::min)(code_chunk, part.end - at), from = bytes({part.begin, at});
            if (codes.empty()) std::fill_n(decoded_.data(), n, T(0));
            for (std::size_t k = 0; k < codes.size(); ++k)
                code_.decode(std::span(codes[k] + from, code_.template bytes<T>(n)),
                             std::span<T>(decoded_.data() + k * code_chunk, n));
            for (std::size_t distance = 1; distance < codes.size(); distance *= 2)
                for (std::size_t k = 0; k + distance < codes.size(); k += 2 * distance) {
                    T *const into = decoded_.data() + k * code_chunk, *const other = into + distance * code_chunk;
                    for (std::size_t i = 0; i < n; ++i) into[i] += other[i];
                }
            std::copy_n(decoded_.data(), n, result + (at - part.begin));
        }
    }
    /// f(owner, where it begins in the whole, its size, where this rank has it if it is the owner).
    template <class F>
    void for_each_piece(F const& f) const {
        std::size_t const size = states * count_;
        for (int rank = 0; rank < ranks_; ++rank) {
            LeafRange const its = shards_of(rank);
            for (int shard = its.begin; shard < its.end; ++shard)
                f(rank, static_cast<std::size_t>(shard) * size, size,
                  left_.data() + (rank == rank_ ? static_cast<std::size_t>(shard - its.begin) * size : 0));
            OwnedRange const part = owned_range(rank, ranks_, count_);
            f(rank, static_cast<std::size_t>(shards()) * size + states * part.begin, states * part.size(),
              left_back_.data());
        }
    }

    Compressed<Code> compressed_;
    Code code_{};  // of this step
    T factor_ = 1;
    int rank_ = 0, ranks_ = 1;
    std::size_t count_ = 0;
    AlignedVector<T> left_, left_back_;          // what was not sent yet
    AlignedVector<T> new_left_, new_left_back_;  // after this pass, if it counts
    AlignedVector<T> decoded_;
    std::vector<std::byte> encoded_, arrived_;
    std::vector<std::byte const*> codes_;  // that were posted, of all shards,
    OwnedRange part_{0, 0};                // of this rank's part
};

}  // namespace strata::inline STRATA_ABI
