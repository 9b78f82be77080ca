// TopK: of gradients the largest numbers alone.
#pragma once

#include "bfloat16.hpp"
#include "largest.hpp"
#include "velocity.hpp"

namespace strata::inline STRATA_ABI {

/// Of each chunk the ceil(fraction · count) numbers of the largest magnitude (compared as floats; of equal ones the
/// first), as bfloat16, whose range is float's; what the rounding leaves out is sent later, too. Where they are is said
/// by 16 bits each, or by a bit for each number of the chunk where that is shorter: 4 bytes a number that is sent, or
/// less.
///
/// With momentum, and Nesterov's, what is collected is the gradient's velocity, and SGD has none of its own then (Lin et al.
/// 2018, section 3, "momentum correction"; their "momentum factor masking", which stops what was sent, costs accuracy here).
/// Over the first warm_up_steps the part that is sent falls from 25 % to `fraction`, to a quarter each time, after equal
/// numbers of steps (ibid., "warm-up training"). Sums of several codes come back with all numbers that these have.
struct TopK {
    static constexpr char const* name = "TopK";
    static constexpr int states = 2;  ///< what is left, and the velocity
    double fraction = 0.01;
    double momentum = 0;
    bool nesterov = false;
    std::int64_t warm_up_steps = 0;
    int codes = 1;  ///< it has room for the numbers of so many codes

    /// How many of `count` numbers are sent.
    [[nodiscard]] constexpr std::size_t kept(std::size_t count) const {
        double const exact = fraction * static_cast<double>(count);
        auto const whole = static_cast<std::size_t>(exact);
        std::size_t const all =
            static_cast<std::size_t>(codes) * (static_cast<double>(whole) < exact ? whole + 1 : whole);
        return all < count ? all : count;
    }
    template <class T = float>
    [[nodiscard]] constexpr std::size_t bytes(std::size_t count) const {
        return position_bytes(count) + 2 * kept(count);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        detail::check_encode<T>(*this, gradient.size(), state.size(), code.size());
        if (gradient.empty()) return;
        std::size_t const count = gradient.size();
        detail::encode_moved<T>(momentum, nesterov, gradient, state.data() + count,
                                [&](std::span<T const> moved) { return encode_largest(moved, state.data(), code); });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        std::size_t const count = numbers.size(), k = kept(count);
        std::memset(numbers.data(), 0, numbers.size_bytes());
        std::byte const* const values = code.data() + position_bytes(count);
        std::size_t found = 0;
        auto const set = [&](std::size_t at) {
            std::uint16_t bits;
            std::memcpy(&bits, values + 2 * found++, sizeof bits);
            numbers[at] = static_cast<T>(detail::brain_value(bits));
        };
        if (has_indices(count)) {
            std::size_t first = 0;
            while (found < k) {
                std::uint16_t at;
                std::memcpy(&at, code.data() + 2 * found, sizeof at);
                if (at >= count || at < first)
                    fail(name, ": a number at ", at, ", expected one from ", first, " to ", count - 1);
                set(at);
                first = at + std::size_t{1};
            }
            return;
        }
        for (std::size_t from = 0; from < count; from += detail::code_block) {
            std::uint64_t bits = 0;
            std::size_t const left = detail::bytes_of_bits(count - from, 1);
            std::memcpy(&bits, code.data() + from / 8, left < sizeof bits ? left : sizeof bits);
            std::size_t const more = static_cast<std::size_t>(std::popcount(bits));
            if (more > k - found ||
                (bits != 0 && from + 63 - static_cast<std::size_t>(std::countl_zero(bits)) >= count))
                fail(name, ": more numbers than the ", k, " of ", count, " that are expected");
            for (; bits != 0; bits &= bits - 1) set(from + static_cast<std::size_t>(std::countr_zero(bits)));
        }
        if (found != k) fail(name, ": ", found, " numbers of ", count, ", expected ", k);
    }
    /// During warm-up: the code of the step, the first of which is 0.
    [[nodiscard]] constexpr TopK at(std::int64_t step) const {
        TopK now = *this;
        now.warm_up_steps = 0;
        if (step >= warm_up_steps || step < 0) return now;
        std::int64_t stairs = 0;
        for (double part = 0.25; part > fraction; part /= 4) ++stairs;
        if (stairs == 0) return now;
        now.fraction = 0.25;
        for (auto stair = static_cast<std::int64_t>(static_cast<double>(step) / static_cast<double>(warm_up_steps) *
                                                    static_cast<double>(stairs));
             stair > 0; --stair)
            now.fraction /= 4;
        return now;
    }
    /// The code in which sums of so many codes come back.
    [[nodiscard]] constexpr TopK back(int sums) const { return {.fraction = fraction, .codes = sums}; }
    STRATA_COLD void check() const {
        if (!is_finite(fraction) || !(fraction > 0 && fraction <= 1))
            fail("TopK: fraction is ", fraction, ", expected a number above 0 and at most 1");
        if (codes < 1 || codes > 64) fail("TopK: codes is ", codes, ", expected 1 to 64");
        detail::check_momentum(name, momentum, nesterov, warm_up_steps);
    }
    [[nodiscard]] STRATA_COLD std::string text() const {
        return concatenate("TopK, fraction ", exact_text(fraction),
                           detail::momentum_text(momentum, nesterov, warm_up_steps),
                           codes > 1 ? concatenate(", codes ", codes) : std::string());
    }

private:
    [[nodiscard]] constexpr bool has_indices(std::size_t count) const {
        return 2 * kept(count) < detail::bytes_of_bits(count, 1);
    }
    [[nodiscard]] constexpr std::size_t position_bytes(std::size_t count) const {
        return has_indices(count) ? 2 * kept(count) : detail::bytes_of_bits(count, 1);
    }

