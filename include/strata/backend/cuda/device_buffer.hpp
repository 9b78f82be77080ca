// Memory of a device that grows and frees itself.
#pragma once

#include <cstddef>
#include <utility>

#include "../../core/identity.hpp"

namespace strata::inline STRATA_ABI::detail {

/// An array on a device. It only grows, and growing forgets the contents: allocations stop after the first step.
template <class T, class Device>
class DeviceBuffer {
public:
    DeviceBuffer() = default;
    DeviceBuffer(DeviceBuffer&& other) noexcept
        : device_(other.device_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    DeviceBuffer& operator=(DeviceBuffer&&) = delete;
    ~DeviceBuffer() {
        if (data_) device_->release(data_);
    }

    [[nodiscard]] T* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(T); }

    /// Makes room for `size` values at least. The device must outlive the buffer.
    T* grow(Device& device, std::size_t size) {
        if (size > size_) {
            if (data_) device_->release(data_);
            data_ = nullptr;
            size_ = 0;
            data_ = static_cast<T*>(device.allocate(size * sizeof(T)));
            device_ = &device;
            size_ = size;
        }
        return data_;
    }

private:
    Device* device_ = nullptr;
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace strata::inline STRATA_ABI::detail
