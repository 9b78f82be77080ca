// The CPU's executor on several ranks, with what each keeps for itself: shards of the optimizer's state, and what codes
// left of gradients.
#pragma once

#include "../optimizer/grouped_optimizer.hpp"
#include "rank_group.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Net, class Precision, class Loss, class Group>
class RankedExecutor : public CpuExecutor<Net, Precision, Loss, Group> {
    using Base = CpuExecutor<Net, Precision, Loss, Group>;
    using Gradient = typename Precision::accumulation;
    using Value = typename Precision::compute;
    static constexpr auto count = static_cast<std::size_t>(Net::parameter_count);

public:
    using typename Base::ModelType, typename Base::Scalar;
    using CodeState = AlignedVector<Gradient>;

    /// The model's parameters are the ranks' together: it is gathered where somebody looks at it.
    static constexpr bool keeps_model_apart = Group::gathers_parameters;

    RankedExecutor(Cpu cpu, Loss loss, Group group) : Base(cpu, loss, std::move(group)) { deal_codes(); }

    /// Others have changed model or state.
    void load(ModelType const& model, std::span<Scalar const> state) {
        Base::load(model, state);
        if constexpr (Group::by_groups) this->ranks().shard().take(this->ranks().parts(), model.parameters().data());
        this->ranks().parameters_are_old(false);
    }
    /// The model as it stands; where ranks keep parts of it, all call it together.
    void store(ModelType& model, std::span<Scalar>) {
        if constexpr (keeps_model_apart) model.make_room();
        if constexpr (Group::by_groups)
            if (this->ranks().gathers_now() && !lost_) {  // else a checkpoint will be loaded
                this->ranks().together([&] {
                    this->ranks().meet("model()");
                    this->ranks().share_owned(this->ranks().shard().parameters().data(), model.parameters().data());
                    return true;
                });
                this->ranks().parameters_are_old(false);
            }
    }
    [[nodiscard]] std::size_t memory_bytes() const {
        return Base::memory_bytes() + this->ranks().shard().memory_bytes() + whole_gradient_.size() * sizeof(Gradient);
    }

    /// Numbers of the optimizer's state that this rank keeps.
    template <class Optimizer>
    [[nodiscard]] std::size_t state_size(Optimizer const& optimizer) const {
        if constexpr (!Group::sharded) {
            return optimizer_state_size<Net>(optimizer);
        } else {
            static_assert(!MatrixOptimizer<Optimizer>,
                          "Sharded: a matrix optimizer needs whole matrices and their "
                          "state on every rank: train without Sharded");
            return static_cast<std::size_t>(states_of<Optimizer>()) * parts().size();
        }
    }

    StepResult gradients(ModelType const& model, Batch const& batch, RandomKey random, double loss_scale = 1) {
        check_state();
        if constexpr (Group::by_groups)
            this->ranks().shard().gather_into(keeps_model_apart ? nullptr : trainers(model).parameters().data());
        whole_ = !Group::sharded;
        if constexpr (Group::compressed) this->ranks().codes().begin(random.step, loss_scale);
        StepResult const result = Base::gradients(model, batch, random, loss_scale);
        this->ranks().parameters_are_old(false);
        if constexpr (Group::compressed) {
            kept_ = result.finite && !this->statistics_fault(model);
            if (kept_) this->ranks().codes().keep();
        }
        return result;
    }
    /// The whole batch's gradient; where it is sharded, all ranks ask for it together.
    [[nodiscard]] std::span<Gradient> gradient() {
        auto all = Base::gradient();
        if constexpr (Group::by_groups) {
            if (all.empty()) return all;
            if (whole_gradient_.empty()) whole_gradient_ = AlignedVector<Gradient>(count);
            all = {whole_gradient_.data(), count};
        }
        if (!whole_ && !all.empty()) {
            this->ranks().together([&] {
                this->ranks().meet("gradients()");
                if constexpr (Group::by_groups)
                    this->ranks().share_owned(this->ranks().shard().gradient().data(), all.data());
                else
                    this->ranks().share_owned(all.data());
                return true;
            });
            whole_ = true;
        }
        return all;
    }
    [[nodiscard]] std::span<Gradient const> gradient() const {
        if constexpr (!Group::sharded) return Base::gradient();
        return const_cast<RankedExecutor*>(this)->gradient();  // NOLINT: what is gathered is a cache
    }

