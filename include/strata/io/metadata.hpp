// Texts that travel with the tensors of a file.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
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
    STRATA_COLD Metadata(std::initializer_list<Entry> entries) {
        for (auto const& entry : entries) set(entry.key, entry.text);
    }

    [[nodiscard]] std::size_t size() const { return texts_.size() / 2; }
    [[nodiscard]] bool empty() const { return texts_.empty(); }
    /// The i-th key and its text; i < size().
    [[nodiscard]] std::string const& key(std::size_t i) const { return texts_[2 * i]; }
    [[nodiscard]] std::string const& text(std::size_t i) const { return texts_[2 * i + 1]; }

    /// The text of a key, nullptr where there is none.
    [[nodiscard]] std::string const* find(std::string_view wanted) const {
        for (std::size_t i = 0; i < size(); ++i)
            if (key(i) == wanted) return &text(i);
        return nullptr;
    }
    /// Adds a key that is not there yet.
    STRATA_COLD void add(std::string key, std::string text) {
        texts_.push_back(std::move(key));
        texts_.push_back(std::move(text));
    }
    /// Where keys were added that were there, the last text of each counts. Takes n log n for n entries, which a file
    /// may have any number of.
    STRATA_COLD void keep_last() {
        struct Place {
            std::string_view key;
            std::size_t at;
        };
        FixedArray<Place> places(size());
        for (std::size_t i = 0; i < size(); ++i) places[i] = {key(i), i};
        std::qsort(places.data(), places.size(), sizeof places[0], [](void const* a, void const* b) {
            auto const &x = *static_cast<Place const*>(a), &y = *static_cast<Place const*>(b);
            int const order = x.key.compare(y.key);
            return order != 0 ? order : x.at < y.at ? -1 : 1;
        });
        FixedArray<bool> is_last(size());
        for (std::size_t k = 0; k < places.size(); ++k)
            is_last[places[k].at] = k + 1 == places.size() || places[k].key != places[k + 1].key;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < is_last.size(); ++i) {
            if (!is_last[i]) continue;
            if (kept != i) {
                texts_[2 * kept] = std::move(texts_[2 * i]);
                texts_[2 * kept + 1] = std::move(texts_[2 * i + 1]);
            }
            ++kept;
        }
        texts_.resize(2 * kept);
    }
    /// Replaces a key's text, or adds the key.
    STRATA_COLD void set(std::string_view wanted, std::string_view text) {
        for (std::size_t i = 0; i < size(); ++i)
            if (key(i) == wanted) {
                texts_[2 * i + 1] = std::string(text);
                return;
            }
        add(std::string(wanted), std::string(text));
    }
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
