// Texts that travel with the tensors of a file.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "../core/config.hpp"
#include "../core/fixed_array.hpp"

namespace strata::inline STRATA_ABI {

/// Keys and their texts, each key once, in the order in which they came. A sequence, because there are few of them and
/// a std::map takes long to compile.
class Metadata {
public:
    struct Entry {
        std::string_view key, text;
    };

    Metadata() = default;
    Metadata(std::initializer_list<Entry> entries);

    [[nodiscard]] std::size_t size() const { return texts_.size() / 2; }
    [[nodiscard]] bool empty() const { return texts_.empty(); }
    /// The i-th key and its text; i < size().
    [[nodiscard]] std::string const& key(std::size_t i) const { return texts_[2 * i]; }
    [[nodiscard]] std::string const& text(std::size_t i) const { return texts_[2 * i + 1]; }

    /// The text of a key, nullptr where there is none.
    [[nodiscard]] std::string const* find(std::string_view wanted) const;
    /// Adds a key that is not there yet.
    void add(std::string key, std::string text);
    /// Where keys were added that were there, the last text of each counts. Takes n log n for n entries, which a file
    /// may have any number of.
    void keep_last();
    /// Replaces a key's text, or adds the key.
    void set(std::string_view wanted, std::string_view text);
    /// True where the key was there.
    template <class Key>
    bool erase(Key const& wanted) {
        for (std::size_t i = 0; i < size(); ++i)
            if (key(i) == wanted) {
                auto const at = texts_.begin() + static_cast<std::ptrdiff_t>(2 * i);
                texts_.erase(at, at + 2);
                return true;
            }
        return false;
    }

    /// True for the same keys with the same texts; the order does not count.
    friend bool operator==(Metadata const& a, Metadata const& b) {
        bool equal = a.size() == b.size();
        for (std::size_t i = 0; equal && i < a.size(); ++i) {
            std::string const* const text = b.find(a.key(i));
            equal = text && *text == a.text(i);
        }
        return equal;
    }

private:
    std::vector<std::string> texts_;  // key, text, key, text, ...
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "metadata.ipp"
#endif
