// What keeps a file's tensors from being a network's, as a message of bounded length.
#pragma once

#include <concepts>
#include <cstring>
#include <span>

#include "safetensors_header.hpp"

namespace strata::inline STRATA_ABI {

/// Collects differences of some kinds ("missing", "shape"); the text has the first few lines of each kind and says how
/// many more there are.
class LoadDifferences {
public:
    [[nodiscard]] std::size_t count() const { return count_; }

    /// Adds a line "kind: parts".
    template <class... Parts>
    void add(char const* kind, Parts const&... parts) {
        if (is_shown(kind)) append(lines_, "\n  ", kind, ": ", parts...);
    }

    /// Lines, each beginning with a line break.
    [[nodiscard]] std::string text() const;

    /// A name in a line: quoted, and cut where it is longer than any that a person gave.
    [[nodiscard]] static std::string shown(std::string_view name);

private:
    static constexpr std::size_t most_lines = 8;
    struct Kind {
        char const* name = nullptr;
        std::size_t count = 0;
    };

    bool is_shown(char const* kind);

    std::array<Kind, 8> kinds_{};
    std::size_t count_ = 0;
    std::string lines_;
};

/// The prefix without which most of the network's names are in the file, and how many are then.
struct FittingPrefix {
    std::string_view prefix;
    std::size_t names = 0;
};
/// Looks for one; the prefix is a part of a name of the file, "" where none is better than none. A template like the
/// reader of headers, for programs that load nothing.
template <std::same_as<StoredTensors> Stored>
[[nodiscard]] FittingPrefix fitting_prefix(Stored const& stored, std::span<TensorView const> targets) {
    std::vector<std::string_view> prefixes;  // one for each pair of names that fit
    for (auto const& [name, tensor] : stored)
        for (auto const& target : targets)
            if (name.ends_with(target.name))
                prefixes.push_back(std::string_view(name).substr(0, name.size() - target.name.size()));
    std::sort(prefixes.begin(), prefixes.end());
    FittingPrefix best;
    for (auto at = prefixes.begin(), next = at; at != prefixes.end(); at = next) {
        next = std::upper_bound(at, prefixes.end(), *at);
        auto const names = static_cast<std::size_t>(next - at);
        if (names > best.names) best = {*at, names};
    }
    return best;
}

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "load_differences.ipp"
#endif
