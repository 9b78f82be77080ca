// The workspace plan: where each value, gradient and kept extra of a tile lives, computed at compile time from the op
// list by liveness. Offsets count scalars of one sample; a tile of S samples multiplies them by S.
//
// One plan is a whole step of one tile: fill, forward, loss, backward. Values die after their last reader, views and
// in-place results share their source's memory, and the first gradient of a value overwrites, later ones add, in
// reverse op order.
#pragma once

#include <array>

#include "../core/operation.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

/// What the plan needs to know of an operation.
struct OperationFacts {
    int input = 0, other = -1;  ///< values read
    int output_size = 0;
    bool has_parameters = false, is_view = false, is_elementwise = false, keeps_extra = false;
    Keep keep = Keep::nothing;
};

enum class GradientWrite : std::uint8_t { none, overwrite, add };

/// The plan of a network with N operations; values are 0 (the input) to N (the output).
template <int N>
struct Plan {
    std::array<int, N + 1> value{};                       ///< offset of each value
    std::array<int, N + 1> gradient{};                    ///< offset of each value's gradient; -1 where none is needed
    std::array<int, N> extra{};                           ///< offset of what the operation keeps besides; -1
    std::array<GradientWrite, N> write{}, write_other{};  ///< how backward writes the input gradients
    std::array<bool, N> in_place{};                       ///< forward and backward run in the input's memory
    int size = 0;                                         ///< scalars a sample
};

namespace detail {

/// First-fit allocation of intervals of memory over intervals of time, for at most Capacity intervals. Two uses of
/// memory must not overlap when both live; that is the same as the later one's birth being before the other's death,
/// because intervals come by ascending birth or, once nothing that is placed is still to be born, by ascending death.
/// So all that need be known of a place is when it is free: memory is a list of segments with one time each.
template <int Capacity>
class Allocator {
    struct Segment {
        int from, busy;  ///< its offset; the last time at which it is in use, before all times for never
        int next;        ///< behind it; the last one has no end and -1
    };
    std::array<Segment, Capacity + 1> segments{{{0, -1, -1}}};
    int count = 1;
    // All segments before `lowest` are in use at `horizon`: deep networks keep most of what they write for the backward
    // pass, and need not look through it again for each value.
    int lowest = 0, horizon = -1;
    static constexpr int horizon_step = 32;

    constexpr Segment& at(int i) { return segments[static_cast<std::size_t>(i)]; }

public:
    int size = 0;

