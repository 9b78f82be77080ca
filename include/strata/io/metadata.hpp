// Texts that travel with the tensors of a file.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strata {

/// Keys and their texts, each key once, in the order in which they came. A sequence, because there are few of them and
/// a std::map takes long to compile.
class Metadata {
public:
    struct Entry {
        std::string key, text;
        friend bool operator==(Entry const&, Entry const&) = default;
    };

    Metadata() = default;
    Metadata(std::initializer_list<Entry> entries) : entries_(entries) {}

    /// The text of a key, nullptr where there is none.
    [[nodiscard]] std::string const* find(std::string_view key) const {
        for (auto const& entry : entries_)
            if (entry.key == key) return &entry.text;
        return nullptr;
    }
    /// Adds a key, or replaces its text.
    [[gnu::cold]] void set(std::string_view key, std::string_view text) {
        erase(key);
        add(std::string(key), std::string(text));
    }
    /// Adds a key that is not there yet.
    void add(std::string key, std::string text) { entries_.push_back({std::move(key), std::move(text)}); }
    /// True where the key was there.
    bool erase(std::string_view key) {
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry)
            if (entry->key == key) {
                entries_.erase(entry);
                return true;
            }
        return false;
    }

    [[nodiscard]] auto begin() const { return entries_.begin(); }
    [[nodiscard]] auto end() const { return entries_.end(); }
    [[nodiscard]] bool empty() const { return entries_.empty(); }

    friend bool operator==(Metadata const&, Metadata const&) = default;

private:
    std::vector<Entry> entries_;
};

}  // namespace strata
