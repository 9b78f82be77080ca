// Memory aligned to cache lines, for arenas and workspaces.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "identity.hpp"

namespace strata::inline STRATA_ABI {

/// Numbers on the heap, the first one on a 64-byte boundary. Moving to it exchanges the two. Without a value they are
/// not initialised: a worker that writes them first also places their pages. Not a std::vector with an allocator: that
/// is a hundred functions for each type of number.
template <class T>
class AlignedVector {
    static_assert(std::is_trivially_copyable_v<T>, "AlignedVector is for numbers");

public:
    AlignedVector() = default;
    explicit AlignedVector(std::size_t size)
        : first_(static_cast<T*>(::operator new(bytes(size), std::align_val_t{64}))), size_(size) {}
    AlignedVector(std::size_t size, T value) : AlignedVector(size) {
        for (T& number : *this) number = value;
    }
    AlignedVector(AlignedVector const& other) : AlignedVector(other.size_) { copy(other); }
    AlignedVector(AlignedVector&& other) noexcept { swap(other); }
    AlignedVector& operator=(AlignedVector const& other) {
        if (size_ != other.size_) *this = AlignedVector(other.size_);
        copy(other);
        return *this;
    }
    AlignedVector& operator=(AlignedVector&& other) noexcept {
        swap(other);
        return *this;
    }
    ~AlignedVector() { ::operator delete(first_, std::align_val_t{64}); }

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
    static std::size_t bytes(std::size_t size) {
        if (size > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_array_new_length();
        return size * sizeof(T);
    }
    void copy(AlignedVector const& other) {
        if (size_ > 0) std::memmove(static_cast<void*>(first_), other.first_, size_ * sizeof(T));
    }
    void swap(AlignedVector& other) noexcept {
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

    T* first_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace strata::inline STRATA_ABI
