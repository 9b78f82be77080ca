// What a concatenation does on a device: it copies the parts that are not made where the whole lies.
#pragma once

#include "../../layer/concatenation.hpp"
#include "../../network/plan.hpp"
#include "body.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Copies parts of operation Index's output, or of its gradient to those of the inputs.
template <class Net, int Index, class Precision, class Device>
void copy_parts(Device& device, Plan<Net::operation_count> const& plan, bool gradients, int samples,
                typename Precision::storage* workspace) {
    auto const at = [&](std::ptrdiff_t offset) { return workspace + offset * samples; };
    using Node = typename Net::template NodeAt<Index>;
    std::ptrdiff_t begin = 0;
    static_cast<void>(for_all_inputs<typename Node::Op>([&]<int K>() {
        using Part = ElementwiseOperation<PassOn, input_of<typename Node::Op, K>>;
        constexpr auto value = static_cast<std::size_t>(Node::inputs[K]);
        auto const how = plan.write[Index][static_cast<std::size_t>(K)];
        DeviceData<Precision> a;
        a.samples = samples;
        if (gradients && how != GradientWrite::none) {
            a.dy = at(plan.gradient[Index + 1] + begin);
            a.dx = at(plan.gradient[value]);
            a.add = how == GradientWrite::add;
            device.launch(InputGradientBody<Part, Precision>{a});
        } else if (!gradients && plan.value[value] != plan.value[Index + 1] + begin) {
            a.x = at(plan.value[value]);
            a.y = at(plan.value[Index + 1] + begin);
            device.launch(ForwardBody<Part, Precision>{a});
        }
        begin += Part::Output::size;
        return true;
    }));
}

}  // namespace strata::inline STRATA_ABI::detail
