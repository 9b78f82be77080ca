// A device's steps: each step of an operation (program/operation_steps.hpp) with the function that launches it, the bodies
// over a grid or, where MatrixKernel knows the operation, matrix products.
#pragma once

#include "../../program/operation_steps.hpp"
#include "device_buffer.hpp"
#include "gather_body.hpp"
#include "matrix_kernel.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a step is launched with.
template <class Precision, class Device>
struct DeviceLaunch {
    Device& device;
    DeviceBuffer<typename Precision::storage, Device>& scratch;
    /// The operation's, before this batch and after it: what its passes over the batch move.
    typename Precision::master const* buffers;
    typename Precision::master* next_buffers;
    DeviceData<Precision> data{};
};

template <class Precision, class Device>
struct DeviceStep : Step {
    void (*launch)(DeviceLaunch<Precision, Device> const&) = nullptr;
};

/// Appends steps to a table, or only counts them.
template <class Precision, class Device>
struct DeviceStepWriter {
    using OneStep = DeviceStep<Precision, Device>;
    using Launch = DeviceLaunch<Precision, Device>;
    OneStep* table;
    int count = 0;

    template <class O>
    static consteval bool applies_relu() {
        return false;
    }
    template <class O, bool Forward>
    static consteval bool kernel_makes_passes() {
        return false;
    }
    template <class O>
    constexpr void forward(Step const& step) {
        add(step, [](Launch const& to) {
            if constexpr (as_matrix<O>)
                MatrixKernel<O>::forward(to.device, to.data, to.scratch);
            else
                to.device.launch(ForwardBody<O, Precision>{to.data});
        });
    }
    template <class O>
    constexpr void input_gradient(Step const& step) {
        add(step, [](Launch const& to) {
            if constexpr (as_matrix<O>)
                MatrixKernel<O>::input_gradient(to.device, to.data, to.scratch);
            else
                to.device.launch(InputGradientBody<O, Precision>{to.data});
        });
    }
    template <class O>
    constexpr void parameter_gradient(Step const& step) {
        add(step, [](Launch const& to) { O::Parameters::for_each([&]<class P>(P) { launch_gradient<O, P>(to); }); });
    }
    template <class O, class P>
    constexpr void pass(Step const& step) {
        add(step, [](Launch const& to) { to.device.launch(PassBody<O, P, Precision>{to.data}); });
    }
    template <class Op, class P>
    constexpr void gather(Step const& step) {
        add(step, [](Launch const& to) {
            using O = kernel_operation<Op>;
            to.device.launch_blocks(GatherBody<O, P, Precision>{to.data, to.buffers, to.next_buffers});
            if constexpr (P::gathers == Gather::moments)
                to.device.launch_blocks(SquaresBody<O, P, Precision>{to.data, to.buffers, to.next_buffers});
        });
    }

private:
    template <class O>
    static constexpr bool as_matrix = MatrixKernel<O>::exists && UniformPrecision<Precision>;

    constexpr void add(Step const& what, void (*launch)(Launch const&)) {
        if (table) {
            static_cast<Step&>(table[count]) = what;
            table[count].launch = launch;
        }
        ++count;
    }
    template <class O, class P>
    static void launch_gradient(Launch const& to) {
        constexpr bool product = [] {
            if constexpr (as_matrix<O>) return std::is_same_v<P, typename O::Weight>;
            return false;
        }();
        if constexpr (product)
            MatrixKernel<O>::weight_gradient(to.device, to.data, to.scratch);
        else
            to.device.launch_blocks(ParameterGradientBody<O, P, Precision>{to.data});
    }
};

}  // namespace strata::inline STRATA_ABI::detail
