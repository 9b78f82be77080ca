// The functions of metadata.hpp that no network type touches.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "../core/config.hpp"
#include "../core/fixed_array.hpp"
#include "metadata.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD Metadata::Metadata(std::initializer_list<Entry> entries) {
    for (auto const& entry : entries) set(entry.key, entry.text);
}

STRATA_DEFINE std::string const* Metadata::find(std::string_view wanted) const {
    for (std::size_t i = 0; i < size(); ++i)
        if (key(i) == wanted) return &text(i);
    return nullptr;
}

STRATA_DEFINE STRATA_COLD void Metadata::add(std::string key, std::string text) {
    texts_.push_back(std::move(key));
    texts_.push_back(std::move(text));
}

STRATA_DEFINE STRATA_COLD void Metadata::keep_last() {
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

STRATA_DEFINE STRATA_COLD void Metadata::set(std::string_view wanted, std::string_view text) {
    for (std::size_t i = 0; i < size(); ++i)
        if (key(i) == wanted) {
            texts_[2 * i + 1] = std::string(text);
            return;
        }
    add(std::string(wanted), std::string(text));
}

}  // namespace strata::inline STRATA_ABI
