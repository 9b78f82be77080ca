// The functions of loader.hpp that no network type touches.
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
#include "loader.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD Loader::Loader(Dataset dataset, LoaderOptions options)
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

STRATA_DEFINE STRATA_COLD void Loader::begin_epoch(int epoch, int first_batch) {
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

STRATA_DEFINE Batch const* Loader::next() {
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

STRATA_DEFINE std::span<std::uint32_t const> Loader::indices() const {
    if (!holding_) return {};
    Batch const& batch = slots_[static_cast<std::size_t>(current_) % slots_.size()].batch;
    return {batch.indices, static_cast<std::size_t>(batch.size)};
}

STRATA_DEFINE STRATA_COLD Loader::Crew* Loader::crew() {
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

STRATA_DEFINE STRATA_COLD void Loader::check() const {
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

STRATA_DEFINE STRATA_COLD void Loader::reserve(Slot& slot) const {
    // A batch size beyond the dataset costs no memory.
    std::size_t const most = (std::min)(batch_size_, dataset_.size());
    std::size_t const columns = most_columns(most), answers = dataset_.answers_tokens() ? columns : most;
    slot.inputs = FixedArray<std::byte>(columns * sample_bytes_);
    Batch& batch = slot.batch;
    if (dataset_.has_sequences()) {
        slot.starts = FixedArray<std::int32_t>(most + 1);
        batch.starts = slot.starts.data();
        batch.answers_columns = dataset_.answers_tokens();
    }
    batch.shape = dataset_.shape();
    batch.type = dataset_.transforms().sample_type();
    batch.inputs = slot.inputs.data();
    if (!dataset_.transforms().scale().empty()) {
        batch.scale = dataset_.transforms().scale().data();
        batch.shift = dataset_.transforms().shift().data();
    }
    if (dataset_.classes() > 0) {
        slot.labels = FixedArray<std::int32_t>(answers * labels_);
        batch.labels = slot.labels.data();
        batch.labels_per_sample = static_cast<int>(labels_);
    }
    if (dataset_.outputs() > 0) {
        slot.targets = FixedArray<std::byte>(answers * target_bytes_);
        batch.targets = slot.targets.data();
        batch.target_type = dataset_.target_type();
    }
    if (!dataset_.weights().empty()) {
        slot.weights = FixedArray<float>(answers);
        batch.weights = slot.weights.data();
    }
}

STRATA_DEFINE STRATA_COLD std::size_t Loader::most_columns(std::size_t samples) const {
    if (!dataset_.has_sequences()) return samples;
    FixedArray<int> lengths(dataset_.size());
    for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = dataset_.length(i);
    std::sort(lengths.begin(), lengths.end());
    std::size_t columns = 0;
    for (std::size_t i = lengths.size() - samples; i < lengths.size(); ++i)
        columns += static_cast<std::size_t>(lengths[i]);
    if (columns > static_cast<std::size_t>((std::numeric_limits<std::int32_t>::max)()))
        fail("Loader: a batch of ", samples, " sequences may have ", columns, " tokens, expected at most 2147483647");
    return columns;
}

STRATA_DEFINE void Loader::shuffle() {
    Random random(options_.seed, Purpose::shuffle, epoch_);
    for (std::size_t i = order_.size() - 1; i > 0; --i)
        std::swap(order_[i], order_[random.below(static_cast<std::uint32_t>(i + 1))]);
}

STRATA_DEFINE STRATA_ONE_COPY void Loader::fill(Slot& slot, int batch) noexcept {
    try {
        std::size_t const first = static_cast<std::size_t>(batch) * batch_size_;
        std::size_t const n = (std::min)(batch_size_, order_.size() - first);
        SampleRange const part =
            options_.part ? options_.part(static_cast<int>(n)) : SampleRange{0, options_.batch_size};
        std::size_t column = 0;
        for (std::size_t i = 0; i < n; ++i) {
            std::size_t const index = order_[first + i];
            auto const length = static_cast<std::size_t>(dataset_.length(index));
            bool const of_tokens = dataset_.answers_tokens();
            std::size_t const answer = of_tokens ? column : i, answers = of_tokens ? length : 1;
            std::int32_t* const labels = slot.labels.empty() ? nullptr : slot.labels.data() + answer * labels_;
            std::byte* const row = slot.targets.empty() ? nullptr : slot.targets.data() + answer * target_bytes_;
            // Labels of samples that are not wanted count in the mean, so what changes them is done to all.
            if (moves_ || (static_cast<int>(i) >= part.begin && static_cast<int>(i) < part.end))
                dataset_.load(index, {slot.inputs.data() + column * sample_bytes_, length * sample_bytes_}, labels, row,
                              options_.seed, epoch_);
            if (labels && !moves_)
                std::memcpy(labels, dataset_.labels(index).data(), answers * labels_ * sizeof(*labels));
            if (row && !moves_) std::memcpy(row, dataset_.target(index), answers * target_bytes_);
            if (!slot.weights.empty()) std::fill_n(slot.weights.data() + answer, answers, dataset_.weights()[index]);
            column += length;
            if (!slot.starts.empty()) slot.starts[i + 1] = static_cast<std::int32_t>(column);
        }
        slot.batch.size = static_cast<int>(n);
        slot.batch.indices = order_.data() + first;
    } catch (...) { slot.error = std::current_exception(); }
}

STRATA_DEFINE STRATA_COLD void Loader::work(Crew& crew) {
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

STRATA_DEFINE STRATA_COLD void Loader::stop() {
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

}  // namespace strata::inline STRATA_ABI