    /// Returns whether all is finite.
    template <class T>
    bool encode_largest(std::span<T const> gradient, T* residual, std::span<std::byte> code) const {
        constexpr std::size_t block = detail::code_block;
        using Signed = std::make_signed_t<detail::BitsOf<T>>;
        std::size_t const count = gradient.size(), k = kept(count), whole = (count + block - 1) / block * block;
        // Zeros behind the last number: of equal ones they are the last.
        T all[code_chunk];
        std::int32_t keys[code_chunk];
        Signed largest = 0;
        std::size_t from = 0;
        do {  // once at least, so that compilers see the keys set
            T g[block], left[block], its_all[block];
            std::int32_t its_keys[block];
            std::size_t const size = from + block <= count ? block : count - from;
            load(g, gradient.data() + from, size);
            load(left, residual + from, size);
            for (std::size_t i = 0; i < block; ++i) its_all[i] = left[i] + g[i];
            for (std::size_t i = 0; i < block; ++i) {
                auto const magnitude = static_cast<Signed>(detail::magnitude_bits(its_all[i]));
                largest = magnitude > largest ? magnitude : largest;
            }
            for (std::size_t i = 0; i < block; ++i)
                its_keys[i] = static_cast<std::int32_t>(detail::magnitude_bits(static_cast<float>(its_all[i])));
            std::memcpy(all + from, its_all, sizeof its_all);
            std::memcpy(keys + from, its_keys, sizeof its_keys);
            from += block;
        } while (from < whole);

        std::byte* const values = code.data() + position_bytes(count);
        std::memset(code.data(), 0, position_bytes(count));
        if (static_cast<detail::BitsOf<T>>(largest) >= detail::infinity_bits<T>) {
            for (std::size_t i = 0; i < k; ++i) put(code, values, i, i, 0x7fc0, count);
            return false;
        }
        auto const threshold = detail::Largest::of(keys, whole, k);
        std::size_t found = 0, ties = threshold.ties;
        for (from = 0; from < whole; from += block) {
            std::uint64_t const candidates = detail::above(keys + from, threshold.key - 1);
            if (candidates == 0) continue;
            std::uint64_t taken = detail::above(keys + from, threshold.key);
            for (std::uint64_t equal = candidates & ~taken; equal != 0 && ties > 0; equal &= equal - 1, --ties)
                taken |= equal & (~equal + 1);
            for (; taken != 0; taken &= taken - 1, ++found) {
                std::size_t const i = from + static_cast<std::size_t>(std::countr_zero(taken));
                std::uint16_t const bits =
                    detail::brain_bits(static_cast<float>(detail::limited(all[i], T(detail::largest_brain))));
                put(code, values, found, i, bits, count);
                all[i] -= static_cast<T>(detail::brain_value(bits));
            }
        }
        std::memcpy(residual, all, count * sizeof(T));
        return true;
    }
    /// A block of which `size` numbers are there.
    template <class T>
    static STRATA_INLINE void load(T (&to)[detail::code_block], T const* from, std::size_t size) {
        if (size == detail::code_block) {
            std::memcpy(to, from, sizeof to);
        } else {
            std::memset(to, 0, sizeof to);
            std::memcpy(to, from, size * sizeof(T));
        }
    }
    /// Writes the number of a position, `found` before it.
    STRATA_INLINE void put(std::span<std::byte> code, std::byte* values, std::size_t found, std::size_t at,
                           std::uint16_t bits, std::size_t count) const {
        std::memcpy(values + 2 * found, &bits, sizeof bits);
        if (has_indices(count)) {
            auto const index = static_cast<std::uint16_t>(at);
            std::memcpy(code.data() + 2 * found, &index, sizeof index);
        } else {
            code[at / 8] |= std::byte{1} << (at % 8);
        }
    }
};

}  // namespace strata::inline STRATA_ABI
