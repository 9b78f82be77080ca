// In which code gradients go to parameter servers and weights come back.
#pragma once

#include <type_traits>
#include <variant>
#include <vector>

#include "../code/bfloat16.hpp"
#include "../code/float16.hpp"
#include "../code/int4.hpp"
#include "../code/int8.hpp"
#include "../code/one_bit.hpp"
#include "../code/top_k.hpp"
#include "../code/uncompressed.hpp"
#include "../gradient_code.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class T, class Variant>
inline constexpr bool is_one_of = false;
template <class T, class... All>
inline constexpr bool is_one_of<T, std::variant<All...>> = (std::is_same_v<T, All> || ...);
}  // namespace detail

/// One of the codes for gradients, chosen at run time: `.code = Int8{}`. Uncompressed, which is the default, keeps the bits
/// of one process.
class ServedCode {
    using Any = std::variant<Uncompressed, Float16, BFloat16, Int8, Int4, OneBit, TopK>;

public:
    ServedCode() = default;
    template <class Code>
    requires detail::is_one_of<Code, Any>
    ServedCode(Code const& code) : code_(code) {}  // NOLINT(google-explicit-constructor): `.code = Int8{}`

    [[nodiscard]] bool is_exact() const { return std::holds_alternative<Uncompressed>(code_); }
    [[nodiscard]] STRATA_COLD std::string text() const {
        return std::visit([](auto const& code) { return code.text(); }, code_);
    }
    /// For what is no gradient: it has no momentum.
    [[nodiscard]] STRATA_COLD ServedCode without_momentum() const {
        ServedCode plain = *this;
        std::visit(
            [](auto& code) {
                if constexpr (requires { code.momentum; }) {
                    code.momentum = 0;
                    code.nesterov = false;
                }
            },
            plain.code_);
        return plain;
    }
    /// Throws Error where an option makes no sense.
    STRATA_COLD void check() const {
        std::visit([](auto const& code) { code.check(); }, code_);
    }
    /// Numbers of state for each that is encoded: they begin with zeros.
    [[nodiscard]] std::size_t states() const {
        return std::visit([](auto const& code) { return static_cast<std::size_t>(code.states); }, code_);
    }

    /// Bytes of the code of `count` numbers at a step.
    template <class T>
    [[nodiscard]] std::size_t bytes(std::int64_t step, std::size_t count) const {
        return std::visit([&](auto const& code) { return encoded_bytes<T>(code.at(step), count); }, code_);
    }
    /// Appends the code of a step's numbers.
    template <class T>
    void encode(std::int64_t step, std::span<T const> numbers, std::span<T> state, std::vector<std::byte>& to) const {
        std::size_t const size = bytes<T>(step, numbers.size()), at = to.size();
        to.resize(at + size);
        std::visit(
            [&](auto const& code) {
                strata::encode(code.at(step), numbers, state, std::span<std::byte>(to.data() + at, size));
            },
            code_);
    }
    /// Throws Error where the bytes are no such code.
    template <class T>
    void decode(std::int64_t step, std::span<std::byte const> bytes, std::span<T> numbers) const {
        std::visit([&](auto const& code) { strata::decode(code.at(step), bytes, numbers); }, code_);
    }

private:
    Any code_;
};

}  // namespace strata::inline STRATA_ABI
