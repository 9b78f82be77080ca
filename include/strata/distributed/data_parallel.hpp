// DataParallel: ranks that train one network together, each on its own leaves of every batch.
//
// A batch, its leaves and the tree in which their gradients are added are functions of network, precision and batch
// size; ranks only deal out the leaves. So weights, buffers, optimizer state and results have the same bits on any number
// of ranks and threads, BatchNorm (whose statistics are the whole batch's) included.
#pragma once

#include "ranked_executor.hpp"

namespace strata::inline STRATA_ABI {

/// What ranks keep a part of instead of all, in the levels of ZeRO (Rajbhandari et al. 2020), each with those before:
///
/// 1: the optimizer's state. A rank sums its part of the gradient, updates its part of the parameters, and all gather
///    these: the bytes on the wire are those of whole gradients.
/// 2: the gradient. The backward pass goes through groups of layers (ParameterGroups); a group's gradients are reduced when
///    they are there, while the next ones are computed, and only a rank's part is kept. Parameters come under the next
///    forward pass, group by group: after a step model() gathers those that are old, and is called on all ranks; behind
///    fit's epochs it has been done. The activations of a rank's part of the batch stay in memory.
/// 3: the parameters. They are gathered group by group, forward and backward: half as many bytes again on the wire.
///    model() gathers all of them: it is called on all ranks, and its parameters are there until the next step.
///
/// The bits are those of one rank. Checkpoints are one rank's to the byte; rank 0 gathers the state for them, and with 3
/// every rank the parameters.
template <int Level>
struct Sharded {
    static_assert(Level >= 1 && Level <= 3,
                  "Sharded: levels are 1 (the optimizer's state), 2 (gradients too) and 3 (parameters too)");
    static constexpr int level = Level;
};

namespace detail {

template <class Way>
inline constexpr int shard_level = 0;
template <int Level>
inline constexpr int shard_level<Sharded<Level>> = Level;
template <class Way>
struct CodeOfWay {
    using type = NoCode;
};
template <class Code>
struct CodeOfWay<Compressed<Code>> {
    using type = Code;
};
template <class Way>
inline constexpr bool is_compression = !std::is_same_v<typename CodeOfWay<Way>::type, NoCode>;
template <class Way>
concept RankWay = std::is_same_v<Way, WhenLost> || shard_level<Way> > 0 || is_compression<Way>;

/// Compressed among the ways of DataParallel, or NoCode.
constexpr NoCode compression_among() { return {}; }
template <class Way, class... Ways>
constexpr auto compression_among(Way const& way, Ways const&... ways) {
    if constexpr (is_compression<Way>)
        return way;
    else
        return compression_among(ways...);
}

/// Throws Error where there is no such rank, or where an option makes no sense; in a constant it is no constant.
template <class... Ways>
constexpr void check_ranks(char const* what, int batch, int ranks, int rank, Ways const&... ways) {
    if (batch < 1) fail(what, ": batch is ", batch, ", expected at least 1");
    if (ranks < 1) fail(what, ": ", ranks, " ranks, expected at least 1");
    if (rank < 0 || rank >= ranks) fail(what, ": rank ", rank, ", expected one of ", ranks);
    if constexpr ((is_compression<Ways> || ... || false))
        if (auto const way = compression_among(ways...); way.shards < 1 || way.shards > 64) way.check();
}

/// What each rank owns a part of: all numbers at once, or one group of layers after another.
template <class Net, int Level>
inline constexpr auto ranges_of_level = [] {
    if constexpr (Level >= 2)
        return ParameterGroups<Net>::reduced;
    else
        return std::array{OwnedRange{0, static_cast<std::size_t>(Net::parameter_count)}};
}();

/// A backend whose batches are shared by several ranks.
template <class BackendType, Communicator C, int Level, class Compression>
struct Ranked {
    using policy = BackendPolicy;
    template <class Precision>
    using Group = RankGroup<C, typename Precision::master, typename Precision::accumulation, Level,
                            typename CodeOfWay<Compression>::type>;
    template <class Net, class Precision, class Loss>
    class Executor : public RankedExecutor<Net, Precision, Loss, Group<Precision>> {
        using Base = RankedExecutor<Net, Precision, Loss, Group<Precision>>;

    public:
        Executor(Ranked backend, Loss loss)
            : Base(backend.backend, loss,
                   Group<Precision>(*backend.communicator, backend.when_lost, backend.compression,
                                    ranges_of_level<Net, Level>)) {}
    };

    BackendType backend;
    C* communicator;
    WhenLost when_lost;
    Compression compression;
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
///
/// Behind the communicator there may be, in any order, WhenLost, Sharded and Compressed:
///
///     DataParallel{communicator, Sharded<1>{}, Compressed<Int8>{}, WhenLost::go_on}
///
/// With Sharded or Compressed a lost rank's part of the state is gone: fit goes on from the last checkpoint of
/// FitOptions::checkpoint; without one RankLost comes out. With Sharded gradients() and gradient_norm() are called on all
/// ranks, from level 2 on model(), too; parameters come back as they are. Without it the gradient comes back in the code.
template <Communicator C, class... Ways>
class DataParallel {
    static_assert((detail::RankWay<Ways> && ...),
                  "DataParallel takes a communicator, WhenLost, Sharded and Compressed");
    static constexpr int level = (0 + ... + detail::shard_level<Ways>);
    static_assert((0 + ... + (detail::shard_level<Ways> > 0 ? 1 : 0)) <= 1 &&
                      (0 + ... + (detail::is_compression<Ways> ? 1 : 0)) <= 1,
                  "DataParallel: Sharded or Compressed twice");
    using Compression = decltype(detail::compression_among(std::declval<Ways const&>()...));

public:
    using policy = RanksPolicy;

    explicit DataParallel(C& communicator, Ways... ways)
        : communicator_(&communicator), compression_(detail::compression_among(ways...)) {
        (take(ways), ...);
    }

    /// A backend over these ranks.
    template <class BackendType>
    [[nodiscard]] auto over(BackendType const& backend) const {
        static_assert(std::is_same_v<BackendType, Cpu>, "DataParallel: ranks train on Cpu{} alone");
        return detail::Ranked<BackendType, C, level, Compression>{backend, communicator_, when_lost_, compression_};
    }

private:
    void take(WhenLost when_lost) { when_lost_ = when_lost; }
    template <class Way>
    void take(Way const&) {}

    C* communicator_;
    Compression compression_;
    WhenLost when_lost_ = WhenLost::stop;
};

}  // namespace strata::inline STRATA_ABI
