// The workspace plan: where each value, gradient and kept extra of a tile lives, computed at compile time from the op
// list by liveness. Offsets count scalars of one sample; a tile of S samples multiplies them by S.
//
// One plan is a whole step of one tile: fill, forward, loss, backward. Values die after their last reader, views and
// in-place results share their source's memory, and the first gradient of a value overwrites, later ones add, in
// reverse op order. What passes leave (core/pass.hpp) has a region of its own. What a concatenation joins is made where
// the whole lies, at an offset, and so are the gradients.
#pragma once

#include <array>

#include "../core/operation.hpp"
#include "value_list.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

/// What the plan needs to know of an operation.
struct OperationFacts {
    ValueList inputs{0};
    std::ptrdiff_t output_size = 0;
    bool has_parameters = false, is_view = false, is_elementwise = false, keeps_extra = false, is_concatenation = false;
    Keep keep = Keep::nothing;
    int forward_passes = 0, backward_passes = 0;  ///< numbers of a sample
    int lasting = 0;  ///< operations behind it that its inputs must outlive: they may be made together, band by band
    int view_offset = 0;  ///< of a view: where it begins in its input
};

enum class GradientWrite : std::uint8_t { none, overwrite, add };

/// The plan of a network with N operations; values are 0 (the input) to N (the output).
template <int N>
struct Plan {
    std::array<std::ptrdiff_t, N + 1> value{};     ///< offset of each value
    std::array<std::ptrdiff_t, N + 1> gradient{};  ///< offset of each value's gradient; -1 where none is needed
    std::array<std::ptrdiff_t, N> extra{};         ///< offset of what the operation keeps besides; -1
    std::array<std::array<GradientWrite, ValueList::most>, N> write{};  ///< how backward writes each input's gradient
    std::array<bool, N> in_place{};  ///< forward and backward run in the first input's memory
    std::ptrdiff_t size = 0;         ///< scalars a sample
    /// Offsets of what the operations' passes leave, among numbers of the compute type that lie behind the plan; -1.
    std::array<std::ptrdiff_t, N> forward_passes{}, backward_passes{};
    std::ptrdiff_t pass_size = 0;  ///< such numbers a sample
};

namespace detail {

/// First-fit allocation of intervals of memory over intervals of time, for at most Capacity intervals. Two uses of
/// memory must not overlap when both live; that is the same as the later one's birth being before the other's death,
/// because intervals come by ascending birth or, once nothing that is placed is still to be born, by ascending death.
/// So all that need be known of a place is when it is free: memory is a list of segments with one time each.
template <int Capacity>
class Allocator {
    struct Segment {
        std::ptrdiff_t from;  ///< its offset
        int busy;             ///< the last time at which it is in use, before all times for never
        int next;             ///< behind it; the last one has no end and -1
    };
    Segment segments[Capacity + 1]{{0, -1, -1}};
    int count = 1;
    // All segments before `lowest` are in use at `horizon`: deep networks keep most of what they write for the backward
    // pass, and need not look through it again for each value.
    int lowest = 0, horizon = -1;
    static constexpr int horizon_step = 32;

    constexpr Segment& at(int i) { return segments[i]; }

public:
    std::ptrdiff_t size = 0;

