// A batch on its way from the host to a device.
#pragma once

#include "../../core/error.hpp"
#include "../../core/tensor.hpp"
#include "device_buffer.hpp"
#include "step_body.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Throws Error where there is no sample, or they are not of so many values.
inline void check_device_batch(Batch const& batch, int values) {
    if (batch.size < 1 || batch.shape.size() != static_cast<std::size_t>(values))
        fail("Cuda: got a batch of ", batch.size, " samples of ", batch.shape.size(),
             " values, expected at least 1 of ", values);
}

/// The memory that batches come through: values as the host has them, and what is made of them on the device.
template <class Storage, class Device>
class DeviceBatch {
public:
    [[nodiscard]] std::size_t bytes() const {
        return inputs_.bytes() + scales_.bytes() + labels_.bytes() + weights_.bytes() + raw_targets_.bytes() +
               targets_.bytes();
    }

    /// Writes a batch's inputs, scaled, to `to`, [values][samples]. Throws Error for a type that inputs cannot have.
    void fill_inputs(Device& device, Batch const& batch, Storage* to) {
        std::size_t const values = batch.shape.size();
        send(device, inputs_, batch.inputs, static_cast<std::size_t>(batch.size) * values * size_of(batch.type));
        double *scale = nullptr, *shift = nullptr;
        if (batch.scale) {
            auto const channels = static_cast<std::size_t>(batch.shape.channels);
            scale = scales_.grow(device, 2 * channels);
            shift = scale + channels;
            device.upload(scale, batch.scale, channels * sizeof(double));
            device.upload(shift, batch.shift, channels * sizeof(double));
        }
        fill(device, inputs_.data(), batch.type, batch.size, static_cast<int>(values),
             batch.shape.height * batch.shape.width, scale, shift, to);
    }
    /// Its labels, null where it has none.
    std::int32_t const* labels(Device& device, Batch const& batch) {
        if (!batch.labels) return nullptr;
        send(device, labels_, batch.labels,
             static_cast<std::size_t>(batch.size) * static_cast<std::size_t>(batch.labels_per_sample) *
                 sizeof(std::int32_t));
        return labels_.data();
    }
    /// The weights of its samples, null where it has none.
    float const* weights(Device& device, Batch const& batch) {
        if (!batch.weights) return nullptr;
        send(device, weights_, batch.weights, static_cast<std::size_t>(batch.size) * sizeof(float));
        return weights_.data();
    }
    /// Its targets, [outputs][samples].
    Storage const* targets(Device& device, Batch const& batch, int outputs) {
        std::size_t const values = static_cast<std::size_t>(batch.size) * static_cast<std::size_t>(outputs);
        send(device, raw_targets_, batch.targets, values * size_of(batch.target_type));
        Storage* const to = targets_.grow(device, values);
        fill(device, raw_targets_.data(), batch.target_type, batch.size, outputs, 1, nullptr, nullptr, to);
        return to;
    }

private:
    template <class T>
    static void send(Device& device, DeviceBuffer<T, Device>& buffer, void const* values, std::size_t bytes) {
        device.upload(buffer.grow(device, bytes / sizeof(T)), values, bytes);
    }
    static void fill(Device& device, void const* from, DataType type, int samples, int values, int plane,
                     double const* scale, double const* shift, Storage* to) {
        auto const fill_from = [&]<class From>(From const* numbers) {
            device.launch(FillBody<Storage, From>{to, numbers, scale, shift, values, plane, samples});
        };
        switch (type) {
            case DataType::uint8:
                return fill_from(static_cast<std::uint8_t const*>(from));
            case DataType::float32:
                return fill_from(static_cast<float const*>(from));
            case DataType::float64:
                return fill_from(static_cast<double const*>(from));
            default:
                fail("Cuda: inputs must be uint8, float32 or float64");
        }
    }

    DeviceBuffer<unsigned char, Device> inputs_, raw_targets_;
    DeviceBuffer<double, Device> scales_;
    DeviceBuffer<std::int32_t, Device> labels_;
    DeviceBuffer<float, Device> weights_;
    DeviceBuffer<Storage, Device> targets_;
};

}  // namespace strata::inline STRATA_ABI::detail
