// Callables whose type is not known, such as callbacks.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "error.hpp"

namespace strata::inline STRATA_ABI {

template <class Signature>
class Function;

/// A lambda, a function or anything else that can be called so, or nothing; copied together with what it holds. What
/// std::function is, but for pointers to members and its name of the held type: that header costs every program that
/// includes Strata a hundredth of its compile time.
template <class Result, class... Arguments>
class Function<Result(Arguments...)> {
public:
    Function() = default;
    Function(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): as std::function
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Function>) &&
            requires(std::decay_t<F>& f, Arguments... arguments) {
                { std::decay_t<F>(f) };
                requires std::is_void_v<Result> ||
                             std::is_convertible_v<decltype(f(static_cast<Arguments&&>(arguments)...)), Result>;
                f(static_cast<Arguments&&>(arguments)...);
            }
    Function(F&& f) {  // NOLINT(google-explicit-constructor): as std::function
        using Held = std::decay_t<F>;
        Held held(std::forward<F>(f));
        if constexpr (std::is_pointer_v<Held>)
            if (!held) return;
        // An empty std::function; what converts to bool of itself is a lambda, or something with a meaning of its own.
        if constexpr (!std::is_convertible_v<Held&, bool> && requires { static_cast<bool>(held == nullptr); })
            if (held == nullptr) return;
        object_ = new Held(std::move(held));
        type_ = &type_of<Held>;
    }
    Function(Function const& other)
        : object_(other.object_ ? other.type_->copy(other.object_) : nullptr), type_(other.type_) {}
    Function(Function&& other) noexcept { swap(other); }
    Function& operator=(Function other) noexcept {
        swap(other);
        return *this;
    }
    ~Function() {
        if (object_) type_->destroy(object_);
    }

    explicit operator bool() const { return object_ != nullptr; }
    friend bool operator==(Function const& function, std::nullptr_t) { return !function; }
    /// Throws Error where nothing is held.
    Result operator()(Arguments... arguments) const {
        if (!object_) fail("call of an empty function");
        return type_->call(object_, static_cast<Arguments&&>(arguments)...);
    }

private:
    struct Type {
        Result (*call)(void* object, Arguments... arguments);
        void* (*copy)(void const* object);
        void (*destroy)(void* object);
    };
    template <class Held>
    static Result call(void* object, Arguments... arguments) {
        return static_cast<Result>((*static_cast<Held*>(object))(static_cast<Arguments&&>(arguments)...));
    }
    template <class Held>
    static void* copy(void const* object) {
        return new Held(*static_cast<Held const*>(object));
    }
    template <class Held>
    static void destroy(void* object) {
        delete static_cast<Held*>(object);
    }
    template <class Held>
    static constexpr Type type_of = {&call<Held>, &copy<Held>, &destroy<Held>};

    void swap(Function& other) noexcept {
        std::swap(object_, other.object_);
        std::swap(type_, other.type_);
    }

    void* object_ = nullptr;
    Type const* type_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI
