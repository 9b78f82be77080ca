// Embedding and networks of ids: PyTorch's values, gradients, its kernels against the bodies, and a layer of one's own that
// takes ids.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../reference/reference.hpp"
#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/data/sequence_batch.hpp"
#include "strata/layer/activation/gelu.hpp"
#include "strata/layer/embedding.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/norm/layer_norm.hpp"
#include "strata/layer/sequence/attention.hpp"
#include "strata/layer/sequence/sequence_mean.hpp"
#include "strata/loss/cross_entropy.hpp"
#include "strata/network/concat.hpp"
#include "strata/testing/continuation_check.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

std::vector<int> const lengths{1, 7, 3, 20, 2, 33};  // LENGTHS of reference/generate_sequences.py

std::vector<std::int32_t> ids_of(int count) {
    std::vector<std::int32_t> ids;
    for (int k = 0; k < count; ++k) ids.push_back((7 * k * k + 3 * k + 1) % 11);
    return ids;
}
std::vector<std::int32_t> labels_of(int count) {
    std::vector<std::int32_t> labels;
    for (int k = 0; k < count; ++k) labels.push_back(k % 3);
    return labels;
}

/// Loss and gradients against PyTorch's, and the same bits for one thread and two.
template <class Net>
void compare_embedding(std::string const& name, Batch const& batch) {
    CAPTURE(name);
    Model<Net, Float64> model;
    std::uint32_t seed = 500;
    for (auto const& tensor : model.tensors()) {
        auto const values = reference_values(seed++, tensor.size(), 0.5);
        std::copy(values.begin(), values.end(), static_cast<double*>(tensor.data));
    }
    std::vector<double> first;
    for (int const threads : {1, 2}) {
        CpuExecutor<Net, Float64, CrossEntropy> executor(Cpu{.threads = threads, .team_flops = 0}, CrossEntropy{});
        std::vector<double> const loss{executor.gradients(model, batch, {}).loss};
        std::vector<double> const gradient(executor.gradient().begin(), executor.gradient().end());
        if (threads == 1) first = gradient;
        CHECK(gradient == first);
        // Doubles, in another order of additions.
        CHECK(reference_difference(loss, "embedding/" + name + "/loss") < 1e-13);
        CHECK(reference_difference(gradient, "embedding/" + name + "/gradients") < 1e-13);
    }
}

using Flat = Network<Ids<11, 3>, Embedding<5, PaddingIndex<2>>, Flatten, Linear<3>>;

/// 1 where the id is k, as torch.nn.functional.one_hot, and times a number that is learnt.
template <class X>
struct OneHotOf {
    using Input = X;
    using Output = typename X::template With<X::vocabulary>;
    struct Scale : Parameter<"scale", Shape<1>, Ones, 1, 1> {};
    using Parameters = ParameterList<Scale>;
    static constexpr Keep keep = Keep::input;

    template <class Io>
    static auto is(int element, Io const& io) {
        using L = typename Io::L;
        return select(io.x[element / X::vocabulary] == element % X::vocabulary, L(1), L(0));
    }
    template <class Io>
    static auto forward(Position<Output::rank> at, Io const& io) {
        return is(Output::index(at), io) * typename Io::L(io.p(Scale{})[0]);
    }
    template <class Io>
    static auto parameter_gradient(Scale, Position<1>, Io const& io) {
        typename Io::L sum(0);
        for (int e = 0; e < Output::size; ++e) sum = multiply_add(is(e, io), io.dy[e], sum);
        return sum;
    }
};
struct OneHot {
    using TakesIds = void;
    template <class X>
    using On = OneHotOf<X>;
};

/// The kernels of an operation, on tiles of S samples with ids in them.
template <class Op, class Precision, int S, template <class, class> class Forward,
          template <class, class> class Gradient>
struct TileRun {
    using T = typename Precision::storage;
    AlignedVector<T> x = AlignedVector<T>(static_cast<std::size_t>(2 * Op::Input::size * S), T(0)),
                     y = AlignedVector<T>(static_cast<std::size_t>(Op::Output::size * S), T(0)), dy = y;
    std::vector<typename Precision::master> weight = std::vector<typename Precision::master>(Op::Parameters::size);
    std::vector<typename Precision::accumulation> dweight =
        std::vector<typename Precision::accumulation>(Op::Parameters::size);

    explicit TileRun(int samples, int parts = 1) {
        Random random(3, Purpose::user);
        for (auto& w : weight) w = static_cast<float>(static_cast<bfloat16>(static_cast<float>(random.normal())));
        for (int n = 0; n < Op::Input::size; ++n)
            for (int s = 0; s < samples; ++s)
                detail::ids_at(x.data())[n * detail::id_stride<T>(S) + s] =
                    static_cast<std::int32_t>(random.below(Op::Input::vocabulary));
        for (int e = 0; e < Op::Output::size; ++e)
            for (int s = 0; s < samples; ++s)
                dy[static_cast<std::size_t>(e * S + s)] = static_cast<T>(static_cast<float>(random.below(9)) - 4.0f);
        KernelData<Precision> data;
        data.x = x.data();
        data.y = y.data();
        data.dy = dy.data();
        data.parameters = weight.data();
        data.gradient = dweight.data();
        data.samples = samples;
        data.stride = S;
        auto const run = [&]<class Kernel>(Kernel) {
            int const items = Kernel::items.count;
            for (int p = parts; p-- > 0;) Kernel::run(data, p * items / parts, (p + 1) * items / parts);
        };
        run(Forward<Op, Precision>{});
        run(Gradient<Op, Precision>{});
    }
    static bool same(auto const& a, auto const& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](auto p, auto q) { return static_cast<double>(p) == static_cast<double>(q); });
    }
    static bool equal(auto const& a, auto const& b) { return same(a.y, b.y) && same(a.dweight, b.dweight); }
};
template <class Op, class Precision, int S>
void compare_kernels(int samples) {
    CAPTURE(S);
    using Fast = TileRun<Op, Precision, S, EmbeddingForward, EmbeddingParameterGradient>;
    using Oracle = TileRun<Op, Precision, S, GenericForward, GenericParameterGradient>;
    Oracle const oracle(samples);
    // Small whole numbers, whose sums are exact in any order.
    for (int const parts : {1, 2, 7}) CHECK(Oracle::equal(Fast(samples, parts), oracle));
}

}  // namespace

