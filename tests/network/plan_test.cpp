// The workspace plan, by playing it: a step runs on memory whose cells remember what was written last, and every
// read must find what it expects. Two live regions that overlap, a value freed too early or a gradient that is
// not complete show at once.
#include "strata/network/plan.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace strata;

namespace {

/// What a cell holds: a value, an operation's extra, or the gradient of a value after some contributions.
struct Content {
    enum Kind : std::uint8_t { garbage, value, extra, gradient } kind = garbage;
    int index = -1, contributions = 0;
    friend bool operator==(Content const&, Content const&) = default;
};

template <int N>
struct Play {
    std::array<OperationFacts, N> const& ops;
    Plan<N> const& plan;
    int input_size;
    bool training, of_input = false;
    std::vector<Content> memory = std::vector<Content>(static_cast<std::size_t>(plan.size));
    int errors = 0, copies = 0;

    static std::size_t index(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }
    [[nodiscard]] OperationFacts const& op(int i) const { return ops[index(i)]; }
    [[nodiscard]] std::ptrdiff_t size_of_value(int v) const { return v == 0 ? input_size : op(v - 1).output_size; }
    /// Views hold what their source holds.
    [[nodiscard]] int content_of(int v) const {
        return v > 0 && op(v - 1).is_view ? content_of(op(v - 1).inputs[0]) : v;
    }
    [[nodiscard]] bool is_concatenation(int v) const { return v > 0 && op(v - 1).is_concatenation; }
    /// f(k, part, offset in the whole) for each part of a concatenation.
    template <class F>
    void for_parts(int v, F const& f) const {
        std::ptrdiff_t offset = 0;
        for (int k = 0; k < op(v - 1).inputs.count; ++k) {
            int const part = op(v - 1).inputs[k];
            f(k, part, offset);
            offset += size_of_value(part);
        }
    }

    void write(std::ptrdiff_t offset, std::ptrdiff_t size, Content what) {
        if (offset < 0 || offset + size > plan.size) {
            ++errors;
            return;
        }
        for (std::ptrdiff_t k = 0; k < size; ++k) memory[index(offset + k)] = what;
    }
    void expect(std::ptrdiff_t offset, std::ptrdiff_t size, Content what) {
        if (offset < 0 || offset + size > plan.size) {
            ++errors;
            return;
        }
        for (std::ptrdiff_t k = 0; k < size; ++k) errors += memory[index(offset + k)] == what ? 0 : 1;
    }
    /// A concatenation holds what its parts hold.
    void expect_value(int v) { expect_value(v, plan.value[index(v)]); }
    void expect_value(int v, std::ptrdiff_t offset) {
        v = content_of(v);
        if (is_concatenation(v))
            for_parts(v, [&](int, int part, std::ptrdiff_t at) { expect_value(part, offset + at); });
        else
            expect(offset, size_of_value(v), {Content::value, v});
    }
    void write_value(int v, std::ptrdiff_t offset) {
        v = content_of(v);
        if (is_concatenation(v))
            for_parts(v, [&](int, int part, std::ptrdiff_t at) { write_value(part, offset + at); });
        else
            write(offset, size_of_value(v), {Content::value, v});
    }

    /// How many times the gradient of a content is written: once by each operation that reads it,
    /// twice if through two inputs.
    [[nodiscard]] int contributions(int content) const {
        int count = content_of(N) == content ? 1 : 0;
        for (auto const& o : ops)
            for (int const v : o.inputs)
                if (!o.is_view && content_of(v) == content) ++count;
        return count;
    }
    [[nodiscard]] bool wants_gradient(int v) const {
        if (v == 0) return of_input;
        auto const& o = op(v - 1);
        return o.has_parameters ||
               std::any_of(o.inputs.begin(), o.inputs.end(), [&](int x) { return wants_gradient(x); });
    }
    void write_gradient(int v, GradientWrite how, bool in_place) {
        int const content = content_of(v);
        std::ptrdiff_t const offset = plan.gradient[index(v)];
        if (!wants_gradient(v)) {
            errors += how == GradientWrite::none ? 0 : 1;
            return;
        }
        int so_far = 0;
        if (how == GradientWrite::add) {
            so_far = offset < 0 ? 0 : memory[index(offset)].contributions;
            expect(offset, size_of_value(v), {Content::gradient, content, so_far});
            errors += so_far > 0 ? 0 : 1;
        } else {
            errors += how == GradientWrite::overwrite || in_place ? 0 : 1;
        }
        write(offset, size_of_value(v), {Content::gradient, content, so_far + 1});
    }

