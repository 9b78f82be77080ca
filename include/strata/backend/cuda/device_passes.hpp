// What operations' passes leave on the device, and how they run there: a thread an element and sample.
#pragma once

#include "../../network/plan.hpp"
#include "body.hpp"
#include "device_buffer.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What one pass of an operation leaves.
template <class Op, class Of, class Precision>
struct PassBody {
    using Domain = typename Of::Extents;
    DeviceData<Precision> data;

    [[nodiscard]] long threads() const { return static_cast<long>(Domain::size) * data.samples; }
    STRATA_DEVICE void operator()(long thread) const {
        int const item = static_cast<int>(thread / data.samples), sample = static_cast<int>(thread % data.samples);
        auto const io = body_input<Op>(data, sample);
        io.pass(Of{}).set(item, Op::pass(Of{}, Domain::position(item), io));
    }
};

/// The memory of a network's passes.
template <class Net, class Precision, class Device>
class DevicePasses {
public:
    void grow(Device& device, int samples) {
        constexpr std::ptrdiff_t size = Net::training_plan.pass_size > Net::inference_plan.pass_size
                                            ? Net::training_plan.pass_size
                                            : Net::inference_plan.pass_size;
        memory_.grow(device, static_cast<std::size_t>(size) * static_cast<std::size_t>(samples));
    }
    /// Tells the bodies of an operation where they are; data.samples is set.
    template <class Plan>
    void place(DeviceData<Precision>& data, Plan const& plan, std::size_t operation) {
        auto const at = [&](std::ptrdiff_t offset) {
            return offset < 0 ? nullptr : memory_.data() + offset * data.samples;
        };
        data.forward_passes = at(plan.forward_passes[operation]);
        data.backward_passes = at(plan.backward_passes[operation]);
    }
    /// Runs passes in order.
    template <class Op, class... Ps>
    static void run(Device& device, DeviceData<Precision> const& data, PassList<Ps...>) {
        (device.launch(PassBody<Op, Ps, Precision>{data}), ...);
    }
    [[nodiscard]] std::size_t bytes() const { return memory_.bytes(); }

private:
    DeviceBuffer<typename Precision::compute, Device> memory_;
};

}  // namespace strata::inline STRATA_ABI::detail