    /// Before what sharded ranks call together: an Error where one calls it alone.
    void meet(char const* call) {
        if constexpr (Group::sharded)
            this->ranks().together([&] {
                this->ranks().meet(call);
                return true;
            });
    }
    /// The whole batch's gradient's norm; where it is sharded, of what each rank has, without gathering it.
    [[nodiscard]] double gradient_norm() {
        if constexpr (!Group::sharded) {
            return Base::gradient_norm();
        } else {
            std::vector<GradientPiece<Gradient>> pieces;
            for (int k = 0; k < parts().ranges(); ++k) {
                Gradient const* const own = own_gradient() + (Group::by_groups ? parts().place(k) : 0);
                pieces.push_back({parts().part(k).begin, {own, parts().part(k).size()}});
            }
            return this->ranks().together([&] { return this->norm_of(pieces); });
        }
    }

    /// One update of this rank's shard, and all parameters from all ranks; as CpuExecutor::update.
    template <class Optimizer>
    UpdateFault update(ModelType& model, Optimizer const& optimizer, std::span<Scalar> state,
                       OptimizerStep const& step) {
        if constexpr (!Group::sharded) {
            return noted(Base::update(model, optimizer, state, step));
        } else {
            check_state();
            if (auto const fault = this->statistics_fault(model)) return fault;
            Gradient const* const gradient = own_gradient();
            Scalar* parameters = nullptr;
            if constexpr (Group::by_groups)
                parameters = this->ranks().shard().parameters().data();
            else
                parameters = model.parameters().data() + parts().part(0).begin;
            return noted(this->ranks().together([&] {
                UpdateFault const fault = this->update_part(
                    own_part_of(optimizer), step, parameters, gradient, state.data(),
                    static_cast<std::ptrdiff_t>(parts().size()), [&](UpdateFault found) {
                        if (found)
                            found.index =
                                static_cast<std::int64_t>(parts().number(static_cast<std::size_t>(found.index)));
                        return this->ranks().first(found);
                    });
                if (fault) return fault;
                if constexpr (Group::by_groups) {
                    this->ranks().shard().close();
                    this->ranks().parameters_are_old(true);
                } else {
                    this->ranks().share_owned(model.parameters().data());
                }
                this->update_statistics(model);
                return fault;
            }));
        }
    }

    /// As CpuExecutor::evaluate, of the model as it stands.
    StepResult evaluate(ModelType const& model, Batch const& batch, std::int32_t* predictions, Value* outputs) {
        if constexpr (!keeps_model_apart) store(trainers(model), {});
        return Base::evaluate(model, batch, predictions, outputs);
    }

    /// After RankLost, on all ranks that are left.
    void go_on() {
        this->ranks().go_on();
        lost_ = !Group::replicated;
        deal_codes();
    }

