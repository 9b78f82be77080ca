// Frozen layers: PyTorch's values, the steps and bytes that are saved, what stays as it is, files, threads, precisions.
#include "../reference/reference.hpp"
#include "../train/small_training.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

template <class... Stem>
using FrozenNet =
    Network<Input<2, 6, 6>, Stem...,
            Frozen<Named<"mid", Conv2d<4, 3, Padding<1>>>, Named<"bn", BatchNorm2d<>>, ReLU, Dropout<0.5>>, Flatten,
            Named<"head", Linear<3>>>;
using Stem = Named<"stem", Conv2d<3, 3>>;
using Middle = FrozenNet<Stem>;
using Trunk = FrozenNet<Frozen<Stem>>;
using Plain = Network<Input<2, 6, 6>, Stem, Named<"mid", Conv2d<4, 3, Padding<1>>>, Named<"bn", BatchNorm2d<>>, ReLU,
                      Dropout<0.5>, Flatten, Named<"head", Linear<3>>>;

// Neither a gradient nor a statistic of what is frozen is anywhere, and what has nothing trained below keeps nothing.
static_assert(Plain::parameter_count == 57 + 112 + 8 + 195 && Plain::is_batch_wide);
static_assert(Middle::parameter_count == 57 + 195 && Trunk::parameter_count == 195);
static_assert(Middle::weight_count == Plain::weight_count && Trunk::weight_count == Plain::weight_count);
static_assert(!Middle::is_batch_wide && !Trunk::is_batch_wide);
static_assert(Trunk::training_plan.size < Middle::training_plan.size);
static_assert(Middle::training_plan.size < Plain::training_plan.size);
template <class Net>
constexpr auto steps = detail::program_of<Net, Float32, CrossEntropy, true>().steps.size();
static_assert(steps<Trunk> == 1 + 5 + 1 + 1);       // fill, forward (without dropout), loss, head's weights
static_assert(steps<Middle> == 1 + 5 + 1 + 1 + 5);  // and the inputs of head, ReLU, bn and mid, and stem's weights

/// The training of reference/generate_frozen.py.
template <class Net>
void check_reference(std::string const& name) {
    CAPTURE(name);
    auto trainer = train<Net>(Float64{}, SGD{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.05});
    auto model = trainer.snapshot();
    std::uint32_t seed = 20;
    for (auto const& tensor : model.tensors()) {
        if (tensor.name.ends_with("num_batches_tracked")) continue;
        auto const values =
            reference_values(seed++, tensor.size(), 0.5, tensor.name.ends_with("running_var") ? 1.0 : 0.0);
        std::ranges::copy(values, static_cast<double*>(tensor.data));
    }
    trainer.set_model(model);
    auto const x = reference_values(40, 5 * 2 * 6 * 6);
    std::vector<double> losses;
    for (int t = 0; t < 3; ++t) {
        std::vector<int> labels;
        for (int i = 0; i < 5; ++i) labels.push_back((i + t) % 3);
        losses.push_back(trainer.train_step(x, labels).loss);
    }
    CHECK(reference_difference(losses, concatenate("frozen/", name, "/loss")) < 1e-13);
    auto const trained = trainer.snapshot();
    for (auto const& tensor : trained.tensors()) {
        CAPTURE(tensor.name);
        if (tensor.type == DataType::int64)
            CHECK(*static_cast<std::int64_t const*>(tensor.data) == 0);
        else
            CHECK(reference_difference(std::span(static_cast<double const*>(tensor.data), tensor.size()),
                                       concatenate("frozen/", name, "/", tensor.name)) < 1e-13);
    }
    Workspace<Net, Float64> workspace;
    CHECK(reference_difference(trained(x, workspace), concatenate("frozen/", name, "/y")) < 1e-13);
}

/// A pretrained trunk with a residual, groups and a depthwise layer, and a new head; of it, frozen, all kinds of layers.
template <template <class...> class Kept>
using Pretrained =
    Network<Input<2, 12, 12>,
            Kept<Named<"conv1", Conv2d<16, 3, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU>,
            Named<"layer1", Kept<Residual<Main<Conv2d<16, 3, Padding<1>, NoBias>, BatchNorm2d<>, PReLU<>>, After<ReLU>>,
                                 Repeat<2, Conv2d<16, 3, Groups<16>>>>>,
            MaxPool2d<2>, Flatten, Dropout<0.2>, Named<"head", Linear<5>>>;
