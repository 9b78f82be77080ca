// DataParallel: ranks that train one network together, each on its own leaves of every batch.
//
// A batch, its leaves and the tree in which their gradients are added are functions of network, precision and batch
// size; ranks only deal out the leaves. So weights, buffers, optimizer state and results have the same bits on any number
// of ranks and threads, BatchNorm (whose statistics are the whole batch's) included.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "../backend/cpu/executor.hpp"
#include "exchange.hpp"

namespace strata::inline STRATA_ABI {

/// What the ranks of a training do when one of them is gone.
enum class WhenLost : unsigned char {
    stop,   ///< RankLost comes out of what they were doing
    go_on,  ///< fit deals the leaves out anew and repeats the step: to the same bits
};

namespace detail {

/// What an executor asks of several ranks. All of them make the same calls in the same order. Everything that waits for
/// others throws RankLost where one of them is gone.
template <Communicator C>
class RankGroup {
public:
    static constexpr bool several = true;

    RankGroup(C& communicator, WhenLost when_lost) : communicator_(&communicator), when_lost_(when_lost) { look(); }

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int size() const { return size_; }
    [[nodiscard]] bool goes_on() const { return when_lost_ == WhenLost::go_on; }
    [[nodiscard]] LeafRange leaves(int all) const { return leaves_of(rank(), all); }
    [[nodiscard]] LeafRange leaves_of(int rank, int all) const { return strata::leaves_of(rank, size(), all); }

    /// The gradient [count] of a batch of so many leaves from the sums of all ranks' nodes, [count] each.
    template <class T>
    STRATA_COLD void sum(std::span<T* const> nodes, T* gradient, std::size_t count, int leaves) const {
        Exchange<T> exchange(rank(), size(), leaves, count);
        exchange.reduce(*communicator_, std::span<T const* const>(nodes.data(), nodes.size()),
                        gradient + exchange.owned().begin);
        exchange.gather(*communicator_, gradient);
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
    /// Columns [begin, end) of the tiles' parts [tiles][row] of batch-wide statistics.
    STRATA_COLD void share_parts(double* parts, int row, int begin, int end, Tiling const& tiling) const {
        int const width = end - begin;
        std::vector<double> packed(static_cast<std::size_t>(tiling.tiles) * static_cast<std::size_t>(width));
        auto const tiles_of = [&](int rank) { return tiles_of_leaves(leaves_of(rank, tiling.leaves), tiling); };
        auto const copy = [&](int from, int to, bool back) {
            for (int tile = from; tile < to; ++tile) {
                double* const part = parts + static_cast<std::ptrdiff_t>(tile) * row + begin;
                double* const dense = packed.data() + static_cast<std::ptrdiff_t>(tile) * width;
                std::copy_n(back ? dense : part, width, back ? part : dense);
            }
        };
        auto const [first, last] = tiles_of(rank());
        copy(first, last, false);
        gather(packed.data(), width, tiles_of);
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
        std::vector<int> all(static_cast<std::size_t>(size()));
        all_gather<C, int>(*communicator_, std::span(&number, 1), all);
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
        std::string const difference = together([&] {
            std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size()));
            std::uint64_t const own = text.size();
            all_gather<C, std::uint64_t>(*communicator_, std::span(&own, 1), sizes);
            std::uint64_t const longest = *std::max_element(sizes.begin(), sizes.end());
            std::vector<char> mine(longest), all(longest * sizes.size());
            std::copy(text.begin(), text.end(), mine.begin());
            all_gather<C, char>(*communicator_, mine, all);
            for (std::size_t peer = 0; peer < sizes.size(); ++peer) {
                std::string_view const theirs(all.data() + peer * longest, sizes[peer]);
                if (theirs != text) return concatenate(", on rank ", peer, " it is ", theirs);
            }
            return std::string();
        });
        if (!difference.empty())
            fail("rank ", rank(), ": ", what, " is ", text, difference,
                 ": all ranks have to run the same program with the same policies");
    }

private:
    void look() {
        rank_ = communicator_->rank();
        size_ = communicator_->size();
    }

    C* communicator_;
    WhenLost when_lost_;
    int rank_ = 0, size_ = 1;  // also when the communicator is gone
};

/// A backend whose batches are shared by several ranks.
template <class BackendType, Communicator C>
struct Ranked {
    using policy = BackendPolicy;
    template <class Net, class Precision, class Loss>
    class Executor : public CpuExecutor<Net, Precision, Loss, RankGroup<C>> {
        using Base = CpuExecutor<Net, Precision, Loss, RankGroup<C>>;

    public:
        Executor(Ranked backend, Loss loss)
            : Base(backend.backend, loss, RankGroup<C>(*backend.communicator, backend.when_lost)) {}
    };

    BackendType backend;
    C* communicator;
    WhenLost when_lost;
};

}  // namespace detail

/// Trains on all ranks of a communicator, which has to outlive the trainer:
///
///     auto trainer = train<Net>(Cpu{}, DataParallel{communicator}, AdamW{…});
///
/// Every rank runs the same program: it makes the same trainer and the same calls, callbacks that change the training
/// included. Batch sizes are those of all ranks together; each prepares and works on its part of every batch. Losses,
/// predictions, gradients() and model() are the whole batch's, on every rank; progress and checkpoints are rank 0's
/// alone. A communicator has one trainer at a time. Where a rank is gone, the others stop with RankLost, or
/// (WhenLost::go_on) go on in fit, evaluate, predict and save_checkpoint, to the same bits; in a loop of your own they catch
/// it then, call trainer.go_on() and repeat the call.
template <Communicator C>
class DataParallel {
public:
    using policy = RanksPolicy;

    explicit DataParallel(C& communicator, WhenLost when_lost = WhenLost::stop)
        : communicator_(&communicator), when_lost_(when_lost) {}

    /// A backend over these ranks.
    template <class BackendType>
    [[nodiscard]] auto over(BackendType const& backend) const {
        static_assert(std::is_same_v<BackendType, Cpu>, "DataParallel: ranks train on Cpu{} alone");
        return detail::Ranked<BackendType, C>{backend, communicator_, when_lost_};
    }

private:
    C* communicator_;
    WhenLost when_lost_;
};

}  // namespace strata::inline STRATA_ABI