    /// What a checkpoint holds of the optimizer's state, [states][count]: on rank 0 all of it.
    [[nodiscard]] STRATA_COLD AlignedVector<Scalar> whole_state(std::span<Scalar const> state,
                                                                std::size_t states) const {
        check_state();
        AlignedVector<Scalar> all;
        this->ranks().together([&] {
            if (this->ranks().rank() == 0) all = AlignedVector<Scalar>(states * count);
            for (std::size_t k = 0; k < states; ++k)
                this->ranks().collect_owned(state.data() + k * parts().size(),
                                            all.empty() ? nullptr : all.data() + k * count);
            return true;
        });
        return all;
    }
    /// One of the states [count], on all ranks, which call it together.
    STRATA_COLD void whole_state_on_all(std::span<Scalar const> state, std::size_t k, Scalar* all) const {
        check_state();
        this->ranks().together([&] {
            this->ranks().meet("averaged()");
            this->ranks().share_owned(state.data() + k * parts().size(), all);
            return true;
        });
    }
    /// This rank's part of it.
    [[nodiscard]] STRATA_COLD AlignedVector<Scalar> part_of_state(std::span<Scalar const> all, std::size_t states) {
        AlignedVector<Scalar> part(states * parts().size());
        for (std::size_t k = 0; k < states; ++k)
            parts().copy_own(all.data() + k * count, part.data() + k * parts().size());
        return part;
    }
    /// What all ranks' codes left of gradients: on rank 0 all of it.
    [[nodiscard]] STRATA_COLD AlignedVector<Gradient> whole_code_state() const {
        check_state();
        AlignedVector<Gradient> all;
        if constexpr (Group::compressed)
            this->ranks().together([&] {
                if (this->ranks().rank() == 0) all = room_for_codes();
                this->ranks().codes().collect(this->ranks().communicator(), all.data());
                return true;
            });
        return all;
    }
    [[nodiscard]] AlignedVector<Gradient> room_for_codes() const {
        if constexpr (Group::compressed) return AlignedVector<Gradient>(this->ranks().codes().whole_size());
        return {};
    }
    /// The tensors that they are in a checkpoint: "compression.shard0", … and "compression.back".
    STRATA_COLD void add_code_tensors(std::vector<TensorView>& tensors, AlignedVector<Gradient>& all) const {
        if constexpr (Group::compressed) {
            auto const shards = static_cast<std::size_t>(this->ranks().shards()), size = all.size() / (shards + 1);
            for (std::size_t k = 0; k <= shards && size > 0; ++k)
                tensors.push_back({k < shards ? concatenate("compression.shard", k) : std::string("compression.back"),
                                   {static_cast<std::int64_t>(size)},
                                   data_type_of<Gradient>,
                                   all.data() + k * size});
        }
    }
    /// A checkpoint was read: this rank's part of what codes left is in `all`.
    STRATA_COLD void restored(AlignedVector<Gradient> const& all) {
        if constexpr (Group::compressed) this->ranks().codes().take(all.data());
        lost_ = false;
    }

private:
    /// The model belongs to the trainer, which lets its executor bring it up to date.
    static ModelType& trainers(ModelType const& model) { return const_cast<ModelType&>(model); }  // NOLINT
    STRATA_COLD void check_state() const {
        if (lost_) fail("training: a lost rank had a part of the state that no other has: load a checkpoint first");
    }
    /// What became of an update: where nothing was written, the codes of the pass before it have left out nothing either.
    UpdateFault noted(UpdateFault const& fault) {
        if constexpr (Group::compressed)
            if (std::exchange(kept_, false) && fault) this->ranks().codes().keep();
        return fault;
    }
    void deal_codes() {
        if constexpr (Group::compressed) this->ranks().codes().deal(this->ranks().rank(), this->ranks().size(), count);
    }
    /// An optimizer with groups has to know which of them this rank's parameters, side by side, are of.
    template <class Optimizer>
    [[nodiscard]] decltype(auto) own_part_of(Optimizer const& optimizer) {
        if constexpr (is_grouped<Optimizer>) {
            group_ranges_.clear();
            for (int k = 0; k < parts().ranges(); ++k) {
                auto const own = parts().part(k);
                auto const begin = static_cast<std::ptrdiff_t>(own.begin), end = static_cast<std::ptrdiff_t>(own.end);
                auto const moved = static_cast<std::ptrdiff_t>(parts().place(k)) - begin;
                for (auto const& range : optimizer.ranges())
                    if (range.begin < end && begin < range.end)
                        group_ranges_.push_back(
                            {(std::max)(begin, range.begin) + moved, (std::min)(end, range.end) + moved, range.kind});
            }
            return GroupedPart<Optimizer>{optimizer, group_ranges_};
        } else {
            return (optimizer);
        }
    }
    [[nodiscard]] OwnedParts parts() const { return this->ranks().parts(); }
    /// This rank's part of the gradient, as it is now.
    [[nodiscard]] Gradient const* own_gradient() {
        if constexpr (Group::by_groups) {
            auto& shard = this->ranks().shard();
            if (whole_) shard.take_gradient(parts(), whole_gradient_.data());  // others may have changed it
            return shard.gradient().data();
        } else {
            return std::as_const(*this).Base::gradient().data() + parts().part(0).begin;
        }
    }

    std::vector<GroupedRange> group_ranges_;  // of the optimizer's groups, here
    AlignedVector<Gradient> whole_gradient_;  // by groups: where somebody asked for it
    bool whole_ = !Group::sharded;
    bool lost_ = false;  // a part of the state, with a rank
    bool kept_ = false;  // what the codes of the last pass left out
};

}  // namespace strata::inline STRATA_ABI::detail