    int run() {
        write(plan.value[0], input_size, {Content::value, 0});
        for (int i = 0; i < N; ++i) {
            auto const& o = op(i);
            for (int const v : o.inputs) expect_value(v);
            std::ptrdiff_t const y = plan.value[index(i + 1)];
            if (o.is_concatenation) {
                for_parts(i + 1, [&](int, int part, std::ptrdiff_t at) {
                    if (plan.value[index(part)] == y + at) return;
                    ++copies;
                    write_value(part, y + at);
                });
                expect_value(i + 1);
            } else if (o.is_view) {
                errors += y == plan.value[index(o.inputs[0])] ? 0 : 1;
            } else {
                write(y, o.output_size, {Content::value, i + 1});
            }
            if (o.keeps_extra && training && wants_gradient(i + 1))
                write(plan.extra[index(i)], o.output_size, {Content::extra, i});
        }
        expect_value(N);
        if (training) run_backward();
        return errors;
    }
    void run_backward() {
        if (wants_gradient(N)) write(plan.gradient[N], size_of_value(N), {Content::gradient, content_of(N), 1});
        expect_value(N);
        for (int i = N - 1; i >= 0; --i) {
            auto const& o = op(i);
            if (o.is_view || !wants_gradient(i + 1)) continue;
            int const y = content_of(i + 1);
            auto const expect_dy = [&] {
                expect(plan.gradient[index(i + 1)], o.output_size, {Content::gradient, y, contributions(y)});
            };
            expect_dy();
            if (o.is_concatenation) {
                pass_on_to_parts(i);
                continue;
            }
            if (keeps_input(o.keep))
                for (int const v : o.inputs) expect_value(v);
            if (keeps_output(o.keep)) expect_value(i + 1);
            if (o.keeps_extra) expect(plan.extra[index(i)], o.output_size, {Content::extra, i});
            // The first input last where it shares dy's memory.
            bool const shares = plan.in_place[index(i)];
            for (int k = shares ? 1 : 0; k < o.inputs.count; ++k) {
                expect_dy();
                write_gradient(o.inputs[k], plan.write[index(i)][index(k)], false);
            }
            if (shares) {
                errors += plan.write[index(i)][0] == GradientWrite::none ? 0 : 1;
                if (wants_gradient(o.inputs[0])) {
                    errors += plan.gradient[index(o.inputs[0])] == plan.gradient[index(i + 1)] ? 0 : 1;
                    write_gradient(o.inputs[0], GradientWrite::none, true);
                }
            }
        }
        if (of_input) expect(plan.gradient[0], input_size, {Content::gradient, 0, contributions(0)});
    }
    /// Where nothing is written, a part of dy becomes the first contribution to an input's gradient.
    void pass_on_to_parts(int i) {
        int const y = i + 1;
        std::ptrdiff_t const dy = plan.gradient[index(y)];
        for (bool const copied : {false, true})
            for_parts(y, [&](int k, int part, std::ptrdiff_t at) {
                auto const how = plan.write[index(i)][index(k)];
                if ((how != GradientWrite::none) != copied) return;
                if (copied) {
                    ++copies;
                    expect(dy + at, size_of_value(part), {Content::gradient, y, contributions(y)});
                    write_gradient(part, how, false);
                } else if (wants_gradient(part)) {
                    errors += plan.gradient[index(part)] == dy + at ? 0 : 1;
                    write(dy + at, size_of_value(part), {Content::gradient, content_of(part), 1});
                }
            });
    }
};

/// A random list of N operations: chains and nested residuals of layers of every kind.
template <int N>
struct RandomList {
    Random random;
    std::array<OperationFacts, N> ops{};
    int input_size;
    int count = 0;

