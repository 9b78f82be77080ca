// Batches of a dataset: shuffled, transformed and gathered on background threads, in an order
// that does not depend on them.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <span>
#include <utility>

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
    STRATA_COLD explicit Loader(Dataset dataset, LoaderOptions options = {})
        : dataset_(std::move(dataset)), options_(options), batch_size_(static_cast<std::size_t>(options.batch_size)) {
        check();
        std::size_t const n = dataset_.size();
        batches_ = static_cast<int>(options_.drop_last ? n / batch_size_ : (n - 1) / batch_size_ + 1);
        order_ = FixedArray<std::uint32_t>(n);
        sample_bytes_ = dataset_.shape().size() * size_of(dataset_.transforms().sample_type());
        labels_ = static_cast<std::size_t>(dataset_.labels_per_sample());
        moves_ = dataset_.targets_move();
        target_bytes_ = static_cast<std::size_t>(dataset_.outputs()) * size_of(dataset_.target_type());
        // One more than prefetch, for the caller's; but no more than an epoch has.
        int const ahead = options_.threads == 0 ? 0 : (std::min)(options_.prefetch, batches_ - 1);
        slots_ = FixedArray<Slot>(static_cast<std::size_t>(ahead) + 1);
        for (auto& slot : slots_) reserve(slot);
        if (options_.threads == 0) return;
        crew_ = new Crew(this);
        try {
            crew_->threads = FixedArray<detail::Thread>(static_cast<std::size_t>(options_.threads));
            for (auto& thread : crew_->threads)
                thread = detail::Thread(
                    [](void* argument) -> void* {
                        auto& crew = *static_cast<Crew*>(argument);
                        crew.loader->work(crew);
                        return nullptr;
                    },
                    crew_);
        } catch (...) {
            stop();
            throw;
        }
    }
    Loader(Loader const&) = delete;
    Loader& operator=(Loader const&) = delete;
    STRATA_COLD ~Loader() { stop(); }

    /// Starts an epoch at batch `first_batch` (to continue an interrupted one), giving up the current one.
    /// Throws Error unless 0 <= first_batch <= batches_per_epoch() and epoch >= 0.
    STRATA_COLD void begin_epoch(int epoch, int first_batch = 0) {
        if (epoch < 0) fail("Loader: epoch ", epoch, " is negative");
        if (first_batch < 0 || first_batch > batches_)
            fail("Loader: cannot begin at batch ", first_batch, " of an epoch with ", batches_, " batches");
        Crew* const crew = this->crew();
        detail::Lock const lock(crew ? &crew->mutex : nullptr);
        end_ = 0;  // workers take no more batches, and begin_epoch has the order to itself once none is at work
        while (crew && filling_ > 0) crew->filled.wait(crew->mutex);
        for (auto& slot : slots_) {
            slot.ready = false;
            slot.error = nullptr;
        }
        epoch_ = static_cast<std::uint32_t>(epoch);
        begun_ = true;
        holding_ = false;
        for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
        if (options_.shuffle) shuffle();
        next_to_fill_ = current_ = first_batch;
        end_ = batches_;
        if (crew) crew->wanted.notify_all();
    }

    /// The next batch, or nullptr at the end of the epoch; it stays valid until the next call of next or
    /// begin_epoch. What a transform throws comes out here, at the batch where it happened and again at
    /// every later call of the epoch.
    Batch const* next() {
        if (!begun_) fail("Loader: call begin_epoch before next");
        Crew* const crew = this->crew();
        detail::Lock const lock(crew ? &crew->mutex : nullptr);
        if (holding_) {
            slot_of(current_).ready = false;
            ++current_;
            holding_ = false;
            if (crew) crew->wanted.notify_one();
        }
        if (current_ == end_) return nullptr;
        Slot& slot = slot_of(current_);
        while (crew && !slot.ready) crew->filled.wait(crew->mutex);
        if (!slot.ready) fill(slot, current_);
        slot.ready = true;
        if (slot.error) std::rethrow_exception(slot.error);
        holding_ = true;
        return &slot.batch;
    }

    /// The index in the dataset of each sample of the current batch; empty when there is none.
    [[nodiscard]] std::span<std::uint32_t const> indices() const {
        if (!holding_) return {};
        Batch const& batch = slots_[static_cast<std::size_t>(current_) % slots_.size()].batch;
        return {batch.indices, static_cast<std::size_t>(batch.size)};
    }
    [[nodiscard]] int batches_per_epoch() const { return batches_; }
    [[nodiscard]] Dataset const& dataset() const { return dataset_; }
    [[nodiscard]] LoaderOptions const& options() const { return options_; }

