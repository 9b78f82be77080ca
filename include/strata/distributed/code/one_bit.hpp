// OneBit: of gradients the signs alone, and how large the positive and the negative ones of a block are on average.
#pragma once

#include "float16.hpp"
#include "int4.hpp"
#include "velocity.hpp"

namespace strata::inline STRATA_ABI {

/// One bit a number and four bytes for each 128: the positive ones are sent as their mean, the negative ones as theirs, in
/// bfloat16 (Seide et al. 2014, with a block in place of a column). Of a chunk first the means.
///
/// With momentum, and Nesterov's, what is sent is the gradient's velocity, and SGD has none of its own then. During
/// warm_up_steps numbers are sent as Float16. Sums come back as Int4.
struct OneBit {
    static constexpr char const* name = "OneBit";
    static constexpr int states = 2;  ///< what is left, and the velocity
    double momentum = 0;
    bool nesterov = false;
    std::int64_t warm_up_steps = 0;
    bool warms_up = false;  ///< what `at` says of these steps

    template <class T = float>
    [[nodiscard]] constexpr std::size_t bytes(std::size_t count) const {
        return warms_up ? Float16::bytes<T>(count) : mean_bytes(count) + detail::bytes_of_bits(count, 1);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        std::size_t const count = gradient.size();
        detail::check_encode<T>(*this, count, state.size(), code.size());
        auto const left = state.first(count);
        detail::encode_moved<T>(momentum, nesterov, gradient, state.data() + count, [&](std::span<T const> moved) {
            bool const finite =
                detail::largest_magnitude(moved, static_cast<T const*>(left.data())) < detail::infinity_bits<T>;
            if (warms_up) {
                Float16{}.encode(moved, left, code);
            } else if (finite) {
                encode_signs(moved, left.data(), code.data());
            } else {
                std::memset(code.data(), 0xff, mean_bytes(count));  // of NaN
                std::memset(code.data() + mean_bytes(count), 0, code.size() - mean_bytes(count));
            }
            return finite;
        });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        if (warms_up) {
            Float16{}.decode(code, numbers);
            return;
        }
        std::size_t const count = numbers.size();
        std::byte const *means = code.data(), *signs = means + mean_bytes(count);
        std::size_t at = 0;
        for (; at + block <= count; at += block, means += 4, signs += block / 8)
            decode_block(means, signs, numbers.data() + at);
        if (std::size_t const rest = count - at; rest > 0) {
            T last[block];
            std::byte its_signs[block / 8] = {};
            std::memcpy(its_signs, signs, detail::bytes_of_bits(rest, 1));
            decode_block(means, static_cast<std::byte const*>(its_signs), static_cast<T*>(last));
            std::memcpy(numbers.data() + at, last, rest * sizeof(T));
        }
    }
    /// The code of the step, the first of which is 0.
    [[nodiscard]] constexpr OneBit at(std::int64_t step) const {
        return {momentum, nesterov, 0, step >= 0 && step < warm_up_steps};
    }
    /// The code in which sums of so many codes come back.
    [[nodiscard]] static constexpr Int4 back(int) { return {}; }
    STRATA_COLD void check() const { detail::check_momentum(name, momentum, nesterov, warm_up_steps); }
    [[nodiscard]] STRATA_COLD std::string text() const {
        return concatenate(name, detail::momentum_text(momentum, nesterov, warm_up_steps));
    }

private:
    static constexpr std::size_t block = 2 * detail::code_block;

