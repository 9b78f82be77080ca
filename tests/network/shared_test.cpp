// Shared layers and several inputs: PyTorch's values of two images through one tower, gradients, files, threads, ranks.
#include "../distributed/rank_training.hpp"
#include "../reference/reference.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

/// y = (a - b)²
template <class A, class B>
struct SquaredDifferenceOf {
    using Inputs = ShapeList<A, B>;
    using Output = A;
    using Parameters = NoParameters;
    using IsElementwise = void;
    static constexpr Keep keep = Keep::input;

    template <class Io>
    static auto forward(Position<1> at, Io const& io) {
        auto const d = io.x[at[0]] - io.template input<1>()[at[0]];
        return d * d;
    }
    template <int K, class Io>
    static auto input_gradient(Position<1> at, Io const& io) {
        using L = typename Io::L;
        auto const d = io.x[at[0]] - io.template input<1>()[at[0]];
        return L(K == 0 ? 2 : -2) * d * io.dy[at[0]];
    }
};
struct SquaredDifference {
    template <class A, class B>
    using On = SquaredDifferenceOf<A, B>;
};
// The network of reference/generate_shared.py: two images through one tower, a cell twice.
template <class Tower>
using Distance = Join<SquaredDifference, Branch<From<"left">, Tower>, Branch<From<"right">, Tower>>;

using Three = Inputs<Named<"left", Input<1, 6, 6>>, Named<"meta", Input<3>>, Named<"right", Input<1, 6, 6>>>;
template <class In>
using Pair = Network<In,
                     Concat<Distance<Shared<"tower", Conv2d<4, 3>, GroupNorm<2>, PReLU<>, Flatten, Linear<5>>>,
                            Branch<From<"meta">, Linear<7>>>,
                     Repeat<2, Shared<"cell", Linear<12>, Tanh>>, Named<"head", Linear<3>>>;
using Plain = Pair<Three>;

// One of each parameter, called as it first stands; gradients of all uses; inputs are where they were filled in.
static_assert(Plain::parameter_count == 40 + 8 + 1 + 325 + 28 + 156 + 39);
static_assert(Plain::InputShape::size == 36 + 3 + 36 && Plain::training_plan.value[7] == 39);
static_assert(Model<Plain>::tensor_count == 13 && Plain::names_differ && Plain::owner(7) == 1);
static_assert(parameter_table<Plain>[0].is("0.0.0.tower.0.weight") && parameter_table<Plain>[9].is("cell.0.weight"));
static_assert(Plain::layer_table[7].name == "0.0.1.tower.0" && Plain::layer_table[7].parameters == 0);
static_assert(Plain::flops > 2 * 2 * (16.0 * 4 * 9 + 64 * 5));

/// Of the images of small_images, one channel each.
template <class... Kept>
using Whole = Network<Inputs<Named<"left", Input<1, 12, 12>>, Named<"right", Input<1, 12, 12>>>,
                      Distance<Shared<"tower", Conv2d<8, 3>, ReLU, Flatten, Linear<16>>>,
                      Repeat<2, Shared<"cell", Linear<16>, ReLU, Dropout<0.2>>>, Kept..., Linear<5>>;
using Kept = Frozen<Shared<"kept", Linear<16>, BatchNorm1d<>>>;
using Trained = Whole<Kept, Tanh, Kept>;
static_assert(Trained::buffer_count == 16 * 17 + 4 * 16 && !Trained::is_batch_wide);
static_assert(buffer_table<Trained>.size() == 6);  // later uses have none
// Both uses of the tower are one group of neighbours, however many parameters it has.
static_assert(ParameterGroups<Trained>::count == 2 && ParameterGroups<Trained>::of(9) == 0);
static_assert(Whole<Shared<"norm", BatchNorm1d<>>, Shared<"norm", BatchNorm1d<>>>::shares_over_batch);
static_assert(!Whole<BatchNorm1d<>>::shares_over_batch && !Trained::shares_over_batch);

}  // namespace

TEST_CASE("PyTorch's values: two images through one tower, a cell twice, three inputs and their gradients") {
    using Net = Pair<RequiresGrad<Three>>;
    auto trainer = train<Net>(Float64{}, SGD{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.05});
    auto model = trainer.snapshot();
    std::uint32_t seed = 20;
    for (auto const& tensor : model.tensors())
        std::ranges::copy(reference_values(seed++, tensor.size(), 0.5), static_cast<double*>(tensor.data));
    trainer.set_model(model);
    auto const left = reference_values(60, 180), meta = reference_values(61, 15), right = reference_values(62, 180);
    auto const x = input_values<Net>(named<"meta">(meta), named<"left">(left), named<"right">(right));
    std::vector<double> losses;
    for (int t = 0; t < 3; ++t) {
        std::vector<int> labels;
        for (int i = 0; i < 5; ++i) labels.push_back((i + t) % 3);
        losses.push_back(trainer.train_step(x, labels).loss);
    }
    CHECK(reference_difference(losses, "shared/loss") < 1e-13);
    auto const trained = trainer.snapshot();
    int i = 0;
    for (auto const& tensor : trained.tensors()) {
        CAPTURE(tensor.name);
        CHECK(reference_difference(std::span(static_cast<double const*>(tensor.data), tensor.size()),
                                   concatenate("shared/", i++)) < 1e-13);
    }
    // Where no gradient of the inputs is wanted they are read where they were filled in.
    Model<Plain, Float64> plain;
    std::ranges::copy(trained.parameters(), plain.parameters().begin());
    Workspace<Plain, Float64> workspace;
    CHECK(reference_difference(plain(x, workspace), "shared/y") < 1e-13);
    auto const all = trainer.input_gradients();
    auto const check = [](auto const& rows, std::string_view name) {
        std::vector<double> flat;
        for (std::size_t s = 0; s < rows.size(); ++s)
            for (double const g : rows[s]) flat.push_back(g);
        CHECK(reference_difference(flat, name) < 1e-13);
    };
    check(input_part<"left", Net>(all), "shared/left");
    check(input_part<"meta", Net>(all), "shared/meta");
    check(input_part<"right", Net>(all), "shared/right");
}

