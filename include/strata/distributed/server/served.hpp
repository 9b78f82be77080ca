// Served: the policy of a training whose weights are parameter servers' (distributed/parameter_server.hpp).
#pragma once

#include <string>
#include <vector>

#include "../../backend/ranks.hpp"
#include "messages.hpp"
#include "served_code.hpp"
#include "synchronisation.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class BackendType>
struct ServedBackend;
}  // namespace detail

/// Trains a worker's part, with weights and optimizer state at parameter servers:
///
///     auto trainer = train<Net>(Cpu{}, Served{.servers = {"tcp://127.0.0.1:5555"}, .worker = 0, .workers = 4}, SGD{…});
///
/// fit, train_step, evaluate and predict work as in one process; docs/parameter_server.md says what does not. The trainer
/// waits for the servers; when it is gone, they know that the worker has left, unless an exception ended it.
struct Served {
    using policy = RanksPolicy;
    std::vector<std::string> servers = {"tcp://127.0.0.1:5555"};  ///< all of them, in their order
    int worker = 0, workers = 1;                                  ///< which one of how many
    Synchronisation mode = Bsp{};                                 ///< the servers' too, as the next two
    ServedCode code = {};
    std::string key = {};
    double patience = 120;  ///< seconds without an answer, or of waiting for another worker, until an Error

    STRATA_COLD void check() const {
        if (servers.empty()) fail("Served: servers is empty, expected the addresses of all servers");
        if (worker < 0 || worker >= static_cast<int>(detail::most_workers) ||
            (!mode.is_asynchronous() && worker >= workers))
            fail("Served: worker is ", worker, ", expected 0 to ", workers - 1, " (workers is ", workers, ")");
        code.check();
        if (!(patience > 0)) fail("Served: patience is ", patience, ", expected more than 0 seconds");
    }
    /// A backend whose weights are the servers'.
    template <class BackendType>
    [[nodiscard]] detail::ServedBackend<BackendType> over(BackendType const& backend) const;
};

}  // namespace strata::inline STRATA_ABI