    explicit RandomList(std::uint32_t seed)
        : random(seed, Purpose::user), input_size(1 + static_cast<int>(random.below(40))) {
        int value = 0;
        while (count < N) value = chain(value, 1 + below(4), 3);
    }
    int below(int n) { return static_cast<int>(random.below(static_cast<std::uint32_t>(n))); }
    [[nodiscard]] int size_of_value(int v) const {
        return v == 0 ? input_size : static_cast<int>(ops[static_cast<std::size_t>(v - 1)].output_size);
    }

    int append(OperationFacts const& facts) {
        if (count == N) return N;
        ops[static_cast<std::size_t>(count)] = facts;
        return ++count;
    }
    int layer(int x) {
        OperationFacts o{.inputs = {x}, .output_size = size_of_value(x)};
        switch (below(6)) {
            case 0:  // matrix layers
                o.output_size = 1 + below(40);
                o.has_parameters = below(4) > 0;
                o.keep = Keep::input;
                break;
            case 1:
                o.is_view = true;
                break;
            case 2:  // pooling
                o.output_size = (o.output_size + 1) / 2;
                o.keeps_extra = true;
                break;
            case 3:  // normalisation
                o.keep = Keep::input;
                o.has_parameters = below(2) > 0;
                break;
            default:  // activations
                o.is_elementwise = true;
                o.keep = static_cast<Keep>(below(4));
                o.has_parameters = below(8) == 0;
        }
        return append(o);
    }
    int chain(int x, int length, int depth) {
        for (int k = 0; k < length && count < N; ++k)
            x = depth == 0 || below(3) > 0 ? layer(x) : below(2) == 0 ? residual(x, depth - 1) : concat(x, depth - 1);
        return x;
    }
    int concat(int x, int depth) {
        OperationFacts o{.inputs = {}, .is_concatenation = true};
        for (int k = 1 + below(4); k > 0; --k) {
            o.inputs.add(chain(x, below(3), depth));
            o.output_size += size_of_value(o.inputs[o.inputs.count - 1]);
        }
        return append(o);
    }
    int residual(int x, int depth) {
        int const main = chain(x, below(4), depth), shortcut = below(2) == 0 ? x : chain(x, 1 + below(2), depth);
        if (size_of_value(main) == size_of_value(shortcut))
            return append({.inputs = {main, shortcut},
                           .output_size = size_of_value(main),
                           .is_elementwise = true,
                           .keep = below(2) == 0 ? Keep::nothing : Keep::input});
        // No sum can join them: a matrix layer reads both, so that nothing is left unread.
        return append(
            {.inputs = {main, shortcut}, .output_size = 1 + below(40), .has_parameters = true, .keep = Keep::input});
    }
};

/// First fit said plainly: the lowest place that no interval of an overlapping time has.
struct PlainFirstFit {
    struct Interval {
        int offset, size, birth, death;
    };
    std::vector<Interval> placed;

