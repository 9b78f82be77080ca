// TopK: of gradients the largest numbers alone.
#pragma once

#include "bfloat16.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Which of `count` keys, of 31 bits each, are the k largest: those above `key`, and the first `ties` of those equal to
/// it. By the bits from above, in three rounds; k is 1 … count.
struct Largest {
    std::uint32_t key;
    std::size_t ties;

    static Largest of(std::uint32_t const* keys, std::size_t count, std::size_t k) {
        std::uint32_t chosen[code_chunk];
        std::uint32_t key = 0;
        for (int const shift : {20, 10, 0}) {
            std::uint32_t const mask = shift == 20 ? 2047 : 1023;
            std::uint16_t bins[2][2048] = {};  // neighbours are often equal: two counters wait less for each other
            for (std::size_t i = 0; i < count; ++i) ++bins[i & 1][keys[i] >> shift & mask];
            std::uint32_t bin = mask;
            for (;; --bin) {
                std::size_t const inside = std::size_t{bins[0][bin]} + bins[1][bin];
                if (inside >= k) break;
                k -= inside;
            }
            key |= bin << shift;
            if (shift == 0) break;
            std::size_t next = 0;
            for (std::size_t i = 0; i < count; ++i) {
                std::uint32_t const candidate = keys[i];  // may lie where the next one is written
                chosen[next] = candidate;
                next += (candidate >> shift & mask) == bin ? 1 : 0;
            }
            keys = chosen;
            count = next;
        }
        return {key, k};
    }
};

}  // namespace detail

/// Of each chunk the ceil(fraction · count) numbers of the largest magnitude (compared as floats; of equal ones the
/// first), as bfloat16, whose range is float's; what the rounding leaves out is sent later, too. Where they are is said
/// by 16 bits each, or by a bit for each number of the chunk where that is shorter: 4 bytes a number that is sent, or
/// less.
///
/// With momentum (Lin et al. 2018, section 3, "momentum correction" and "momentum factor masking") what is collected is
/// velocity = momentum · velocity + gradient, in place of the gradient, and where a number is sent its velocity begins
/// anew; the optimizer has to have no momentum of its own then. Over the first warm_up_steps the part that is sent falls
/// from 25 % to `fraction`, to a quarter each time, after equal numbers of steps (ibid., "warm-up training").
struct TopK {
    static constexpr char const* name = "TopK";
    static constexpr int states = 2;  ///< what is left, and the velocity
    double fraction = 0.01;
    double momentum = 0;
    std::int64_t warm_up_steps = 0;