TEST_CASE("values of PyTorch: classes of several ids, of sequences and of tokens") {
    auto const ids = ids_of(66), labels = labels_of(66);
    Batch batch{.size = 7, .shape = {1, 1, 3}, .type = DataType::int32, .inputs = ids.data(), .labels = labels.data()};
    compare_embedding<Flat>("flat", batch);
    batch.size = 1;
    compare_embedding<Flat>("one", batch);
    SequenceBatch const sequences(ids, {}, Lengths(lengths), labels_of(6)), tokens(ids, {}, Lengths(lengths), labels);
    compare_embedding<Network<Sequence<Ids<11>, 100>, Embedding<5>, Linear<8>, GELU, SequenceMean, Linear<3>>>(
        "sequence", sequences);
    compare_embedding<Network<Sequence<Ids<11>, 100>, Embedding<5>, Linear<3>>>("token", tokens);
}

TEST_CASE("gradients of what follows ids, and of a layer of one's own that takes them") {
    CHECK(check_gradients<Network<Ids<5, 2, 2>, Embedding<3>, Flatten, LayerNorm<>>, 5, 2>().error < 1e-6);
    CHECK(check_gradients<Network<Sequence<Ids<7>>, Embedding<4>, LayerNorm<>, SequenceMean>, 19, 4>().error < 1e-6);
    CHECK(check_gradients<Network<Ids<4, 3>, OneHot, Flatten, Linear<3>>, 5, 2>().error < 1e-6);
    using Pair = Network<Inputs<Named<"a", Ids<6>>, Named<"b", Ids<6>>>,
                         Concat<Branch<From<"a">, Shared<"table", Embedding<3>>>,
                                Branch<From<"b">, Shared<"table", Embedding<3>>, Linear<2>>>>;
    static_assert(Pair::parameter_count == 18 + 8);
    CHECK(check_gradients<Pair, 5, 2>().error < 1e-6);
    // Both read the ids, and the numbers beside them.
    using Mixture = Network<Inputs<Named<"meta", Input<2>>, Named<"user", Ids<5>>, Named<"items", Ids<6, 2>>>,
                            Concat<Branch<From<"items">, Embedding<2>, Flatten>, Branch<From<"meta">>,
                                   Branch<From<"user">, Embedding<3>>, Branch<From<"user">, OneHot>>,
                            Linear<3>>;
    CHECK(check_gradients<Mixture, 5, 2>().error < 1e-6);
    using Segments =
        Network<Sequence<Inputs<Named<"token", Ids<7>>, Named<"segment", Ids<2>>>>,
                Concat<Branch<From<"token">, Embedding<4>>, Branch<From<"segment">, Embedding<2>>>, SequenceMean>;
    CHECK(check_gradients<Segments, 19, 4>().error < 1e-6);
}

TEST_CASE("sequences of ids that are continued have the bits of whole ones") {
    using Net = Network<Sequence<Ids<300>, 40>, Embedding<12>, Attention<2, Causal>, Linear<5>>;
    check_continuation(Model<Net>(2));
}

TEST_CASE("the kernels of Embedding are the bodies, on any tile and however a team splits them") {
    using Narrow = EmbeddingOperation<Ids<7, 3>, 5, 2, NormalInit<Real(1.0)>>;
    using Wide = EmbeddingOperation<Ids<300>, 150, -1, NormalInit<Real(1.0)>>;
    compare_kernels<Narrow, Float32, 1>(1);
    compare_kernels<Narrow, Float32, 4>(3);
    compare_kernels<Wide, Float32, 48>(37);
    compare_kernels<Wide, Float64, 2>(2);
    compare_kernels<Narrow, Float64, 16>(11);
    compare_kernels<Wide, Mixed<bfloat16>, 32>(20);
    compare_kernels<Narrow, Mixed<bfloat16>, 1>(1);
}

TEST_CASE("the table: N(0, 1), zeros for the padding, and plans the same in all precisions") {
    using Net = Network<Sequence<Ids<1000>>, Embedding<64, PaddingIndex<3>>, SequenceMean, Linear<2>>;
    static_assert(Net::parameter_count == 64'000 + 130);
    static_assert(Net::input_scalars == 2 && Net::InputShape::size == 1 && Net::has_ids);
    static_assert(Network<Input<3>, Linear<2>>::input_scalars == 3 && !Network<Input<3>, Linear<2>>::has_ids);
    Model<Net> const model(5);
    auto const table = model.parameters().first(64'000);
    double sum = 0, squares = 0;
    for (float const w : table)
        sum += static_cast<double>(w), squares += static_cast<double>(w) * static_cast<double>(w);
    // 63,936 numbers: five standard errors.
    CHECK(std::abs(sum / 63'936) < 0.02);
    CHECK(std::abs(squares / 63'936 - 1) < 0.03);
    CHECK(std::all_of(table.begin() + 3 * 64, table.begin() + 4 * 64, [](float w) { return w == 0; }));
    CHECK(model.tensors()[0].name == "0.weight");
}