TEST_CASE("gradients of shared layers of all kinds are those of differences") {
    // One convolution on images of two sizes, a Shared within a Shared, uses that overlap, dropout with masks of its own.
    using Shares =
        Network<Inputs<Named<"left", Input<2, 4, 4>>, Named<"meta", Input<3>>>,
                Concat<Branch<From<"left">, Shared<"conv", Conv2d<2, 3, Padding<1>>, PReLU<>>, MaxPool2d<2>,
                              Shared<"conv", Conv2d<2, 3, Padding<1>>, PReLU<>>, Flatten>,
                       Branch<From<"meta">, Shared<"outer", Linear<3>, Shared<"inner", LayerNorm<>, Dropout<0.3>>>>,
                       Branch<From<"meta">>,
                       Branch<From<"meta">, Shared<"outer", Linear<3>, Shared<"inner", LayerNorm<>, Dropout<0.3>>>,
                              Shared<"inner", LayerNorm<>, Dropout<0.3>>>>,
                Frozen<Shared<"kept", Linear<17>>>, Tanh, Frozen<Shared<"kept", Linear<17>>>, Linear<2>>;
    static_assert(Shares::parameter_count == 38 + 1 + 12 + 6 + 36);
    auto const check = check_gradients<Shares, 5, 2>();
    CAPTURE(check.where);
    CHECK(check.error < 1e-6);
}

TEST_CASE("one gradient and one tensor for all uses: threads, ranks that shard, checkpoints, Mixed, folding") {
    check_ranks<Trained, Sharded<3>>(48, 120, {{1, 2}, {2, 2}, {3, 1}});

    TemporaryDirectory const directory;
    auto const data = small_images(60);
    auto const snapshot = [&](int threads) {
        auto trainer = train<Trained>(Cpu{.threads = threads, .team_flops = 0}, Mixed<bfloat16>{},
                                      Group{"cell.*", {.weight_decay = 0}}, AdamW{.learning_rate = 0.01});
        trainer.fit(data, {.epochs = 1, .batch_size = 24, .progress = ProgressStyle::none});
        return snapshot_of(trainer, directory);
    };
    auto const one = snapshot(1), two = snapshot(2);
    CHECK_MESSAGE(one == two, difference(one, two));
    CHECK(one.entries.contains("tensor optimizer.exp_avg.0.0.tower.0.weight"));
    CHECK(!one.entries.contains("tensor model.0.1.tower.0.weight"));

    Model<Trained> model(3);
    for (float& number : model.buffers()) number += 0.25f;
    save(model, directory / "model");
    auto const back = load<Trained>(directory / "model");
    OneBatch const batch(data);
    Workspace<Trained> workspace, other;
    auto const y = model(*batch, workspace);
    auto const again = back(*batch, other);
    CHECK(std::equal(y.begin(), y.end(), again.begin(), again.end()));
}

TEST_CASE("in evaluation BatchNorms may be shared, and are folded") {
    using Twice = Network<Input<4>, Repeat<2, Shared<"cell", Linear<4>, BatchNorm1d<>>>>;
    using Apart = Network<Input<4>, Repeat<2, Linear<4>, BatchNorm1d<>>>;
    Model<Twice> model(3);
    for (float& number : model.buffers()) number += 0.25f;
    Model<Apart> apart;
    for (std::size_t use = 0; use < 2; ++use) {
        std::ranges::copy(model.parameters(), apart.parameters().begin() + static_cast<std::ptrdiff_t>(use * 28));
        std::ranges::copy(model.buffers(), apart.buffers().begin() + static_cast<std::ptrdiff_t>(use * 8));
    }
    CHECK(model.tensors().size() == 7);
    std::vector<float> const x{0.5f, -1, 2, 0.25f, -0.75f, 1, 0, 3};
    Workspace<Twice> workspace;
    Workspace<Apart> other;
    Workspace<FoldedNetwork<Twice>> folded;
    auto const y = model(x, workspace), expected = apart(x, other);
    CHECK(std::equal(y.begin(), y.end(), expected.begin(), expected.end()));
    static_assert(FoldedNetwork<Twice>::parameter_count == 20);
    auto const served = fold_batch_norm(model);
    auto const without = served(x, folded);
    for (std::size_t i = 0; i < y.size(); ++i)
        CHECK(without[i] == doctest::Approx(y[i]).epsilon(1e-5));  // scaled before the sum, not after it
}

TEST_CASE("input_values says what is missing; bytes beside floats are fractions") {
    std::vector<std::uint8_t> const images(2 * 36, 51);
    std::vector<float> const numbers{1, 2, 3, 4, 5, 6};
    auto const x = input_values<Plain>(named<"left">(images), named<"meta">(numbers), named<"right">(images));
    CHECK(x.size() == 150);
    CHECK(x[75] == 0.2f);
    CHECK(x[75 + 36 + 2] == 6);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(input_values<Plain>(named<"left">(images), named<"meta">(images), named<"right">(images))),
        "input_values: got 72 values for input meta, expected 6, 3 for each of 2 samples", Error);
}