    /// How many of `count` numbers are sent.
    [[nodiscard]] constexpr std::size_t kept(std::size_t count) const {
        double const exact = fraction * static_cast<double>(count);
        auto const whole = static_cast<std::size_t>(exact);
        return static_cast<double>(whole) < exact ? whole + 1 : whole;
    }
    template <class T = float>
    [[nodiscard]] constexpr std::size_t bytes(std::size_t count) const {
        return position_bytes(count) + 2 * kept(count);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        detail::check_encode<T>(*this, gradient.size(), state.size(), code.size());
        if (gradient.empty()) return;
        if (momentum != 0)
            encode_with<true>(gradient, state, code);
        else
            encode_with<false>(gradient, state, code);
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
            if (more > k - found || (bits != 0 && from + static_cast<std::size_t>(std::bit_width(bits)) > count))
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
    STRATA_COLD void check() const {
        if (!is_finite(fraction) || !(fraction > 0 && fraction <= 1))
            fail("TopK: fraction is ", fraction, ", expected a number above 0 and at most 1");
        if (!is_finite(momentum) || !(momentum >= 0 && momentum < 1))
            fail("TopK: momentum is ", momentum, ", expected a number of at least 0 and below 1");
        if (warm_up_steps < 0) fail("TopK: warm_up_steps is ", warm_up_steps, ", expected at least 0");
    }
    [[nodiscard]] STRATA_COLD std::string text() const {
        return concatenate("TopK, fraction ", detail::exact_text(fraction), ", momentum ", detail::exact_text(momentum),
                           ", warm_up_steps ", warm_up_steps);
    }

private:
    [[nodiscard]] constexpr bool has_indices(std::size_t count) const {
        return 2 * kept(count) < detail::bytes_of_bits(count, 1);
    }
    [[nodiscard]] constexpr std::size_t position_bytes(std::size_t count) const {
        return has_indices(count) ? 2 * kept(count) : detail::bytes_of_bits(count, 1);
    }

    template <bool HasMomentum, class T>
    void encode_with(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        std::size_t const count = gradient.size(), k = kept(count);
        T *const residual = state.data(), *const velocity = residual + count;
        T const m = static_cast<T>(momentum);
        auto const moved = [=](T g, T v) STRATA_INLINED {
            if constexpr (HasMomentum)
                return multiply_add(m, v, g);
            else
                return g;
        };
        T all[code_chunk], moving[HasMomentum ? code_chunk : 1];
        std::uint32_t keys[code_chunk];
        using Signed = std::make_signed_t<detail::BitsOf<T>>;
        Signed largest = 0;
        std::size_t const whole = count / detail::code_block * detail::code_block;
        auto const collect = [&](std::size_t i) STRATA_INLINED {
            T const v = moved(gradient[i], velocity[i]);
            if constexpr (HasMomentum) moving[i] = v;
            all[i] = residual[i] + v;
            auto const magnitude = static_cast<Signed>(detail::magnitude_bits(all[i]));
            largest = magnitude > largest ? magnitude : largest;
            keys[i] = detail::magnitude_bits(static_cast<float>(all[i]));
        };
        for (std::size_t from = 0; from < whole; from += detail::code_block)
            for (std::size_t i = 0; i < detail::code_block; ++i) collect(from + i);
        for (std::size_t i = whole; i < count; ++i) collect(i);

        std::byte* const values = code.data() + position_bytes(count);
        std::memset(code.data(), 0, position_bytes(count));
        if (static_cast<detail::BitsOf<T>>(largest) >= detail::infinity_bits<T>) {
            for (std::size_t i = 0; i < k; ++i) put(code, values, i, i, 0x7fc0, count);
            return;
        }
        std::memcpy(residual, all, count * sizeof(T));
        if constexpr (HasMomentum) std::memcpy(velocity, moving, count * sizeof(T));
        auto const threshold = detail::Largest::of(keys, count, k);
        std::size_t found = 0, ties = threshold.ties;
        for (std::size_t from = 0; from < count; from += detail::code_block) {
            std::uint64_t above, equal;
            if (from < whole) {
                std::uint8_t flags[detail::code_block], equals[detail::code_block];
                for (std::size_t i = 0; i < detail::code_block; ++i) flags[i] = keys[from + i] > threshold.key ? 1 : 0;
                for (std::size_t i = 0; i < detail::code_block; ++i)
                    equals[i] = keys[from + i] == threshold.key ? 1 : 0;
                above = detail::pack_flags(flags);
                equal = detail::pack_flags(equals);
            } else {
                above = equal = 0;
                for (std::size_t i = 0; from + i < count; ++i) {
                    above |= std::uint64_t{keys[from + i] > threshold.key} << i;
                    equal |= std::uint64_t{keys[from + i] == threshold.key} << i;
                }
            }
            for (; equal != 0 && ties > 0; equal &= equal - 1, --ties) above |= equal & (~equal + 1);
            for (; above != 0; above &= above - 1, ++found) {
                std::size_t const i = from + static_cast<std::size_t>(std::countr_zero(above));
                std::uint16_t const bits =
                    detail::brain_bits(static_cast<float>(detail::limited(residual[i], T(detail::largest_brain))));
                put(code, values, found, i, bits, count);
                residual[i] -= static_cast<T>(detail::brain_value(bits));
                if constexpr (HasMomentum) velocity[i] = T(0);
            }
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
