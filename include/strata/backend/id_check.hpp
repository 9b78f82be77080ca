// Whether the inputs of a batch are what a network takes where it takes ids: looked at before anything reads a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/ids.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI::detail {

/// An id that is none of the vocabulary's; `found` is false where all are.
struct WrongId {
    bool found = false;
    std::size_t column = 0;  ///< a sample, or a token
    int element = 0;         ///< of the input it is part of
    double value = 0;
    IdPart part{};
};

/// Throws Error that begins with `who` where samples of this type are not what the network takes: `elements` a sample, of
/// which `ids` are ids.
STRATA_COLD inline void check_id_type(DataType type, std::span<IdPart const> ids, std::size_t elements,
                                      char const* who) {
    if (ids.empty()) {
        if (is_of_ids(type))
            fail(who, ": the samples are ids (integers), the network takes numbers: let it begin with Ids<vocabulary>");
        return;
    }
    for (IdPart const& part : ids) elements -= static_cast<std::size_t>(part.count);
    if (elements == 0 && type != DataType::uint8 && !is_of_ids(type))
        fail(who, ": the network takes ids, integers of type int32, uint16 or uint8, and the samples are numbers");
    if (elements > 0 && is_of_ids(type))
        fail(who, ": the network takes ids and numbers, the samples are ids alone: make them with input_values");
}

/// The first wrong id of `columns` samples, or tokens, of `elements` each.
STRATA_COLD inline WrongId wrong_id(void const* inputs, DataType type, std::size_t columns, std::size_t elements,
                                    std::span<IdPart const> ids) {
    for (IdPart const& part : ids) {
        auto const search = [&](auto const* values) -> WrongId {
            for (std::size_t i = 0; i < columns; ++i)
                for (int k = 0; k < part.count; ++k) {
                    auto const value =
                        static_cast<double>(values[i * elements + static_cast<std::size_t>(part.first + k)]);
                    // What is no whole number, or none at all, is no id.
                    if (!(value >= 0 && value < part.vocabulary && value == static_cast<int>(value)))
                        return {true, i, k, value, part};
                }
            return {};
        };
        WrongId const wrong = type == DataType::uint8     ? search(static_cast<std::uint8_t const*>(inputs))
                              : type == DataType::uint16  ? search(static_cast<std::uint16_t const*>(inputs))
                              : type == DataType::int32   ? search(static_cast<std::int32_t const*>(inputs))
                              : type == DataType::float32 ? search(static_cast<float const*>(inputs))
                                                          : search(static_cast<double const*>(inputs));
        if (wrong.found) return wrong;
    }
    return {};
}

/// Throws Error that says which id is wrong; `place` is its sample or token.
[[noreturn]] STRATA_COLD inline void refuse_id(WrongId const& wrong, std::string const& place, char const* who) {
    // In full where it is a whole number: "1e+07" is none that anybody finds.
    bool const whole = wrong.value > -1e15 && wrong.value < 1e15 &&
                       static_cast<double>(static_cast<std::int64_t>(wrong.value)) == wrong.value;
    std::string const id = whole ? concatenate(static_cast<std::int64_t>(wrong.value)) : concatenate(wrong.value);
    fail(who, ": id ", id, wrong.part.count > 1 ? concatenate(" at place ", wrong.element) : std::string(),
         wrong.part.name.empty() ? std::string() : concatenate(" of input ", wrong.part.name), " of ", place,
         ", expected 0 to ", wrong.part.vocabulary - 1, ", as the network's Ids<", wrong.part.vocabulary,
         wrong.part.count > 1 ? ", ...>" : ">", " say");
}

}  // namespace strata::inline STRATA_ABI::detail
