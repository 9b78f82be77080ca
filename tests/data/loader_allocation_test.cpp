#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <strata/data/loader.hpp>
#include <vector>

// Sanitizers bring their own operator new, which cannot be replaced by ours.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
namespace {
std::atomic<long> allocations{0};
}

// The whole program's operator new, so that allocations on the loader's threads are counted too. Not inlined: GCC 12
// would warn that free does not fit new.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* const memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace strata;

TEST_CASE("no memory is allocated once the loader exists") {
    for (int const threads : {0, 2}) {
        Dataset const data = from_memory(std::vector<std::uint8_t>(64 * 6, 7), {1, 2, 3}, std::vector<int>(64, 1), 2)
                                 .with(RandomHorizontalFlip{}, RandomCrop{.padding = 1},
                                       [](std::span<float> x, SampleShape, Random&) { x[0] = 1; });
        Loader loader(data, {.batch_size = 6, .threads = threads});
        // The first epoch lets the threads start: the system's part of that may allocate.
        loader.begin_epoch(0);
        while (loader.next() != nullptr) {}
        long const before = allocations;
        CHECK(before > 0);
        for (int epoch = 1; epoch < 4; ++epoch) {
            loader.begin_epoch(epoch);
            while (loader.next() != nullptr) {}
        }
        CHECK(allocations == before);
    }
}
#endif
