// Memory aligned to cache lines, for arenas and workspaces.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace strata {

/// A standard allocator whose memory begins on a 64-byte boundary.
template <class T>
struct AlignedAllocator {
    using value_type = T;
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(AlignedAllocator<U> const&) {}  // NOLINT: rebinding
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{64}); }
    friend bool operator==(AlignedAllocator, AlignedAllocator) { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace strata
