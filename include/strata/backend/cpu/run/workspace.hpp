// Workspace: the memory of inference. `Model<LeNet> m = load<LeNet>("f.safetensors"); Workspace<LeNet> w; m(x, w);`
#pragma once

#include "../../id_check.hpp"
#include "executor.hpp"

namespace strata::inline STRATA_ABI {

/// Stands where no loss is asked for.
struct NoLoss {
    using policy = LossPolicy;
    static constexpr bool classifies = true;
    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const&) const {
        return typename Io::L(0);
    }
};

/// The memory of one inference at a time; models are shared, workspaces are not: one a thread. Any batch size; memory
/// is allocated when a batch is larger than all before it.
template <class Net, class Precision = Float32>
class Workspace {
public:
    using ModelType = Model<Net, Precision>;
    using Value = typename Precision::compute;
    static constexpr int outputs = Net::OutputShape::size;

    /// One thread unless told otherwise: servers run one workspace a thread.
    explicit Workspace(Cpu cpu = {.threads = 1}) : executor_(cpu, NoLoss{}) {}

    /// Samples [batch][C][H][W], row-major, as numbers. Returns [batch][outputs], valid until the next call.
    /// Throws Error when the values are not a whole, positive number of samples.
    std::span<Value const> run(ModelType const& model, std::span<Value const> samples) {
        return run(model, detail::batch_of_values(data_type_of<Value>, samples.data(), samples.size(), 0,
                                                  Net::InputShape::size));
    }
    /// A batch of a loader or of one's own, images as uint8 included. `who` is what errors begin with.
    std::span<Value const> run(ModelType const& model, Batch const& batch,
                               char const* who = "model(batch, workspace)") {
        if (batch.size < 1 || batch.shape.size() != static_cast<std::size_t>(Net::InputShape::size))
            fail(who, ": got a batch of ", batch.size, " samples of ", batch.shape.size(),
                 " values, expected at least 1 of ", Net::InputShape::size);
        check_batch_memory(batch, who);
        if constexpr (Net::has_sequences) {
            if (!batch.starts) fail(who, ": ", detail::sequences_wanted);
            if (batch.starts[0] != 0)
                fail(who, ": the batch's first sequence begins at token ", batch.starts[0], ", expected 0");
        } else if (batch.starts) {
            fail(who, ": ", detail::no_sequences_wanted);
        }
        detail::check_id_type(batch.type, Net::id_parts, batch.shape.size(), who);
        if constexpr (Net::has_ids) check_ids(batch, who);
        auto const wanted = detail::answers_in<Net>(batch) * static_cast<std::size_t>(outputs);
        if (outputs_.size() < wanted) outputs_ = AlignedVector<Value>(wanted);
        if constexpr (Net::has_sequences) {
            Batch samples = batch;  // whose labels, of tokens or sequences, nobody asks for
            samples.labels = nullptr, samples.targets = nullptr;
            executor_.evaluate(model, samples, nullptr, outputs_.data());
        } else {
            executor_.evaluate(model, batch, nullptr, outputs_.data());
        }
        return {outputs_.data(), wanted};
    }

    /// Bytes held beside the outputs.
    [[nodiscard]] std::size_t memory_bytes() const { return executor_.memory_bytes(); }

private:
    STRATA_COLD static void check_ids(Batch const& batch, char const* who) {
        if constexpr (Net::has_sequences)
            for (int i = 0; i < batch.size; ++i)
                if (batch.starts[i + 1] <= batch.starts[i]) fail(who, ": sequence ", i, " of the batch has no tokens");
        auto const wrong = detail::wrong_id(batch.inputs, batch.type, static_cast<std::size_t>(batch.columns()),
                                            batch.shape.size(), Net::id_parts);
        if (!wrong.found) return;
        auto const column = static_cast<std::int32_t>(wrong.column);
        int sample = batch.starts ? 0 : column;
        while (batch.starts && batch.starts[sample + 1] <= column) ++sample;
        detail::refuse_id(
            wrong,
            concatenate(batch.starts ? concatenate("token ", column - batch.starts[sample], " of ") : std::string(),
                        "sample ", sample, " of the batch"),
            who);
    }

    CpuExecutor<Net, Precision, NoLoss> executor_;
    AlignedVector<Value> outputs_;
};

}  // namespace strata::inline STRATA_ABI
