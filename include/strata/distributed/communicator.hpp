// Communicators: what carries bytes between the ranks of a training.
//
// Strata fixes the order of additions itself (exchange.hpp), so an engine only has to move messages. Those of a pair of
// ranks arrive in the order in which they were posted, whole; receives say the size that is sent.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../backend/ranks.hpp"
#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// Ends a rank as kill -9 would: not an Error, so that nothing on its way out takes it for one.
struct RankKilled {};

/// A communicator is an engine or what decorates one:
///
///     rank(), size()             this rank, and how many there are
///     post_send(to, bytes)       begins to send; the memory stays as it is until poll or wait say that all is done
///     post_receive(from, bytes)  begins to receive; throws or lets wait throw Error where another size was sent
///     poll()                     moves on; true where all that was posted is done
///     wait()                     until all that was posted is done; throws RankLost
///     agree(ok)                  true where every rank that is left says so, the same on all of them
///     shrink()                   a communicator of the ranks that are left, in the same order
///
/// What throws has given up all that was posted before: the memory may go. All ranks that are left call agree and
/// shrink. One thread of a rank uses a communicator at a time.
template <class C>
concept Communicator = std::movable<C> && requires(C& c, C const& constant, int peer, std::span<std::byte const> out,
                                                   std::span<std::byte> in, bool ok) {
    { constant.rank() } -> std::same_as<int>;
    { constant.size() } -> std::same_as<int>;
    c.post_send(peer, out);
    c.post_receive(peer, in);
    { c.poll() } -> std::same_as<bool>;
    c.wait();
    { c.agree(ok) } -> std::same_as<bool>;
    { c.shrink() } -> std::same_as<C>;
};

/// all[r] = the `own` of rank r, on every rank. `all` holds size() times as many numbers as `own`. Blocks; throws
/// RankLost.
template <Communicator C, class T>
void all_gather(C& communicator, std::span<T const> own, std::span<T> all) {
    auto const count = own.size();
    int const me = communicator.rank(), ranks = communicator.size();
    if (all.size() != count * static_cast<std::size_t>(ranks))
        fail("all_gather: room for ", all.size(), " numbers, expected ", count, " of each of ", ranks, " ranks");
    for (int peer = 0; peer < ranks; ++peer) {
        auto const part = all.subspan(static_cast<std::size_t>(peer) * count, count);
        if (peer == me) {
            for (std::size_t i = 0; i < count; ++i) part[i] = own[i];
            continue;
        }
        communicator.post_receive(peer, std::as_writable_bytes(part));
        communicator.post_send(peer, std::as_bytes(own));
    }
    communicator.wait();
}

}  // namespace strata::inline STRATA_ABI