    constexpr std::ptrdiff_t allocate(std::ptrdiff_t wanted, int birth, int death) {
        // Keeps every offset 64-byte aligned, also for tiles of one sample.
        std::ptrdiff_t const rounded = (wanted + 15) / 16 * 16;
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
        std::ptrdiff_t const offset = at(first).from, end = offset + rounded;
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

/// Memory that values share: views and in-place results with their source, parts with the whole that they lie in.
template <int N>
struct SharedPlaces {
    int root[N + 1]{};                          ///< of each value, the first one with its memory
    int whole[N + 1]{};                         ///< of each root that is a part, the whole's root; -1
    std::ptrdiff_t shift[N + 1]{};              ///< of each value, where it begins in its root
    int owner[N + 1]{};                         ///< of each value, the outermost whole
    std::ptrdiff_t at[N + 1]{}, from[N + 1]{};  ///< where they begin there

    constexpr SharedPlaces() {
        for (int v = 0; v <= N; ++v) root[static_cast<std::size_t>(v)] = v;
        for (auto& w : whole) w = -1;
    }
    /// A value becomes a part, unless it is one already.
    constexpr bool put(int value, int in, std::ptrdiff_t offset) {
        auto const r = static_cast<std::size_t>(root[static_cast<std::size_t>(value)]);
        if (whole[r] >= 0) return false;
        whole[r] = in;
        at[r] = offset;
        return true;
    }
    [[nodiscard]] constexpr bool is_part(int value, int in, std::ptrdiff_t offset) const {
        auto const r = static_cast<std::size_t>(root[static_cast<std::size_t>(value)]);
        return whole[r] == in && at[r] == offset;
    }
    /// Wholes are made after their parts.
    constexpr void find_owners() {
        for (int v = N; v >= 0; --v) {
            auto const i = static_cast<std::size_t>(v), w = static_cast<std::size_t>(whole[i] < 0 ? v : whole[i]);
            owner[i] = whole[i] < 0 ? v : owner[w];
            from[i] = whole[i] < 0 ? 0 : from[w] + at[i];
        }
        for (int v = 0; v <= N; ++v) {
            auto const i = static_cast<std::size_t>(v), r = static_cast<std::size_t>(root[i]);
            owner[i] = owner[r];
            from[i] = from[r] + shift[i];
        }
    }
};

/// Places the passes: forward's are kept for backward.
template <int N>
constexpr void place_passes(Plan<N>& plan, std::array<OperationFacts, N> const& ops, bool training) {
    Allocator<2 * N> memory;
    for (int i = 0; i < N; ++i) {
        auto const at = static_cast<std::size_t>(i);
        int const size = ops[at].forward_passes, last = training && plan.gradient[at + 1] >= 0 ? 2 * N - 1 - i : i;
        plan.forward_passes[at] = size > 0 ? memory.allocate(size, i, last) : -1;
    }
    for (int i = N - 1; i >= 0; --i) {
        auto const at = static_cast<std::size_t>(i);
        int const size = training && plan.gradient[at + 1] >= 0 ? ops[at].backward_passes : 0;
        plan.backward_passes[at] = size > 0 ? memory.allocate(size, 2 * N - 1 - i, 2 * N - 1 - i) : -1;
    }
    plan.pass_size = memory.size;
}

/// Plans a step. With `training` off there is no loss and no backward pass; `of_input` wants the input's gradient, too.
template <int N>
constexpr Plan<N> make_plan(std::array<OperationFacts, N> const& facts, std::ptrdiff_t input_size, bool training,
                            bool of_input = false) {
    using std::size_t;
    Plan<N> plan{};
    // Arrays of the language: g++ takes two calls of functions, at compile time, for an element of a std::array.
    OperationFacts const* const ops = facts.data();
    int readers[N + 1]{};
    std::ptrdiff_t sizes[N + 1]{};
    bool wants_gradient[N + 1]{}, kept_by_maker[N + 1]{};
    sizes[0] = input_size;
    wants_gradient[0] = of_input && training;
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        auto const y = static_cast<size_t>(i + 1);
        sizes[y] = op.output_size;
        wants_gradient[y] = op.has_parameters;
        for (int const v : op.inputs) {
            ++readers[static_cast<size_t>(v)];
            wants_gradient[y] = wants_gradient[y] || wants_gradient[static_cast<size_t>(v)];
        }
        kept_by_maker[y] = wants_gradient[y] && training && keeps_output(op.keep);
    }
    // Views share their source; an elementwise result takes its source's place where nobody
    // needs the source afterwards. Of a concatenation somebody may need a part.
    SharedPlaces<N> places;
    int last_reader[N + 1]{};  // of each root
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        auto const x = static_cast<size_t>(op.inputs[0]);
        bool in_place = op.is_elementwise && x > 0 && readers[x] == 1 && !kept_by_maker[x] &&
                        !(wants_gradient[static_cast<size_t>(i + 1)] && training && keeps_input(op.keep)) &&
                        !ops[x - 1].is_view && !ops[x - 1].is_concatenation;
        plan.in_place[static_cast<size_t>(i)] = in_place;
        if (op.is_view || in_place) {
            places.root[static_cast<size_t>(i + 1)] = places.root[x];
            places.shift[static_cast<size_t>(i + 1)] = places.shift[x] + op.view_offset;
        }
        for (int const v : op.inputs) last_reader[static_cast<size_t>(places.root[static_cast<size_t>(v)])] = i;
    }
    last_reader[static_cast<size_t>(places.root[N])] = N;  // the loss
    // The network's input is where it is filled in. A gradient is made in the whole's where all other contributions to
    // it come later, when the whole's is complete.
    auto gradient_places = places;
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        if (!op.is_concatenation) continue;
        std::ptrdiff_t offset = 0;
        for (int const v : op.inputs) {
            int const r = places.root[static_cast<size_t>(v)];
            if (r > 0) places.put(v, i + 1, offset);
            if (last_reader[static_cast<size_t>(r)] == i && wants_gradient[static_cast<size_t>(v)])
                gradient_places.put(v, i + 1, offset);
            offset += sizes[static_cast<size_t>(v)];
        }
    }
    places.find_owners();
    gradient_places.find_owners();
    // Time: 0 fill, 1…N forward, N + 1 loss, N + 2 … 2 N + 1 backward of the operations from the last to the first,
    // then the input's gradient is read.
    int const loss_time = N + 1, end_time = 2 * N + 2;
    auto const backward_time = [](int i) { return 2 * N + 1 - i; };
    int death[N + 1]{}, first_gradient[N + 1]{}, gradient_death[N + 1]{};
    for (auto& t : first_gradient) t = end_time;
    auto const use = [&](int v, int time) {
        int& d = death[static_cast<size_t>(places.owner[static_cast<size_t>(v)])];
        d = time > d ? time : d;
    };
    use(N, loss_time);
    for (int i = 0; i < N; ++i) {
        auto const& op = ops[static_cast<size_t>(i)];
        use(i + 1, i + 1);
        bool const goes_back = training && wants_gradient[static_cast<size_t>(i + 1)];
        for (int const v : op.inputs) use(v, goes_back && keeps_input(op.keep) ? backward_time(i) : i + 1 + op.lasting);
        if (goes_back && keeps_output(op.keep)) use(i + 1, backward_time(i));
    }
    Allocator<3 * N + 2> memory;
    std::ptrdiff_t placed[N + 1]{};
    for (auto& p : placed) p = -1;
    for (int v = 0; v <= N; ++v) {
        auto const at = static_cast<size_t>(v), owner = static_cast<size_t>(places.owner[at]);
        if (placed[owner] < 0) placed[owner] = memory.allocate(sizes[owner], v, death[owner]);
        plan.value[at] = placed[owner] + places.from[at];
        if (v == 0) continue;
        auto const& op = ops[at - 1];
        bool const keeps_extra = op.keeps_extra && training && wants_gradient[at];
        plan.extra[at - 1] = keeps_extra ? memory.allocate(op.output_size, v, backward_time(v - 1)) : -1;
    }
    for (auto& g : plan.gradient) g = -1;
    if (training) {
        bool written[N + 1]{};
        auto const write = [&](int v, int time) {
            auto const at = static_cast<size_t>(v);
            if (!wants_gradient[at]) return GradientWrite::none;
            int& first_time = first_gradient[static_cast<size_t>(gradient_places.owner[at])];
            first_time = time < first_time ? time : first_time;
            bool& has_some = written[static_cast<size_t>(places.root[at])];
            auto const how = has_some ? GradientWrite::add : GradientWrite::overwrite;
            has_some = true;
            return how;
        };
        write(N, loss_time);
        for (int i = N - 1; i >= 0; --i) {
            auto const& op = ops[static_cast<size_t>(i)];
            auto const at = static_cast<size_t>(i);
            int& last = gradient_death[static_cast<size_t>(gradient_places.owner[at + 1])];
            last = backward_time(i) > last ? backward_time(i) : last;
            // Parts of the output's gradient are there; of inputs that share its memory there is nothing to write.
            bool is_there[ValueList::most]{op.is_view || plan.in_place[at]};
            std::ptrdiff_t offset = 0;
            for (int k = 0; op.is_concatenation && k < op.inputs.count; ++k) {
                auto const x = static_cast<size_t>(op.inputs[k]);
                auto const part = static_cast<size_t>(k);
                is_there[part] = gradient_places.is_part(op.inputs[k], i + 1, offset);
                if (is_there[part]) written[static_cast<size_t>(places.root[x])] = true;
                offset += sizes[x];
            }
            for (int k = 0; k < op.inputs.count; ++k)
                if (!is_there[static_cast<size_t>(k)])
                    plan.write[at][static_cast<size_t>(k)] = write(op.inputs[k], backward_time(i));
        }
        if (of_input) gradient_death[static_cast<size_t>(gradient_places.owner[0])] = end_time;
        int last_maker[N + 1]{};  // of each owner
        std::ptrdiff_t gradient_place[N + 1]{};
        for (int v = N; v >= 0; --v) {
            auto const at = static_cast<size_t>(v);
            if (written[at]) last_maker[static_cast<size_t>(gradient_places.owner[at])] = v;
        }
        for (int v = N; v >= 0; --v) {
            auto const at = static_cast<size_t>(v), owner = static_cast<size_t>(gradient_places.owner[at]);
            if (written[at] && last_maker[owner] == v)
                gradient_place[owner] = memory.allocate(sizes[owner], first_gradient[owner], gradient_death[owner]);
        }
        for (int v = 0; v <= N; ++v) {
            auto const at = static_cast<size_t>(v);
            if (wants_gradient[at])
                plan.gradient[at] =
                    gradient_place[static_cast<size_t>(gradient_places.owner[at])] + gradient_places.from[at];
        }
    }
    plan.size = memory.size;
    place_passes<N>(plan, facts, training);
    return plan;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
