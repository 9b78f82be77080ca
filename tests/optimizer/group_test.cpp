// labels: plain
// Parameter groups: PyTorch's values of every optimizer, the bits of optimizers with those options alone, threads, files,
// matrix optimizers, and what cannot be.
#include "../reference/reference.hpp"
#include "../train/small_training.hpp"
#include "strata/train/policy_texts.hpp"

using namespace strata;

namespace {

using Linears = Network<Input<3>, Named<"body", Linear<2>>, ReLU, Named<"head", Linear<2>>>;
constexpr std::size_t count = Linears::parameter_count;

Dataset three_numbers() {
    return from_memory(std::vector<float>{1, 2, 3, -1, 0, 1}, {1, 1, 3}, std::vector<int>{0, 1}, 2);
}

/// The entry groups/<name>/step<t>; see reference/generate_groups.py.
template <class Optimizer>
void check_reference(std::string const& name, Optimizer optimizer, GroupMembers const& biases = "*.bias") {
    CAPTURE(name);
    optimizer.learning_rate = 0.01;
    optimizer.weight_decay = 0.05;
    auto trainer =
        train<Linears>(Float64{}, optimizer,
                       LambdaLR([](SchedulePosition const& at) { return 1.0 / static_cast<double>(1 + at.step); }),
                       Group{biases, {.weight_decay = 0}}, Group{"head.*", {.rate = 10}});
    auto model = trainer.snapshot();
    std::ranges::copy(reference_values(1, count), model.parameters().begin());
    trainer.set_model(model);
    auto const data = three_numbers();
    OneBatch const batch(data);
    for (std::uint32_t t = 1; t <= 7; ++t) {
        trainer.backward(*batch);
        std::ranges::copy(reference_values(100 + t, count), trainer.gradients().begin());
        CHECK(trainer.update());
        if (t != 1 && t != 2 && t != 7) continue;
        // NAdam's product of momenta is a float in PyTorch's state.
        CHECK(reference_difference(trainer.model().parameters(), concatenate("groups/", name, "/step", t)) <
              (name == "nadam" ? 1e-8 : 1e-13));
    }
}

auto const head_and_bias = [](auto const&... policies) {
    return train<SmallLeNet>(policies..., Group{"*.bias", {.weight_decay = 0}}, Group{"6.*", {.rate = 4}});
};

/// After three steps.
template <class Trainer>
Trainer& stepped(Trainer& trainer, std::uint64_t first = 0, std::uint64_t last = 3) {
    for (std::uint64_t step = first; step < last; ++step) {
        auto const data = small_images(40, step + 1);
        static_cast<void>(trainer.train_step(*OneBatch(data)));
    }
    return trainer;
}
template <class Trainer>
auto weights_of(Trainer const& trainer) {
    auto const all = trainer.model().parameters();
    return std::vector(all.begin(), all.end());
}
/// One step of another training on the same gradients: where it has the same numbers, tensor by tensor.
template <class A, class B>
std::string same_tensors(A& one, B& other) {
    auto const a = one.snapshot(), b = other.snapshot();
    std::string names;
    auto const of_a = a.tensors(), of_b = b.tensors();
    for (std::size_t i = 0; i < of_a.size(); ++i)
        if (std::memcmp(of_a[i].data, of_b[i].data, of_a[i].size() * sizeof(float)) == 0)
            names += (names.empty() ? "" : " ") + of_a[i].name;
    return names;
}

}  // namespace

TEST_CASE("PyTorch's values") {
    check_reference("sgd", SGD{.momentum = 0.9});
    check_reference("adam", Adam{});
    check_reference("adamw", AdamW{});
    check_reference("nadam", NAdam{});
    check_reference("radam", RAdam{});
    check_reference("lion", Lion{});
    check_reference("rmsprop", RMSprop{});
    check_reference("adagrad", Adagrad{});
    check_reference("adamw", AdamW{}, ParameterKind::vectors);
}

