// Batches of a dataset: shuffled, transformed and gathered on background threads, in an order
// that does not depend on them.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>

#include "../core/error.hpp"
#include "../core/fixed_array.hpp"
#include "../core/function.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"
#include "../core/thread.hpp"
#include "dataset.hpp"

namespace strata::inline STRATA_ABI {

/// How a Loader makes batches. Neither threads nor prefetch change a bit of what it gives.
struct LoaderOptions {
    int batch_size = 64;
    bool shuffle = true;     ///< another order every epoch; false: the order of the dataset
    bool drop_last = false;  ///< leaves out the last batch of an epoch when it is not full
    std::uint64_t seed = 0;  ///< of the order and of all transforms
    int threads = 1;         ///< that prepare batches; 0: next() does it itself
    int prefetch = 4;        ///< batches prepared ahead of the one in use
    /// The samples of a batch of `size` that are wanted; the inputs of others are left as they are. Empty: all.
    Function<SampleRange(int size)> part = {};
};

/// Gives the batches of one epoch after the other. Order and content are a function of the dataset, the seed, the epoch
/// and the batch size. Memory is one batch more than `prefetch`, all of it allocated in the constructor. To be used by
/// one thread at a time. The child of a fork has no threads: there next() prepares the same batches itself.
///
///     Loader loader(data, {.batch_size = 64});
///     loader.begin_epoch(0);
///     while (Batch const* batch = loader.next()) …
class Loader {
public:
    /// Throws Error when an option makes no sense for this dataset.
    explicit Loader(Dataset dataset, LoaderOptions options = {});
    Loader(Loader const&) = delete;
    Loader& operator=(Loader const&) = delete;
    STRATA_COLD ~Loader() { stop(); }

    /// Starts an epoch at batch `first_batch` (to continue an interrupted one), giving up the current one.
    /// Throws Error unless 0 <= first_batch <= batches_per_epoch() and epoch >= 0.
    void begin_epoch(int epoch, int first_batch = 0);

    /// The next batch, or nullptr at the end of the epoch; it stays valid until the next call of next or
    /// begin_epoch. What a transform throws comes out here, at the batch where it happened and again at
    /// every later call of the epoch.
    Batch const* next();

    /// The index in the dataset of each sample of the current batch; empty when there is none.
    [[nodiscard]] std::span<std::uint32_t const> indices() const;
    [[nodiscard]] int batches_per_epoch() const { return batches_; }
    [[nodiscard]] Dataset const& dataset() const { return dataset_; }
    [[nodiscard]] LoaderOptions const& options() const { return options_; }

private:
    struct Slot {
        FixedArray<std::byte> inputs, targets;
        FixedArray<std::int32_t> labels, starts;  // starts: of sequences
        FixedArray<float> weights;
        Batch batch;
        bool ready = false;
        std::exception_ptr error;
    };

    /// The threads, and what they and the caller wait with. On its own, because it outlives the loader in the child of a
    /// fork: neither threads nor a condition that they waited for can be taken down there.
    struct Crew {
        explicit Crew(Loader* of) : loader(of) {}
        Loader* const loader;
        pid_t const process = getpid();
        detail::Mutex mutex;               // but a slot being filled belongs to its worker
        detail::Condition wanted, filled;  // workers wait for the first, the caller for the second
        FixedArray<detail::Thread> threads;
    };

    /// The crew, or null where there is none, as in the child of a fork. Its threads may have been anywhere in their
    /// work, with the mutex locked: but for the batch in use nothing that they did is trusted.
    Crew* crew();

    void check() const;

    void reserve(Slot& slot) const;

    /// Fisher-Yates (Knuth, The Art of Computer Programming 2, algorithm P), from the identity: an epoch's order does
    /// not depend on the epochs before it.
    void shuffle();

    /// Samples and answers of a batch at most: columns of the longest sequences.
    [[nodiscard]] std::size_t most_columns(std::size_t samples) const;

    [[nodiscard]] Slot& slot_of(int batch) { return slots_[static_cast<std::size_t>(batch) % slots_.size()]; }

    /// Writes a batch, or what was thrown, into its slot.
    void fill(Slot& slot, int batch) noexcept;

    /// A worker takes the next batch whose slot is free: batches are taken in order, whoever takes them.
    void work(Crew& crew);

    void stop();

    Dataset dataset_;
    LoaderOptions options_;
    std::size_t batch_size_, sample_bytes_ = 0, target_bytes_ = 0, labels_ = 1;  // labels_: of a sample
    bool moves_ = false;                                                         // transforms change labels or targets
    int batches_ = 0;
    bool begun_ = false, holding_ = false;  // holding_: the caller has the slot of current_. Both only his thread's.

    Crew* crew_ = nullptr;
    // Guarded by the crew's mutex.
    FixedArray<std::uint32_t> order_;  // written only while filling_ == 0 and end_ == 0
    FixedArray<Slot> slots_;           // batch b is in slot b mod slots_.size()
    std::uint32_t epoch_ = 0;
    int current_ = 0;       // batch in use, or the next one to give
    int next_to_fill_ = 0;  // batch that the next free worker takes
    int end_ = 0;
    int filling_ = 0;  // workers at work
    bool stopping_ = false;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "loader.ipp"
#endif
