// Codes for gradients: fewer bytes between ranks, with what a code leaves out kept for the next step.
//
//   code          bytes a number    what is left of a number
//   Uncompressed  4                 all
//   Float16       2                 11 bits, up to 65,504
//   BFloat16      2                 8 bits, float's range
//   Int8          1                 7 bits and a sign, of the chunk's largest number
//   Int4          1/2               2 bits and a sign, of the largest of 64 numbers
//   OneBit        5/32              the sign, and the means of 128 numbers
//   TopK          4 × fraction      8 bits of the largest numbers
//
// A chunk of at most 4096 numbers is encoded on its own; what its code does not say is added to the chunk's next
// gradient (error feedback): whatever the code, what was sent and what is left add up to what there was. Codes have the
// same bits on the same machine, however a range of chunks is cut into calls, and gradients that are not finite are not
// finite after decoding: the whole chunk, or some of its numbers. Its state stays as it was then.
//
// Sources: Seide et al. 2014, "1-Bit Stochastic Gradient Descent" (error feedback); Karimireddy et al. 2019,
// arXiv:1901.09847, algorithm 1; Lin et al. 2018, arXiv:1712.01887 (TopK).
#pragma once

#include <concepts>

#include "code/blocks.hpp"

namespace strata::inline STRATA_ABI {

/// A code for gradients:
///
///     name, states              numbers of state kept for each of a gradient
///     bytes<T>(count)           of the code of `count` numbers: a function of count, T and the options alone
///     encode(gradient [count], state [states][count], code [bytes(count)])
///     decode(code [bytes(count)], numbers [count])     throws Error where the code is malformed
///     at(step)                  the code of a step, where it changes in time
///     check()                   throws Error where an option makes no sense
///     text()                    the code and its options, to be compared between ranks
///     back(sums)                if there is one: the code in which sums of so many codes come back, with no more states
///
/// for at most 4096 numbers of float or double. State begins with zeros.
template <class C>
concept GradientCode =
    std::copyable<C> && requires(C const& code, std::span<float const> gradient, std::span<float> numbers,
                                 std::span<double const> wide_gradient, std::span<double> wide_numbers,
                                 std::span<std::byte> out, std::span<std::byte const> in) {
        { C::states } -> std::convertible_to<int>;
        { C::name } -> std::convertible_to<char const*>;
        { code.template bytes<float>(std::size_t{}) } -> std::same_as<std::size_t>;
        code.encode(gradient, numbers, out);
        code.encode(wide_gradient, wide_numbers, out);
        code.decode(in, numbers);
        code.decode(in, wide_numbers);
        { code.at(std::int64_t{}) } -> std::same_as<C>;
        code.check();
        { code.text() } -> std::same_as<std::string>;
    };

/// Bytes of the codes of `count` numbers of type T, chunk after chunk; the last chunk may be short.
template <class T = float, GradientCode Code>
[[nodiscard]] constexpr std::size_t encoded_bytes(Code const& code, std::size_t count) {
    std::size_t const rest = count % code_chunk;
    return count / code_chunk * code.template bytes<T>(code_chunk) + (rest > 0 ? code.template bytes<T>(rest) : 0);
}

/// Encodes numbers [count] to bytes [encoded_bytes(count)]. The state is [chunk][states][numbers of the chunk].
/// Throws Error where the sizes do not fit.
template <GradientCode Code, class T>
STRATA_HOT void encode(Code const& code, std::type_identity_t<std::span<T const>> numbers, std::span<T> state,
                       std::span<std::byte> bytes) {
    constexpr auto states = static_cast<std::size_t>(Code::states);
    if (state.size() != numbers.size() * states)
        fail(Code::name, ": ", state.size(), " numbers of state, expected ", numbers.size() * states);
    if (bytes.size() != encoded_bytes<T>(code, numbers.size()))
        fail(Code::name, ": room for ", bytes.size(), " bytes, expected ", encoded_bytes<T>(code, numbers.size()));
    while (!numbers.empty()) {
        std::size_t const count = numbers.size() < code_chunk ? numbers.size() : code_chunk;
        std::size_t const size = code.template bytes<T>(count);
        code.encode(numbers.first(count), state.first(count * states), bytes.first(size));
        numbers = numbers.subspan(count);
        state = state.subspan(count * states);
        bytes = bytes.subspan(size);
    }
}

/// The reverse. Throws Error where the sizes do not fit or the code is malformed.
template <GradientCode Code, class T>
STRATA_HOT void decode(Code const& code, std::span<std::byte const> bytes, std::span<T> numbers) {
    if (bytes.size() != encoded_bytes<T>(code, numbers.size()))
        fail(Code::name, ": ", bytes.size(), " bytes for ", numbers.size(), " numbers, expected ",
             encoded_bytes<T>(code, numbers.size()));
    while (!numbers.empty()) {
        std::size_t const count = numbers.size() < code_chunk ? numbers.size() : code_chunk;
        std::size_t const size = code.template bytes<T>(count);
        code.decode(bytes.first(size), numbers.first(count));
        numbers = numbers.subspan(count);
        bytes = bytes.subspan(size);
    }
}

}  // namespace strata::inline STRATA_ABI
