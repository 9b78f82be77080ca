// Elements on the heap whose number does not change.
#pragma once

#include <cstddef>
#include <utility>

#include "identity.hpp"

namespace strata::inline STRATA_ABI {

/// `size` value-initialised elements, moved but neither copied nor resized. What std::vector can do beyond that costs
/// every program that includes it half a hundred functions for each type of element.
template <class T>
class FixedArray {
public:
    FixedArray() = default;
    explicit FixedArray(std::size_t size) : first_(new T[size]()), size_(size) {}
    FixedArray(FixedArray&& other) noexcept { swap(other); }
    FixedArray& operator=(FixedArray&& other) noexcept {
        swap(other);
        return *this;
    }
    ~FixedArray() { delete[] first_; }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] T* data() { return first_; }
    [[nodiscard]] T const* data() const { return first_; }
    [[nodiscard]] T* begin() { return first_; }
    [[nodiscard]] T* end() { return first_ + size_; }
    [[nodiscard]] T const* begin() const { return first_; }
    [[nodiscard]] T const* end() const { return first_ + size_; }
    [[nodiscard]] T& operator[](std::size_t i) { return first_[i]; }
    [[nodiscard]] T const& operator[](std::size_t i) const { return first_[i]; }

private:
    void swap(FixedArray& other) noexcept {
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

    T* first_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace strata::inline STRATA_ABI