template <class... Layers>
using Unfrozen = Inline<Layers...>;
using Tuned = Pretrained<Frozen>;
using Before = Pretrained<Unfrozen>;
static_assert(Tuned::parameter_count == 16 * 4 * 4 * 5 + 5);  // the head's

/// After two epochs.
template <class Precision, class... Policies>
Snapshot tuned(int threads, std::string const& file, Policies const&... policies) {
    TemporaryDirectory const directory;
    auto trainer = train<Tuned>(Cpu{.threads = threads}, Precision{}, AdamW{.learning_rate = 0.01, .weight_decay = 0.1},
                                ClipNorm{1.0}, policies...);
    trainer.load_weights(file);
    FitOptions options{.epochs = 2, .batch_size = 24};
    options.progress = ProgressStyle::none;
    trainer.fit(small_images(60), options);
    CHECK(trainer.state().history[1].train_loss < trainer.state().history[0].train_loss);
    return snapshot_of(trainer, directory);
}

}  // namespace

TEST_CASE("PyTorch's values: between trained layers, and below them") {
    check_reference<Middle>("middle");
    check_reference<Trunk>("trunk");
}

TEST_CASE("gradients through frozen layers are those of differences, and training is evaluation in them") {
    using Through = Network<Input<2, 4, 4>, Frozen<Conv2d<3, 3>, BatchNorm2d<>, PReLU<>>, Conv2d<2, 1>, BatchNorm2d<>,
                            Frozen<GroupNorm<2>>, Flatten,
                            Frozen<Linear<4>, LayerNorm<>, BatchNorm1d<NoAffine>, Dropout<0.5>>, Linear<2>>;
    auto const check = check_gradients<Through, 5, 2>();
    CAPTURE(check.where);
    CHECK(check.error < 1e-6);
}

TEST_CASE("a pretrained file with a new head: names, files, threads, precisions, what stays") {
    TemporaryDirectory const directory;
    std::string const file = directory / "pretrained.safetensors";
    Model<Before> pretrained(5);
    for (float& number : pretrained.buffers()) number += 0.25f;
    save(pretrained, file);
    // The same numbers under the same names, and the same start.
    auto const frozen = load<Tuned>(file);
    save(frozen, directory / "frozen.safetensors");
    auto const back = load<Before>(directory / "frozen.safetensors");
    CHECK(same_bits<float>(back.parameters(), std::as_const(pretrained).parameters()));
    CHECK(same_bits<float>(back.buffers(), std::as_const(pretrained).buffers()));
    // They answer alike, with what kernels prepare of the weights kept or not, and folded.
    auto const data = small_images(37);
    Workspace<Before> its;
    Workspace<Tuned> workspace;
    OneBatch const batch(data);
    auto const expected = std::vector(pretrained(*batch, its).begin(), pretrained(*batch, its).end());
    for (int k = 0; k < 2; ++k) CHECK(same_bits<float>(frozen(*batch, workspace), expected));
    Model<Tuned> other(6);
    CHECK(!same_bits<float>(other(*batch, workspace), expected));
    CHECK(same_bits<float>(frozen(*batch, workspace), expected));
    Workspace<FoldedNetwork<Before>> folded;
    Workspace<FoldedNetwork<Tuned>> folded_too;
    static_assert(FoldedNetwork<Tuned>::operation_count == Tuned::operation_count - 2);
    auto const folded_model = fold_batch_norm(pretrained);
    CHECK(same_bits<float>(fold_batch_norm(frozen)(*batch, folded_too), folded_model(*batch, folded)));

    auto const one = tuned<Float32>(1, file), two = tuned<Float32>(2, file);
    CHECK_MESSAGE(one == two, difference(one, two));
    for (auto const& mixed : {one, tuned<Mixed<bfloat16>>(2, file, StaticLossScale{.scale = 16})}) {
        int moved = 0, states = 0;
        for (auto const& tensor : pretrained.tensors()) {
            std::string const before(static_cast<char const*>(tensor.data), tensor.size() * size_of(tensor.type));
            auto const& after = mixed.entries.at("tensor model." + tensor.name);
            bool const head = tensor.name.starts_with("head.");
            CHECK_MESSAGE((after == before) == !head, tensor.name);
            moved += head ? 1 : 0;
            states += mixed.entries.contains("tensor optimizer.exp_avg." + tensor.name) ? 1 : 0;
        }
        CHECK(moved == 2);
        CHECK(states == 2);
    }
}
