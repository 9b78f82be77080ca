// What simulate.hpp is asked, and what it answers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "link.hpp"

namespace strata::inline STRATA_ABI {

/// How ranks keep to one another.
enum class SimulatedMode : unsigned char {
    bsp,      ///< every step exchanges all gradients, as DataParallel does
    sharded,  ///< the same, but what the owners make of them comes back under the next step's forward pass, as with
              ///< Sharded<2>, which sends gradients under the backward pass besides; Sharded<1> waits for both
    ssp,      ///< parameter servers; a step begins with all gradients but those of the last `staleness` steps
    asp,      ///< parameter servers; nobody waits for anybody
};
/// By which messages ranks exchange gradients.
enum class Collective : unsigned char {
    exchange,  ///< Exchange's: halving and doubling where ranks and leaves are powers of two
    direct,    ///< every rank's to the owners and back, all at once
    ring,      ///< 2 (R - 1) messages to the neighbour, for comparison: its additions depend on the number of ranks
};

/// A training on ranks that are not there. Times are in seconds.
struct Simulation {
    SimulatedMode synchronisation = SimulatedMode::bsp;
    Collective collective = Collective::exchange;
    int ranks = 8;
    int leaves = 0;     ///< of a batch; 0: as many as ranks
    int servers = 0;    ///< 0: one a rank
    int staleness = 3;  ///< of ssp; 0 waits for all gradients of the step before
    int shards =
        0;  ///< codes of so many virtual shards, a multiple of the ranks, go to the owners; 0: sums of numbers do
    std::size_t parameters = 25'600'000;
    double gradient_bytes = 4;   ///< on the wire, a parameter: 4 float, 1 Int8, 5/32 OneBit
    double parameter_bytes = 4;  ///< on the way back: 17/32 with OneBit
    Link link{.latency = 20e-6, .bandwidth = 25e9 / 8};
    double compute = 0.1;            ///< of a rank's part of a step
    double forward_share = 1.0 / 3;  ///< of `compute`
    double jitter = 0;               ///< a step takes exp(jitter · normal) times as long
    double stragglers = 0;           ///< this share of the ranks always takes
    double slowdown = 2;             ///< so many times as long
    double failures = 0;             ///< of a rank, a second
    double recovery = 10;            ///< of a rank, or of all where they step together; the step is repeated
    int steps = 100;
    std::uint64_t seed = 1;
};
/// How it went.
struct Simulated {
    double seconds = 0;     ///< until the last rank has ended
    double efficiency = 0;  ///< of ranks that never wait, send, stand still or take longer than `compute`
    double bytes = 0;       ///< that a rank sends in a step, in the mean over the ranks
    int failures = 0;
};

}  // namespace strata::inline STRATA_ABI