private:
    struct Slot {
        FixedArray<std::byte> inputs, targets;
        FixedArray<std::int32_t> labels;
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
    STRATA_COLD Crew* crew() {
        if (crew_ && getpid() != crew_->process) {
            crew_ = nullptr;
            filling_ = 0;
            for (auto& slot : slots_) {
                if (holding_ && &slot == &slot_of(current_)) continue;
                slot.ready = false;
                slot.error = nullptr;
            }
        }
        return crew_;
    }

    STRATA_COLD void check() const {
        if (dataset_.size() == 0) fail("Loader: the dataset is empty");
        if (options_.batch_size < 1) fail("Loader: batch_size is ", options_.batch_size, ", expected at least 1");
        if (options_.threads < 0 || options_.threads > 256)
            fail("Loader: threads is ", options_.threads, ", expected 0 to 256");
        if (options_.threads > 0 && options_.prefetch < 1)
            fail("Loader: prefetch is ", options_.prefetch, ", expected at least 1");
        if (options_.drop_last && dataset_.size() < batch_size_)
            fail("Loader: ", dataset_.size(), " samples are less than one batch of ", batch_size_,
                 ", and drop_last leaves nothing");
    }

    STRATA_COLD void reserve(Slot& slot) const {
        // A batch size beyond the dataset costs no memory.
        std::size_t const most = (std::min)(batch_size_, dataset_.size());
        slot.inputs = FixedArray<std::byte>(most * sample_bytes_);
        Batch& batch = slot.batch;
        batch.shape = dataset_.shape();
        batch.type = dataset_.transforms().sample_type();
        batch.inputs = slot.inputs.data();
        if (!dataset_.transforms().scale().empty()) {
            batch.scale = dataset_.transforms().scale().data();
            batch.shift = dataset_.transforms().shift().data();
        }
        if (dataset_.classes() > 0) {
            slot.labels = FixedArray<std::int32_t>(most * labels_);
            batch.labels = slot.labels.data();
            batch.labels_per_sample = static_cast<int>(labels_);
        }
        if (dataset_.outputs() > 0) {
            slot.targets = FixedArray<std::byte>(most * target_bytes_);
            batch.targets = slot.targets.data();
            batch.target_type = dataset_.target_type();
        }
        if (!dataset_.weights().empty()) {
            slot.weights = FixedArray<float>(most);
            batch.weights = slot.weights.data();
        }
    }

    /// Fisher-Yates (Knuth, The Art of Computer Programming 2, algorithm P), from the identity: an epoch's order does
    /// not depend on the epochs before it.
    void shuffle() {
        Random random(options_.seed, Purpose::shuffle, epoch_);
        for (std::size_t i = order_.size() - 1; i > 0; --i)
            std::swap(order_[i], order_[random.below(static_cast<std::uint32_t>(i + 1))]);
    }

    [[nodiscard]] Slot& slot_of(int batch) { return slots_[static_cast<std::size_t>(batch) % slots_.size()]; }

    /// Writes a batch, or what was thrown, into its slot.
    STRATA_ONE_COPY void fill(Slot& slot, int batch) noexcept {
        try {
            std::size_t const first = static_cast<std::size_t>(batch) * batch_size_;
            std::size_t const n = (std::min)(batch_size_, order_.size() - first);
            SampleRange const part =
                options_.part ? options_.part(static_cast<int>(n)) : SampleRange{0, options_.batch_size};
            for (std::size_t i = 0; i < n; ++i) {
                std::size_t const index = order_[first + i];
                std::int32_t* const labels = slot.labels.empty() ? nullptr : slot.labels.data() + i * labels_;
                std::byte* const row = slot.targets.empty() ? nullptr : slot.targets.data() + i * target_bytes_;
                // Labels of samples that are not wanted count in the mean, so what changes them is done to all.
                if (moves_ || (static_cast<int>(i) >= part.begin && static_cast<int>(i) < part.end))
                    dataset_.load(index, {slot.inputs.data() + i * sample_bytes_, sample_bytes_}, labels, row,
                                  options_.seed, epoch_);
                if (labels && !moves_) std::memcpy(labels, dataset_.labels(index).data(), labels_ * sizeof(*labels));
                if (row && !moves_) std::memcpy(row, dataset_.target(index), target_bytes_);
                if (!slot.weights.empty()) slot.weights[i] = dataset_.weights()[index];
            }
            slot.batch.size = static_cast<int>(n);
            slot.batch.indices = order_.data() + first;
        } catch (...) { slot.error = std::current_exception(); }
    }

    /// A worker takes the next batch whose slot is free: batches are taken in order, whoever takes them.
    STRATA_COLD void work(Crew& crew) {
        detail::Lock const lock(crew.mutex);
        for (;;) {
            while (!stopping_ && (next_to_fill_ >= end_ || next_to_fill_ - current_ >= static_cast<int>(slots_.size())))
                crew.wanted.wait(crew.mutex);
            if (stopping_) return;
            int const batch = next_to_fill_++;
            Slot& slot = slot_of(batch);
            ++filling_;
            crew.mutex.unlock();
            fill(slot, batch);
            crew.mutex.lock();
            --filling_;
            slot.ready = true;
            crew.filled.notify_one();
        }
    }

    STRATA_COLD void stop() {
        Crew* const mine = crew();
        if (!mine) return;
        {
            detail::Lock const lock(mine->mutex);
            stopping_ = true;
        }
        mine->wanted.notify_all();
        for (auto& thread : mine->threads)
            if (thread.joinable()) thread.join();
        delete std::exchange(crew_, nullptr);
    }

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