    int allocate(int wanted, int birth, int death) {
        int const size = (wanted + 15) / 16 * 16;
        int offset = 0;
        auto const in_the_way = [&](Interval const& i) {
            return i.birth <= death && birth <= i.death && i.offset < offset + size && offset < i.offset + i.size;
        };
        for (auto i = placed.begin(); i != placed.end();) {
            if (in_the_way(*i)) {
                offset = i->offset + i->size;
                i = placed.begin();
            } else {
                ++i;
            }
        }
        placed.push_back({offset, size, birth, death});
        return offset;
    }
};

/// Every value but the last is read, so that each has a gradient: what networks guarantee.
template <int N>
bool all_read(std::array<OperationFacts, N> const& ops) {
    std::array<bool, N + 1> read{};
    for (auto const& o : ops) {
        for (int const v : o.inputs) read[static_cast<std::size_t>(v)] = true;
    }
    for (std::size_t v = 0; v < N; ++v)
        if (!read[v]) return false;
    return true;
}

template <int N>
int play_random_lists(std::uint32_t lists) {
    int played = 0;
    for (std::uint32_t seed = 0; seed < lists; ++seed) {
        RandomList<N> const list(seed);
        if (!all_read<N>(list.ops)) continue;
        ++played;
        for (bool const training : {true, false})
            for (bool const of_input : {true, false}) {
                auto const plan = detail::make_plan<N>(list.ops, list.input_size, training, of_input);
                CAPTURE(seed);
                CAPTURE(training);
                CAPTURE(of_input);
                CHECK(Play<N>{list.ops, plan, list.input_size, training, of_input}.run() == 0);
            }
    }
    return played;
}

}  // namespace

TEST_CASE("random networks: every read finds what was written for it") {
    CHECK(play_random_lists<3>(500) > 100);
    CHECK(play_random_lists<9>(1000) > 100);
    CHECK(play_random_lists<24>(1500) > 100);
}

TEST_CASE("places are first fit: by ascending birth on the way forward, by ascending death on the way back") {
    constexpr int steps = 150, forward_end = steps, end = 2 * steps;
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
        Random random(seed, Purpose::user);
        auto const below = [&](int n) { return static_cast<int>(random.below(static_cast<std::uint32_t>(n))); };
        detail::Allocator<2 * steps> memory;
        PlainFirstFit plain;
        int differ = 0;
        auto const both = [&](int birth, int death) {
            int const size = 1 + below(100);
            differ += memory.allocate(size, birth, death) == plain.allocate(size, birth, death) ? 0 : 1;
        };
        for (int t = 0; t < steps; ++t)  // dies soon, or is kept for the way back
            both(t, below(2) == 0 ? std::min(t + below(4), forward_end) : end - t + below(3));
        for (int t = 0; t < steps; ++t) {  // wanted by neighbours, now and then by a distant one
            int const death = forward_end + 1 + t;
            both(std::max(forward_end + 1, death - below(below(8) == 0 ? steps : 4)), death);
        }
        CHECK(differ == 0);
    }
}

TEST_CASE("the play itself sees a plan that is wrong") {
    int seen = 0, changed = 0;
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
        RandomList<9> const list(seed);
        if (!all_read<9>(list.ops)) continue;
        auto const good = detail::make_plan<9>(list.ops, list.input_size, true);
        for (std::size_t v = 0; v <= 9; ++v) {
            auto plan = good;
            if (good.gradient[v] < 16 || good.value[v] == good.gradient[v]) continue;
            plan.gradient[v] = good.value[v];  // a gradient in the place of its value, which may still be needed
            ++changed;
            seen += Play<9>{list.ops, plan, list.input_size, true}.run() > 0 ? 1 : 0;
        }
    }
    CHECK(changed > 20);
    CHECK(seen > changed / 2);  // where nothing reads the value any more, the place is as good as any
}

TEST_CASE("a chain of activations runs in one place, and pooling keeps its winners only in training") {
    std::array<OperationFacts, 4> const ops{
        {{.inputs = {0}, .output_size = 20, .has_parameters = true, .keep = Keep::input},
         {.inputs = {1}, .output_size = 20, .is_elementwise = true, .keep = Keep::output},
         {.inputs = {2}, .output_size = 10, .keeps_extra = true},
         {.inputs = {3}, .output_size = 10, .is_view = true}}};
    auto const training = detail::make_plan<4>(ops, 48, true), inference = detail::make_plan<4>(ops, 48, false);
    CHECK(training.in_place == std::array{false, true, false, false});
    CHECK(training.value[1] == training.value[2]);
    CHECK(training.value[3] == training.value[4]);
    CHECK(training.extra[2] >= 0);
    CHECK(inference.extra[2] == -1);
    CHECK(training.gradient[0] == -1);  // nobody wants the gradient of the images
    CHECK(inference.size == 48 + 32);   // pooling writes where the images were
}

