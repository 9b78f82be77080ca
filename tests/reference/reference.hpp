// The values that LibTorch computed (values.txt), by name. What each name means and which inputs belong to it stands at
// the top of generate.cpp and of the scripts beside it; the inputs come from inputs.hpp.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/error.hpp>

#include "inputs.hpp"

namespace strata {

/// The file of reference values: the compile definition STRATA_REFERENCE_VALUES, else values.txt beside this header, whose
/// name the compiler may have been given relative to another directory: then as ctest's working directory has it.
inline std::string reference_file() {
#ifdef STRATA_REFERENCE_VALUES
    return STRATA_REFERENCE_VALUES;
#else
    std::string const here = __FILE__;
    auto const slash = here.rfind('/');
    auto const beside = (slash == std::string::npos ? std::string() : here.substr(0, slash + 1)) + "values.txt";
    return access(beside.c_str(), R_OK) == 0 ? beside : "reference/values.txt";
#endif
}

namespace detail {
using ReferenceValues = std::map<std::string, std::vector<double>, std::less<>>;

inline ReferenceValues read_reference_values(std::string const& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) fail(path, ": cannot open the reference values");
    std::string text;
    char block[1 << 16];
    while (auto const count = std::fread(block, 1, sizeof block, file)) text.append(block, count);
    std::fclose(file);

    ReferenceValues values;
    std::size_t line_number = 0;
    for (char const* at = text.c_str(); *at != '\0'; ++at) {  // a line: name, count, count numbers, '\n'
        ++line_number;
        auto const length = std::strcspn(at, "\n");
        auto const name = std::string_view(at, length).substr(0, std::string_view(at, length).find(' '));
        auto& entry = values[std::string(name)];
        at += name.size();
        char* end = nullptr;
        auto const count = std::strtoul(at, &end, 10);
        if (end == at || count == 0 || count > length || !entry.empty())
            fail(path, ":", line_number, ": expected a new name and its number of values");
        for (entry.reserve(count), at = end; entry.size() < count && *at == ' '; at = end)
            entry.push_back(std::strtod(at, &end));
        if (entry.size() != count || *at != '\n')
            fail(path, ":", line_number, ": expected ", count, " values and the end of the line for ", name);
    }
    return values;
}
}  // namespace detail

/// The values of one entry, row-major, such as reference("conv2d/3x7x6_o4_k3_s2_p1/y"). Throws Error if there is no
/// such entry, and names the entries that come next to it.
inline std::vector<double> const& reference(std::string_view name) {
    static auto const values = detail::read_reference_values(reference_file());
    auto const found = values.find(name);
    if (found != values.end()) return found->second;
    auto const next = values.lower_bound(name);
    fail("reference: no entry \"", name, "\" in ", reference_file(), "; its neighbours are \"",
         next == values.begin() ? std::string_view("-") : std::string_view(std::prev(next)->first), "\" and \"",
         next == values.end() ? std::string_view("-") : std::string_view(next->first), "\"");
}

/// Largest |actual[i] - expected[i]| / max(1, |expected[i]|) against an entry; infinite if a value is NaN. `actual` is
/// anything with size() and []. Throws Error if the sizes differ.
template <class Values>
double reference_difference(Values const& actual, std::string_view name) {
    auto const& expected = reference(name);
    if (static_cast<std::size_t>(actual.size()) != expected.size())
        fail("reference: ", name, " has ", expected.size(), " values, but was compared with ",
             static_cast<std::size_t>(actual.size()));
    double largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        double const difference =
            std::abs(static_cast<double>(actual[i]) - expected[i]) / std::max(1.0, std::abs(expected[i]));
        largest = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
    }
    return largest;
}

/// `count` elements of the tensor of seed `seed`: scale * reference_value(seed, i) + shift.
template <class T = double>
std::vector<T> reference_values(std::uint32_t seed, std::size_t count, double scale = 1, double shift = 0) {
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i)
        values[i] = static_cast<T>(scale * reference_value(seed, static_cast<std::uint32_t>(i)) + shift);
    return values;
}

}  // namespace strata