    constexpr int allocate(int wanted, int birth, int death) {
        // Keeps every offset 64-byte aligned, also for tiles of one sample.
        int const rounded = (wanted + 15) / 16 * 16;
        if (birth > horizon) {
            horizon = birth + horizon_step;
            for (lowest = 0; at(lowest).busy >= horizon;) lowest = at(lowest).next;
        }
        int first = lowest, last = first;
        for (;; first = last) {
            while (at(first).busy >= birth) first = at(first).next;
            last = first;
            while (at(last).next >= 0 && at(last).busy < birth && at(at(last).next).from - at(first).from < rounded)
                last = at(last).next;
            if (at(last).busy < birth) break;
        }
        int const offset = at(first).from, end = offset + rounded;
        int rest = at(last).next;
        if (rest < 0 || at(rest).from > end) {  // the last segment's end stays as it was
            rest = first == last ? count++ : last;
            at(rest) = {end, at(last).busy, at(last).next};
        }
        at(first) = {offset, death, rest};
        size = end > size ? end : size;
        return offset;
    }
};

/// Plans a step. With `training` off there is no loss and no backward pass.
template <int N>
constexpr Plan<N> make_plan(std::array<OperationFacts, N> const& ops, int input_size, bool training) {
    using std::size_t;
    Plan<N> plan{};
    std::array<int, N + 1> readers{}, root{}, sizes{};
    std::array<bool, N + 1> wants_gradient{}, kept_by_maker{};
    sizes[0] = input_size;
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        ++readers[static_cast<size_t>(op.input)];
        if (op.other >= 0) ++readers[static_cast<size_t>(op.other)];
        auto const y = static_cast<size_t>(i + 1);
        sizes[y] = op.output_size;
        wants_gradient[y] = op.has_parameters || wants_gradient[static_cast<size_t>(op.input)] ||
                            (op.other >= 0 && wants_gradient[static_cast<size_t>(op.other)]);
        kept_by_maker[y] = training && keeps_output(op.keep);
    }
    // Views share their source; an elementwise result takes its source's place where nobody
    // needs the source afterwards.
    for (int v = 0; v <= N; ++v) root[static_cast<size_t>(v)] = v;
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        auto const x = static_cast<size_t>(op.input);
        bool const in_place = op.is_elementwise && op.input > 0 && readers[x] == 1 && !kept_by_maker[x] &&
                              op.input != op.other && !(training && keeps_input(op.keep)) && !ops[x - 1].is_view;
        plan.in_place[static_cast<size_t>(i)] = in_place;
        if (op.is_view || in_place) root[static_cast<size_t>(i + 1)] = root[x];
    }
    // Time: 0 fill, 1…N forward, N + 1 loss, N + 2 … 2 N + 1 backward of the operations from the last to the first.
    int const loss_time = N + 1;
    auto const backward_time = [](int i) { return 2 * N + 1 - i; };
    std::array<int, N + 1> death{}, first_gradient{}, gradient_death{};
    for (auto& t : first_gradient) t = 2 * N + 2;
    auto const use = [&](int v, int time) {
        int& d = death[static_cast<size_t>(root[static_cast<size_t>(v)])];
        d = time > d ? time : d;
    };
    use(N, loss_time);
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        use(i + 1, i + 1);
        use(op.input, i + 1);
        if (op.other >= 0) use(op.other, i + 1);
        if (training && keeps_input(op.keep)) use(op.input, backward_time(i));
        if (training && keeps_output(op.keep)) use(i + 1, backward_time(i));
    }
    Allocator<3 * N + 2> memory;
    std::array<int, N + 1> placed{};
    for (int v = 0; v <= N; ++v) {
        auto const at = static_cast<size_t>(v);
        if (root[at] == v) placed[at] = memory.allocate(sizes[at], v, death[at]);
        plan.value[at] = placed[static_cast<size_t>(root[at])];
        if (v == 0) continue;
        auto const& op = ops[at - 1];
        plan.extra[at - 1] = op.keeps_extra && training ? memory.allocate(op.output_size, v, backward_time(v - 1)) : -1;
    }
    for (auto& g : plan.gradient) g = -1;
    if (training) {
        std::array<bool, N + 1> written{};
        auto const write = [&](int v, int time) {
            auto const r = static_cast<size_t>(root[static_cast<size_t>(v)]);
            if (!wants_gradient[static_cast<size_t>(v)]) return GradientWrite::none;
            first_gradient[r] = time < first_gradient[r] ? time : first_gradient[r];
            bool const first = !written[r];
            written[r] = true;
            return first ? GradientWrite::overwrite : GradientWrite::add;
        };
        write(N, loss_time);
        for (int i = N - 1; i >= 0; --i) {
            auto const& op = ops[static_cast<size_t>(i)];
            auto const at = static_cast<size_t>(i);
            auto const r = static_cast<size_t>(root[at + 1]);
            gradient_death[r] = backward_time(i) > gradient_death[r] ? backward_time(i) : gradient_death[r];
            bool const shares = op.is_view || plan.in_place[at];
            plan.write[at] = shares ? GradientWrite::none : write(op.input, backward_time(i));
            plan.write_other[at] = op.other >= 0 ? write(op.other, backward_time(i)) : GradientWrite::none;
        }
        std::array<int, N + 1> gradient_place{};
        for (int v = N; v >= 0; --v) {
            auto const at = static_cast<size_t>(v);
            if (root[at] == v && written[at])
                gradient_place[at] = memory.allocate(sizes[at], first_gradient[at], gradient_death[at]);
        }
        for (int v = 0; v <= N; ++v) {
            auto const at = static_cast<size_t>(v);
            if (wants_gradient[at]) plan.gradient[at] = gradient_place[static_cast<size_t>(root[at])];
        }
    }
    plan.size = memory.size;
    return plan;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