    [[nodiscard]] static constexpr std::size_t mean_bytes(std::size_t count) {
        return (count + block - 1) / block * 2 * sizeof(std::uint16_t);
    }
    template <class T>
    static STRATA_INLINE detail::BitsOf<T> bits_of(T x) {
        return std::bit_cast<detail::BitsOf<T>>(x);
    }
    /// Sums first, then all means, then what is left: no block waits for the means of another.
    template <class T>
    static void encode_signs(std::span<T const> gradient, T* left, std::byte* code) {
        constexpr std::size_t blocks = code_chunk / block;
        constexpr T part = T(1) / T(block);  // so that sums stay finite
        std::size_t const count = gradient.size(), whole = count / block, rest = count % block;
        std::byte* const signs = code + mean_bytes(count);
        T sums[2][blocks] = {}, numbers[2][blocks] = {}, means[2][blocks], last[block] = {}, its_left[block] = {};
        for (std::size_t k = 0; k < whole; ++k) {
            std::uint64_t bits[2];
            look(gradient.data() + k * block, left + k * block, part, sums[0][k], sums[1][k], bits);
            std::memcpy(signs + k * block / 8, bits, sizeof bits);
            auto const negative = std::popcount(bits[0]) + std::popcount(bits[1]);
            numbers[0][k] = static_cast<T>(static_cast<int>(block) - negative);
            numbers[1][k] = static_cast<T>(negative);
        }
        if (rest > 0) {
            std::uint64_t bits[2];
            std::memcpy(last, gradient.data() + whole * block, rest * sizeof(T));
            std::memcpy(its_left, left + whole * block, rest * sizeof(T));
            look(static_cast<T const*>(last), static_cast<T const*>(its_left), part, sums[0][whole], sums[1][whole],
                 bits);
            std::memcpy(signs + whole * block / 8, bits, detail::bytes_of_bits(rest, 1));
            auto const negative = std::popcount(bits[0]) + std::popcount(bits[1]);  // zeros behind the end have no sign
            numbers[0][whole] = static_cast<T>(static_cast<int>(rest) - negative);
            numbers[1][whole] = static_cast<T>(negative);
        }
        std::uint16_t pairs[2 * blocks];
        for (std::size_t sign = 0; sign < 2; ++sign)
            for (std::size_t k = 0; k < blocks; ++k) {
                T const number = numbers[sign][k] > T(1) ? numbers[sign][k] : T(1);  // of none the sum is 0
                std::uint16_t const bits = detail::brain_bits(
                    static_cast<float>(detail::limited(sums[sign][k] / (number * part), T(detail::largest_brain))));
                means[sign][k] = static_cast<T>(detail::brain_value(bits));
                pairs[2 * k + sign] = bits;
            }
        std::memcpy(code, pairs, mean_bytes(count));
        for (std::size_t k = 0; k < whole; ++k)
            subtract(gradient.data() + k * block, left + k * block, means[0][k], means[1][k]);
        if (rest > 0) {
            subtract(static_cast<T const*>(last), static_cast<T*>(its_left), means[0][whole], means[1][whole]);
            std::memcpy(left + whole * block, its_left, rest * sizeof(T));
        }
    }
    template <class T>
    static STRATA_INLINE T sum_of(T const (&x)[block]) {
        using L = widest_lane<T>;
        constexpr std::size_t half = block / 2;
        L sums[2] = {load_lane<L>(x), load_lane<L>(x + half)};
        for (std::size_t i = width_of<L>; i < half; i += width_of<L>) {
            sums[0] = sums[0] + load_lane<L>(x + i);
            sums[1] = sums[1] + load_lane<L>(x + half + i);
        }
        return sum(sums[0] + sums[1]);
    }
    /// All bits of a number with a sign.
    template <class T>
    static STRATA_INLINE detail::BitsOf<T> mask_of(T x) {
        using Signed = std::make_signed_t<detail::BitsOf<T>>;
        return static_cast<detail::BitsOf<T>>(static_cast<Signed>(bits_of(x)) >> (8 * sizeof(T) - 1));
    }
    /// Of 128 numbers the sums of those without and of those with a sign, times `part`, and which these are.
    template <class T>
    static STRATA_INLINE void look(T const* gradient, T const* left, T part, T& positive, T& negative,
                                   std::uint64_t (&bits)[2]) {
        constexpr std::size_t half = detail::code_block;
        T all[block], positives[block], negatives[block];
        for (std::size_t i = 0; i < block; ++i) all[i] = gradient[i] + left[i];
        for (std::size_t i = 0; i < block; ++i) {
            auto const its = bits_of(all[i] * part), mask = mask_of(all[i]);
            positives[i] = std::bit_cast<T>(its & ~mask);
            negatives[i] = std::bit_cast<T>(its & mask);
        }
        positive = sum_of(positives);
        negative = sum_of(negatives);
        for (std::size_t k = 0; k < 2; ++k) {
            std::int32_t upper[half];
            for (std::size_t i = 0; i < half; ++i)
                upper[i] = static_cast<std::int32_t>(bits_of(all[k * half + i]) >> (8 * sizeof(T) - 32));
            bits[k] = detail::sign_bits(upper);
        }
    }
    /// What is left of 128 numbers.
    template <class T>
    static STRATA_INLINE void subtract(T const* gradient, T* left, T positive_mean, T negative_mean) {
        auto const positive = bits_of(positive_mean), other = positive ^ bits_of(negative_mean);
        T all[block];
        for (std::size_t i = 0; i < block; ++i) all[i] = gradient[i] + left[i];
        for (std::size_t i = 0; i < block; ++i)
            left[i] = all[i] - std::bit_cast<T>(positive ^ (other & mask_of(all[i])));
    }
    template <class T>
    static STRATA_INLINE void decode_block(std::byte const* means, std::byte const* signs, T* to) {
        std::uint16_t its[2];
        std::uint32_t bits[block / 32];
        std::memcpy(its, means, sizeof its);
        std::memcpy(bits, signs, sizeof bits);
        auto const positive = bits_of(static_cast<T>(detail::brain_value(its[0]))),
                   other = positive ^ bits_of(static_cast<T>(detail::brain_value(its[1])));
        for (std::size_t k = 0; k < block / 32; ++k)
            for (std::uint32_t i = 0; i < 32; ++i) {
                auto const mask = detail::BitsOf<T>(0) - static_cast<detail::BitsOf<T>>(bits[k] >> i & 1u);
                to[k * 32 + i] = std::bit_cast<T>(positive ^ (other & mask));
            }
    }
};

}  // namespace strata::inline STRATA_ABI
