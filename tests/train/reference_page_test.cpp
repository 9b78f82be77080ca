// What docs/reference.md shows and says: its code stands here, compiled and run.
#include "small_training.hpp"

using namespace strata;

namespace {

// Options come in any order; those with two numbers mean height and width, one number means both.
using Options = Network<Input<3, 33, 48>,                                             //
                        Conv2d<8, Size{3, 5}, Stride<2, 1>, Padding<1, 2>, NoBias>,   // 8 x 17 x 48
                        BatchNorm2d<Momentum<0.01>, Epsilon<1e-3>>, ReLU,             //
                        Conv2d<16, 3, Groups<4>, Dilation<1, 2>, SamePadding>, ReLU,  // 16 x 17 x 48
                        MaxPool2d<3, Stride<2>, Padding<1>>,                          // 16 x 9 x 24
                        AvgPool2d<Size{3, 2}, ExcludePadding>,                        // 16 x 3 x 12
                        Dropout<0.3>, Flatten, Linear<32, NoBias, Initialize<KaimingNormal>>, Linear<10>>;
static_assert(std::is_same_v<Options::OperationAt<5>::Output, Shape<16, 9, 24>>);
static_assert(std::is_same_v<Options::OperationAt<6>::Output, Shape<16, 3, 12>>);

// torchvision's BasicBlock: the shortcut is a Named layer, or group of layers, like "downsample" there.
using BasicBlock =
    Residual<Main<Named<"conv1", Conv2d<16, 3, Stride<2>, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU,
                  Named<"conv2", Conv2d<16, 3, Padding<1>, NoBias>>, Named<"bn2", BatchNorm2d<>>>,
             Named<"downsample", Conv2d<16, 1, Stride<2>, NoBias>, BatchNorm2d<>>, After<ReLU>>;

// Layers without a name are called by their place, as in nn.Sequential, layers without parameters counted too.
using Names = Network<Input<1, 8, 8>, Conv2d<8, 3>, ReLU, Named<"layer1", Repeat<2, Conv2d<8, 3, SamePadding>, ReLU>>,
                      BasicBlock, Flatten, Named<"fc", Linear<10>>>;

// A pretrained network with another head. What is Frozen stays as its file says.
using Tuned = Network<Input<2, 12, 12>,                                                                 //
                      Frozen<Named<"conv1", Conv2d<8, 3, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU>,  //
                      Named<"conv2", Conv2d<8, 3>>, ReLU, MaxPool2d<4>, Flatten, Named<"head", Linear<5>>>;

// A schedule: a pure function of the place in training. LambdaLR makes one of a function that gives a factor.
struct Polynomial {
    using policy = SchedulePolicy;
    double power = 2;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        auto const done = static_cast<double>(position.step) / static_cast<double>(position.total_steps);
        return {base_learning_rate * std::pow(1 - done, power)};
    }
};

// A transform: anything that can be called so. It may run on several threads at once, and draws from `random` alone.
struct Noise {
    double deviation = 0.1;
    void operator()(std::span<float> sample, SampleShape, Random& random) const {
        for (float& x : sample) x += static_cast<float>(deviation * random.normal());
    }
};

// Rows of a table: `width` numbers each, and one number to predict.
Dataset table() {
    int const width = 4;
    std::vector<float> rows, prices;
    Random random(1, Purpose::user);
    for (int row = 0; row < 200; ++row) {
        float price = 0;
        for (int column = 0; column < width; ++column) {
            rows.push_back(static_cast<float>(random.normal()));
            price += static_cast<float>(column) * rows.back();
        }
        prices.push_back(price);
    }
    return from_memory(rows, {width}, prices, 1);  // copied: the vectors may go
}

}  // namespace

TEST_CASE("one's own parts in one sentence") {
    using Regression = Network<Input<4>, Linear<16>, ReLU, Linear<1>>;
    auto const data = table();
    auto trainer = train<Regression>(MSE{}, Adam{.learning_rate = 0.01}, Polynomial{.power = 1}, Seed{1});
    double const before = trainer.evaluate(data).loss;
    trainer.fit(data.with(Noise{.deviation = 0.01}), {.epochs = 40, .batch_size = 20, .progress = ProgressStyle::none});
    CHECK(trainer.evaluate(data).loss < before / 10);
}

