// The program of a network on a device: the op list as a flat table of launches, which a loop runs.
#pragma once

#include <span>

#include "../../program/program_rows.hpp"
#include "device_step.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Net, class Precision, class Device>
class DeviceProgram {
    using Writer = DeviceStepWriter<Precision, Device>;
    using Rows = ProgramRows<Net, Writer>;
    /// Scalars of the workspace that one number of a pass takes.
    static constexpr std::ptrdiff_t pass_scalars =
        static_cast<std::ptrdiff_t>(sizeof(typename Precision::compute) / sizeof(typename Precision::storage));

public:
    using Step = DeviceStep<Precision, Device>;

    template <bool Training>
    static constexpr auto const& plan() {
        return Training ? Net::training_plan : Net::inference_plan;
    }
    /// Scalars of one sample's workspace: the plan, and behind it what passes leave.
    template <bool Training>
    static constexpr std::ptrdiff_t size =
        plan<Training>().pass_size > 0 ? passes_behind(plan<Training>().size) + plan<Training>().pass_size* pass_scalars
                                       : plan<Training>().size;

private:
    template <bool Training, bool Backward>
    static constexpr int write(Step* table) {
        Writer writer{table};
        PlannedOperations const all{Net{}, plan<Training>(), passes_behind(plan<Training>().size), pass_scalars};
        if constexpr (Backward)
            Rows::backward(writer, all);
        else
            for (int i = 0; i < Rows::n; ++i) Rows::template forward<Training>(writer, all, i);
        return writer.count;
    }
    template <bool Training, bool Backward>
    static constexpr auto table = [] {
        std::array<Step, static_cast<std::size_t>(write<Training, Backward>(nullptr))> steps{};
        write<Training, Backward>(steps.data());
        return steps;
    }();

public:
    template <bool Training>
    static std::span<Step const> forward() {
        return table<Training, false>;
    }
    static std::span<Step const> backward() { return table<true, true>; }
    /// The steps of one operation's forward pass, none for a view.
    static std::span<Step const> of_operation(std::span<Step const> steps, int operation) {
        std::size_t begin = 0, end = 0;
        while (begin < steps.size() && steps[begin].operation < operation) ++begin;
        for (end = begin; end < steps.size() && steps[end].operation == operation;) ++end;
        return steps.subspan(begin, end - begin);
    }
};

}  // namespace strata::inline STRATA_ABI::detail
