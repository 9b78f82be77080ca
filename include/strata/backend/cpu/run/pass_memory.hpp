// What the tiles of a pass over a batch work in.
#pragma once

#include "batch_layout.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Grows a vector without its numbers: nothing is copied, and who uses the pages also touches them first.
template <class Vector>
void grow(Vector& v, std::size_t size) {
    if (v.size() >= size) return;
    v = Vector();
    v = Vector(size);
}

/// Workspaces of tiles, scratch memory of workers and prepared parameters, as large as the largest pass so far needed.
template <class Layout>
class PassMemory {
    using Storage = typename Layout::Storage;

public:
    /// For a pass of so many workers that holds so many tiles at a time, of so many samples, or of columns and sequences.
    template <bool Training>
    void make_room(int workers, int tiles, int samples, int sequences) {
        columns_size_ = Layout::template program<Training>.size * samples;
        stride_ = static_cast<std::size_t>(columns_size_ + Layout::template program<Training>.size * sequences);
        constexpr std::size_t scratch = Layout::template scratch_size<Training>();
        scratch_stride_ = (std::max)(scratch_stride_, scratch);
        grow(workspace_, stride_ * static_cast<std::size_t>(tiles));
        grow(scratch_, scratch_stride_ * static_cast<std::size_t>(workers));
        grow(prepared_, Layout::template prepared_size<Training>());
    }
    [[nodiscard]] Storage* workspace(int tile) { return workspace_.data() + static_cast<std::size_t>(tile) * stride_; }
    /// Of a tile's memory, what values of its columns take: those with a column a sequence lie behind it.
    [[nodiscard]] std::ptrdiff_t columns_size() const { return columns_size_; }
    [[nodiscard]] Storage* scratch(int worker) {
        return scratch_.data() + static_cast<std::size_t>(worker) * scratch_stride_;
    }
    /// Parameters in the forms that kernels read.
    [[nodiscard]] Storage* prepared() { return prepared_.data(); }
    [[nodiscard]] std::size_t bytes() const {
        return (workspace_.size() + scratch_.size() + prepared_.size()) * sizeof(Storage);
    }

private:
    AlignedVector<Storage> workspace_, scratch_, prepared_;
    std::size_t stride_ = 0, scratch_stride_ = 0;
    std::ptrdiff_t columns_size_ = 0;
};

}  // namespace strata::inline STRATA_ABI::detail