TEST_CASE("kinds are those of timm's param_groups_weight_decay") {
    using Net =
        Network<Input<2, 6, 6>, Named<"conv", Conv2d<4, 3>>, Named<"bn", BatchNorm2d<>>, Named<"slope", PReLU<>>,
                Named<"ln", LayerNorm<>>, Named<"gn", GroupNorm<2>>, Flatten, Named<"fc", Linear<3>>>;
    auto const names = [](ParameterKind kind) {
        GroupMembers const members = kind;
        std::string all;
        for (auto const& row : parameter_table<Net>)
            if (members.has(row.layer, row.name, row.shape)) append(all, row.layer, ".", row.name, " ");
        return all;
    };
    CHECK(names(ParameterKind::vectors) ==
          "conv.bias bn.weight bn.bias slope.weight ln.bias gn.weight gn.bias fc.bias ");
    CHECK(names(ParameterKind::matrices) == "conv.weight ln.weight fc.weight ");
    using Plain = Network<Input<3>, Linear<2, NoBias>>;
    CHECK(error_of([] {
              static_cast<void>(
                  detail::with_groups_of<Plain>(detail::grouped(SGD{}, Group{ParameterKind::vectors, {.rate = 2}})));
          }) ==
          "Group ParameterKind::vectors: no trained parameter of the network is of this kind; there are 0.weight");
}

TEST_CASE("a group has the bits of an optimizer with its options, the others those of the optimizer") {
    auto const data = small_images(40);
    OneBatch const batch(data);
    auto const bits_of_one_step = [&](auto const& optimizer, auto const& without_decay, auto const& fast,
                                      auto const& fast_without_decay, auto const&... policies) {
        auto trainer = head_and_bias(optimizer, policies...);
        auto const compare = [&](auto const& other, char const* names) {
            auto alone = train<SmallLeNet>(other, policies...);
            static_cast<void>(alone.train_step(*batch));
            CHECK(same_tensors(trainer, alone) == names);
        };
        static_cast<void>(trainer.train_step(*batch));
        compare(optimizer, "0.weight 3.weight 8.weight");
        compare(without_decay, "0.bias 3.bias 8.bias");
        compare(fast, "6.weight");
        compare(fast_without_decay, "6.bias");
    };
    // Biases of this network do not start as zeros, which no decay would change.
    bits_of_one_step(AdamW{.learning_rate = 0.01}, AdamW{.learning_rate = 0.01, .weight_decay = 0},
                     AdamW{.learning_rate = 0.04}, AdamW{.learning_rate = 0.04, .weight_decay = 0}, ClipNorm{0.1},
                     Ema{.decay = 0.9});
    // What `rest` moves has the same options.
    bits_of_one_step(
        LAMB{.learning_rate = 0.01, .rest = {.learning_rate = 0.01}},
        LAMB{.learning_rate = 0.01, .weight_decay = 0, .rest = {.learning_rate = 0.01, .weight_decay = 0}},
        LAMB{.learning_rate = 0.04, .rest = {.learning_rate = 0.04}},
        LAMB{.learning_rate = 0.04, .weight_decay = 0, .rest = {.learning_rate = 0.04, .weight_decay = 0}});
}