TEST_CASE("finetuning") {
    using Pretrained =
        Network<Input<2, 12, 12>, Named<"conv1", Conv2d<8, 3, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU,
                Named<"conv2", Conv2d<8, 3>>, ReLU, MaxPool2d<4>, Flatten, Named<"head", Linear<100>>>;
    TemporaryDirectory const directory;
    std::string const file = directory / "pretrained.safetensors";
    Model<Pretrained> const pretrained(3);
    save(pretrained, file);
    auto const data = small_images(100);

    auto trainer =
        train<Tuned>(AdamW{.learning_rate = 1e-3}, Group{"*.bias", {.weight_decay = 0}}, Group{"head.*", {.rate = 10}});
    trainer.load_weights(file, {.skip = {"head.*"}});
    trainer.fit(data, {.epochs = 4, .progress = ProgressStyle::none});

    CHECK(trainer.state().history[3].train_loss < trainer.state().history[0].train_loss);
    auto const tuned = trainer.model().tensors(), before = pretrained.tensors();
    REQUIRE(tuned[0].name == before[0].name);
    CHECK(std::memcmp(tuned[0].data, before[0].data, before[0].size() * sizeof(float)) == 0);
}

TEST_CASE("saliency as in evaluation") {
    using Seen = Network<RequiresGrad<Input<1, 4, 4>>, Conv2d<3, 3>, BatchNorm2d<>, SiLU, Flatten, Linear<2>>;
    std::vector<float> images;
    Random random(1, Purpose::user);
    for (int i = 0; i < 3 * 16; ++i) images.push_back(static_cast<float>(random.normal()));
    std::vector<int> const classes = {1, 0, 1};
    auto trainer = train<Seen>(SGD{.learning_rate = 0.1});
    trainer.train_step(images, classes);  // the running statistics are no longer 0 and 1
    Model<Seen> const model = trainer.snapshot();

    auto viewer = train<FoldedNetwork<Seen>>(NLL{});
    viewer.set_model(fold_batch_norm(model));
    viewer.backward(images, classes);
    std::span<float const> const slopes = viewer.input_gradients();  // of n images: -1 / n of each score's slopes

    Workspace<Seen> workspace;
    REQUIRE(slopes.size() == images.size());
    for (std::size_t i = 0; i < images.size(); i += 5) {
        auto const at = i / 16 * 2 + static_cast<std::size_t>(classes[i / 16]);
        auto moved = images;
        moved[i] += 0.02f;
        float const above = model(moved, workspace)[at];
        moved[i] -= 0.04f;
        float const below = model(moved, workspace)[at];
        // The rounding of scores of about 1 divided by 0.04, and the curvature of SiLU times 0.02 squared.
        CHECK(-3 * slopes[i] == doctest::Approx((above - below) / 0.04f).epsilon(1e-3));
    }
}

TEST_CASE("names in files") {
    Model<Names> model;
    std::string names;
    for (auto const& tensor : model.tensors())
        if (tensor.name.ends_with("weight")) names += tensor.name + "\n";
    CHECK(names ==
          "0.weight\n"
          "layer1.0.weight\nlayer1.2.weight\n"
          "3.conv1.weight\n3.bn1.weight\n3.conv2.weight\n3.bn2.weight\n3.downsample.0.weight\n3.downsample.1.weight\n"
          "fc.weight\n");
}

TEST_CASE("the defaults are those of docs/reference.md") {
    CHECK(SGD{}.learning_rate == 1e-3);
    CHECK(Adam{}.learning_rate == 1e-3);
    CHECK(AdamW{}.weight_decay == 1e-2);
    CHECK(RMSprop{}.alpha == 0.99);
    CHECK(Adagrad{}.epsilon == 1e-10);
    CHECK(NAdam{}.learning_rate == 2e-3);
    CHECK(NAdam{}.momentum_decay == 4e-3);
    CHECK(RAdam{}.learning_rate == 1e-3);
    CHECK(Lion{}.beta2 == 0.99);
    CHECK(LAMB{}.rest.epsilon == 1e-6);
    CHECK(LARS{}.trust_coefficient == 1e-3);
    CHECK(StepLR{}.gamma == 0.1);
    CHECK(MultiStepLR{}.gamma == 0.1);
    CHECK(PolynomialLR{}.total_iters == 0);
    CHECK(CosineAnnealingWarmRestarts{}.t_mult == 1);
    CHECK(OneCycleLR{}.div_factor == 25);
    CHECK(WarmupOptions{}.steps == 5);
    CHECK(CrossEntropy{}.label_smoothing == 0);
    CHECK(CrossEntropy{}.ignore_index == -100);
    CHECK(BCEWithLogits{}.pos_weight == 1);
    CHECK(Huber{}.delta == 1);
    CHECK(SmoothL1{}.beta == 1);
    CHECK(DynamicLossScale{}.interval == 2000);
    CHECK(FitOptions{}.batch_size == 64);
    CHECK(FitOptions{}.evaluation_batch_size == 256);
    CHECK(LoaderOptions{}.prefetch == 4);
    CHECK(RandomCrop{}.padding == 4);
    CHECK(Cpu{}.threads == 0);
    using Net = Network<Input<2>, Linear<2>>;
    static_assert(std::is_same_v<decltype(train<Net>()), decltype(train<Net>(Cpu{}, Float32{}, CrossEntropy{}, Adam{},
                                                                             ConstantLR{}, NoLossScale{}))>);
}
