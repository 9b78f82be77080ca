// The bytes of messages and of log records: numbers, texts and runs of bytes behind one another, every length checked
// before it is used.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../../core/error.hpp"

namespace strata::inline STRATA_ABI::detail {

static_assert(std::endian::native == std::endian::little, "messages of the parameter server are little-endian");

template <class T>
concept MessageNumber = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

/// Texts in messages are no longer than this.
inline constexpr std::size_t most_text = 4096;
/// A name and what it has to be, on all workers and servers of a training.
struct MessageItem {
    std::string what, value;
    friend bool operator==(MessageItem const&, MessageItem const&) = default;
};
/// Items a message has at most.
inline constexpr std::size_t most_items = 32;
/// Clocks a message names at most.
inline constexpr std::size_t most_clocks = 1024;

/// Puts values behind one another.
class MessageWriter {
public:
    explicit MessageWriter(std::size_t expected) { bytes_.reserve(expected); }

    template <MessageNumber T>
    void operator()(T const& number) {
        append(&number, sizeof number);
    }
    void operator()(std::string const& text) {
        std::string_view const shown = std::string_view(text).substr(0, most_text);
        (*this)(static_cast<std::uint32_t>(shown.size()));
        append(shown.data(), shown.size());
    }
    void operator()(std::vector<MessageItem> const& items) {
        (*this)(static_cast<std::uint32_t>(items.size()));
        for (auto const& item : items) {
            (*this)(item.what);
            (*this)(item.value);
        }
    }
    void operator()(std::vector<std::int64_t> const& clocks) {
        (*this)(static_cast<std::uint32_t>(clocks.size()));
        append(clocks.data(), clocks.size() * sizeof(std::int64_t));
    }
    /// All that is left of the message: without a length of its own.
    void operator()(std::span<std::byte const> const& rest) { append(rest.data(), rest.size()); }

    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
    void append(void const* data, std::size_t size) {
        auto const* const from = static_cast<std::byte const*>(data);
        bytes_.insert(bytes_.end(), from, from + size);
    }

    std::vector<std::byte> bytes_;
};

/// Takes them out again. Throws Error where the bytes end too early, or a length is more than it may be.
class MessageReader {
public:
    explicit MessageReader(std::span<std::byte const> bytes) : rest_(bytes) {}

    template <MessageNumber T>
    void operator()(T& number) {
        std::memcpy(&number, take(sizeof number).data(), sizeof number);
    }
    void operator()(std::string& text) {
        std::uint32_t size = 0;
        (*this)(size);
        if (size > most_text) fail("a message's text has ", size, " bytes, expected at most ", most_text);
        auto const bytes = take(size);
        text.assign(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    }
    void operator()(std::vector<MessageItem>& items) {
        std::uint32_t count = 0;
        (*this)(count);
        if (count > most_items) fail("a message has ", count, " items, expected at most ", most_items);
        items.clear();
        for (std::uint32_t i = 0; i < count; ++i) {
            auto& item = items.emplace_back();
            (*this)(item.what);
            (*this)(item.value);
        }
    }
    void operator()(std::vector<std::int64_t>& clocks) {
        std::uint32_t count = 0;
        (*this)(count);
        if (count > most_clocks) fail("a message has ", count, " clocks, expected at most ", most_clocks);
        auto const bytes = take(count * sizeof(std::int64_t));
        clocks.resize(count);
        if (count > 0) std::memcpy(clocks.data(), bytes.data(), bytes.size());
    }
    void operator()(std::span<std::byte const>& rest) {
        rest = rest_;
        rest_ = {};
    }
    /// Throws Error where bytes are left.
    void end() const {
        if (!rest_.empty()) fail("a message is ", rest_.size(), " bytes too long");
    }

private:
    std::span<std::byte const> take(std::size_t size) {
        if (size > rest_.size()) fail("a message ends ", size - rest_.size(), " bytes too early");
        auto const taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    std::span<std::byte const> rest_;
};

}  // namespace strata::inline STRATA_ABI::detail