TEST_CASE("threads, a resume, Mixed, and groups that change nothing") {
    TemporaryDirectory const directory;
    AdamW const optimizer{.learning_rate = 0.01, .weight_decay = 0.1};
    auto one = head_and_bias(optimizer, Cpu{.threads = 1}), two = head_and_bias(optimizer, Cpu{.threads = 2});
    stepped(one, 0, 2).save_checkpoint(directory / "checkpoint");
    two.load_checkpoint(directory / "checkpoint");
    CHECK(weights_of(stepped(one, 2)) == weights_of(stepped(two, 2)));
    auto plain = train<SmallLeNet>(optimizer);
    CHECK(weights_of(stepped(plain)) != weights_of(one));
    // Groups are this trainer's, as all options of optimizers are.
    plain.load_checkpoint(directory / "checkpoint");

    auto mixed = head_and_bias(optimizer, Mixed<bfloat16>{}, StaticLossScale{.scale = 64});
    auto const before = weights_of(mixed);
    CHECK(weights_of(stepped(mixed)) != before);

    auto same = train<SmallLeNet>(optimizer, Group{"*", {.weight_decay = 0.1, .rate = 1}});
    auto without = train<SmallLeNet>(optimizer);
    CHECK(weights_of(stepped(same)) == weights_of(stepped(without)));
    // The last group that gives an option says it; a rate of 0 leaves weights alone.
    auto still =
        train<SmallLeNet>(optimizer, Group{"*", {.rate = 0}}, Group{"8.weight", {.weight_decay = 5, .rate = 1}},
                          Group{"8.*", {.weight_decay = 0.1}});
    auto fresh = train<SmallLeNet>(optimizer);
    stepped(still, 0, 1);
    CHECK(same_tensors(still, fresh) == "0.weight 0.bias 3.weight 3.bias 6.weight 6.bias 8.bias");
    stepped(fresh, 0, 1);
    CHECK(same_tensors(still, fresh) == "8.weight");
}

TEST_CASE("what a group would not leave finite is named, and nothing is written") {
    auto const data = small_images(40);
    OneBatch const batch(data);
    auto trainer = train<SmallLeNet>(SGD{.learning_rate = 1}, Group{"6.bias", {.rate = 1e30}});
    static_cast<void>(trainer.train_step(*batch));
    auto const before = weights_of(trainer);
    trainer.backward(*batch);
    for (float& g : trainer.gradients()) g = 1e20f;
    CHECK(error_of([&] { trainer.update(); }) == "training step 1: bias of layer 6 (Linear) would not be finite");
    CHECK(weights_of(trainer) == before);
    // By bounds alone, too: they are those of the fastest group.
    detail::GroupedUpdate<SGD::Update<float>, 2> const update{
        {SGD{.learning_rate = 1}.prepare<float>({.learning_rate = 1}),
         SGD{.learning_rate = 1}.prepare<float>({.learning_rate = 3})},
        {}};
    double weight = 1, state[1] = {};
    CHECK(update.bound(weight, 2, state) >= 7);
    CHECK(weight == 7);
    CHECK(state[0] == 2);
}

TEST_CASE("groups that cannot be") {
    CHECK(error_of([] { static_cast<void>(train<Linears>(Group{"haed.*", {.rate = 10}})); }) ==
          "Group \"haed.*\": no trained parameter of the network is called so; there are body.weight, body.bias, "
          "head.weight, "
          "head.bias");
    CHECK(error_of([] { static_cast<void>(train<Linears>(Group{"*", {.rate = -1}})); }) ==
          "Group \"*\": rate is -1, expected a number of at least 0");
    CHECK(error_of([] { static_cast<void>(train<Linears>(Group{"*", {.weight_decay = HUGE_VAL}})); }) ==
          "Group \"*\": weight_decay is inf, expected a number of at least 0");
    CHECK(error_of([] { static_cast<void>(train<Linears>(Group{"head.*"})); }) ==
          "Group \"head.*\": it gives no option, expected weight_decay or rate");
    // Other groups are another optimizer to ranks.
    auto const text = [](auto const&... groups) {
        return detail::optimizer_text<float>(detail::grouped(SGD{}, groups...));
    };
    CHECK(text(Group{"*", {.rate = 2}}).starts_with(text()));
    CHECK(text(Group{"*", {.rate = 2}}).ends_with("; group \"*\", rate 2"));
    CHECK(text(Group{"*", {.rate = 2}}) != text(Group{"*", {.rate = 3}}));
    CHECK(text(Group{ParameterKind::matrices, {.rate = 2}}).ends_with("; group ParameterKind::matrices, rate 2"));
}
