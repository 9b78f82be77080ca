// Memory that is kept alive by all who use it.
#pragma once

#include <atomic>
#include <utility>

#include "config.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Keeps an object of any type alive together with its own copies, or nothing: a std::shared_ptr<void const>, whose
/// header costs every program that includes Strata a hundredth of its compile time.
class Owner {
public:
    Owner() = default;
    Owner(Owner const& other) : held_(other.held_) {
        if (held_) held_->owners.fetch_add(1, std::memory_order_relaxed);
    }
    Owner(Owner&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    Owner& operator=(Owner other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    STRATA_COLD ~Owner() {
        if (held_ && held_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) held_->destroy(held_);
    }

    /// Makes a T of the arguments and gives up what was held before. Returns the T.
    template <class T, class... Arguments>
    T& hold(Arguments&&... arguments) {
        auto* const held = new HeldAs<T>{{[](Held* me) { delete static_cast<HeldAs<T>*>(me); }},
                                         T(std::forward<Arguments>(arguments)...)};
        *this = Owner(held);
        return held->value;
    }

private:
    struct Held {
        void (*destroy)(Held* me);
        std::atomic<long> owners{1};
    };
    template <class T>
    struct HeldAs : Held {
        T value;
    };
    explicit Owner(Held* held) : held_(held) {}

    Held* held_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI::detail