TEST_CASE("what passes leave for backward is kept, and nothing else") {
    auto const norm = [](int x, int forward, int backward) {
        return OperationFacts{.inputs = {x},
                              .output_size = 20,
                              .has_parameters = true,
                              .keep = Keep::input,
                              .forward_passes = forward,
                              .backward_passes = backward};
    };
    std::array<OperationFacts, 3> const ops{norm(0, 16, 32), norm(1, 0, 16), norm(2, 48, 0)};
    auto const training = detail::make_plan<3>(ops, 20, true), inference = detail::make_plan<3>(ops, 20, false);
    CHECK(training.forward_passes == std::array<std::ptrdiff_t, 3>{0, -1, 16});
    CHECK(training.backward_passes ==
          std::array<std::ptrdiff_t, 3>{16, 16, -1});  // the last layer's are no longer needed then
    CHECK(training.pass_size == 64);
    CHECK(inference.forward_passes == std::array<std::ptrdiff_t, 3>{0, -1, 0});
    CHECK(inference.backward_passes == std::array<std::ptrdiff_t, 3>{-1, -1, -1});
    CHECK(inference.pass_size == 48);
}

TEST_CASE("parts are made where the whole lies, and so are their gradients") {
    using Facts = OperationFacts;
    auto const layer = [](int x, int size) {
        return Facts{.inputs = {x}, .output_size = size, .has_parameters = true, .keep = Keep::input};
    };
    auto const relu = [](int x, int size) {
        return Facts{.inputs = {x}, .output_size = size, .is_elementwise = true, .keep = Keep::output};
    };
    auto const concat = [](ValueList parts, int size) {
        return Facts{.inputs = parts, .output_size = size, .is_concatenation = true};
    };
    auto const copies = []<std::size_t Count>(std::array<Facts, Count> const& ops, bool training) {
        constexpr int N = Count;
        auto const plan = detail::make_plan<N>(ops, 20, training);
        Play<N> play{ops, plan, 20, training};
        CHECK(play.run() == 0);
        return play.copies;
    };
    SUBCASE("a DenseNet: one memory for all that it joins, in order") {
        std::array<Facts, 8> const ops{layer(0, 24), layer(1, 8),        relu(2, 8),  concat({1, 3}, 32),
                                       layer(4, 8),  concat({4, 5}, 40), layer(6, 8), concat({6, 7}, 48)};
        auto const training = detail::make_plan<8>(ops, 20, true);
        for (auto const* places : {&training.value, &training.gradient}) {
            std::ptrdiff_t const whole = (*places)[8];
            CHECK(*places ==
                  std::array{(*places)[0], whole, whole + 24, whole + 24, whole, whole + 32, whole, whole + 40, whole});
        }
        CHECK(training.size == 32 + 2 * 48);
        CHECK(copies(ops, true) + copies(ops, false) == 0);
    }
    SUBCASE("the network's input and what is a part already are copied") {
        CHECK(copies(std::array<Facts, 2>{layer(0, 4), concat({0, 1}, 24)}, true) == 1);
        CHECK(copies(std::array<Facts, 2>{layer(0, 4), concat({1, 1}, 8)}, false) == 1);
        CHECK(copies(std::array<Facts, 2>{layer(0, 4), concat({1, 1}, 8)}, true) == 2);
    }
    SUBCASE("a gradient that is begun later is not a part") {
        std::array<Facts, 4> const ops{layer(0, 8), concat({1}, 8), layer(1, 8), concat({2, 3}, 16)};
        CHECK(detail::make_plan<4>(ops, 20, true).write[1][0] == GradientWrite::add);
        CHECK(copies(ops, false) == 0);
    }
    SUBCASE("nothing runs in the place of a whole: its parts may be wanted") {
        std::array<Facts, 3> const ops{layer(0, 8), concat({1}, 8), relu(2, 8)};
        CHECK(!detail::make_plan<3>(ops, 20, false).in_place[2]);
    }
}
