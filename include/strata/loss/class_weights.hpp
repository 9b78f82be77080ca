// ClassWeights: one number a class. Losses are values that go to devices and into every worker's pass, so the numbers lie in
// the loss itself, and how many they are is a part of its type: a network with another number of outputs does not compile.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../core/error.hpp"
#include "../core/finite.hpp"

namespace strata::inline STRATA_ABI {

template <int Classes>
struct ClassWeights {
    static_assert(Classes > 0, "ClassWeights: the number of classes is positive");
    static constexpr int size = Classes;
    double values[static_cast<std::size_t>(Classes)];

    /// One for each class, in their order: `{1, 2.5, 1}`.
    template <class... Numbers>
    requires(sizeof...(Numbers) == static_cast<std::size_t>(Classes) && (std::convertible_to<Numbers, double> && ...))
    constexpr ClassWeights(Numbers... numbers)  // NOLINT(google-explicit-constructor): written as a list
        : values{static_cast<double>(numbers)...} {}
    /// Another number of them.
    template <class... Numbers>
    requires(sizeof...(Numbers) != static_cast<std::size_t>(Classes) && (std::convertible_to<Numbers, double> && ...))
    constexpr ClassWeights(Numbers...) : values{} {  // NOLINT(google-explicit-constructor): written as a list
        static_assert(sizeof...(Numbers) == static_cast<std::size_t>(Classes),
                      "ClassWeights<Classes> takes one weight for each class: Classes is another number");
    }
    /// Numbers that are known when the program runs. Throws Error unless there is one for each class.
    STRATA_COLD explicit ClassWeights(std::span<double const> numbers) {
        if (numbers.size() != static_cast<std::size_t>(Classes))
            fail("ClassWeights: got ", numbers.size(), " weights for ", Classes, " classes");
        for (std::size_t k = 0; k < numbers.size(); ++k) values[k] = numbers[k];
    }

    STRATA_HD double operator[](int k) const { return values[k]; }

    /// Throws Error unless all are finite and none is negative.
    STRATA_COLD void check(char const* who) const {
        for (int k = 0; k < Classes; ++k)
            if (!is_finite(values[k]) || !(values[k] >= 0))
                fail(who, ": the weight of class ", k, " is ", values[k], ", expected at least 0");
    }
};

}  // namespace strata::inline STRATA_ABI
