// A program of a user whose warnings are many and whose other headers came first: all layers, kernels, precisions and
// policies, none of which may warn. Strata's include directory is not SYSTEM here. Without STRATA_MORE it is small enough
// to be optimised, which is when g++ looks for numbers that were never set.
#ifdef STRATA_AFTER_OTHERS
#include <Eigen/Dense>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#endif

#include <strata/strata.hpp>
#include <strata/testing/gradient_check.hpp>

using namespace strata;

namespace {

// Winograd along the row, overlapping pools, convolutions that are strided, dilated, depthwise, pointwise, grouped.
using Images = Network<
    Input<3, 32, 32>, Named<"stem", Conv2d<16, 5, Padding<2>>>, ReLU,
    Residual<Main<Conv2d<16, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, Conv2d<16, 3, SamePadding>>, After<ReLU>>,
    Residual<Main<Conv2d<32, 3, Stride<2>, Padding<1>>, BatchNorm2d<NoAffine>>, ZeroPadShortcut>,
    Residual<Main<Conv2d<32, 1>>, Shortcut<Conv2d<32, 1, NoBias>>>, MaxPool2d<3, Stride<2>, Padding<1>>,
    Conv2d<32, 3, Groups<32>, Padding<1>>, Conv2d<32, 3, Groups<4>, Dilation<2>, Padding<2>>, AvgPool2d<2>,
    Conv2d<64, 1, Stride<2>>, MaxPool2d<2>, GlobalAvgPool2d, Linear<40>, BatchNorm1d<>, ReLU, Dropout<0.5>, Linear<10>>;
// Normalisations of a sample, transposed convolutions, what makes images larger, frozen layers, lines, two heads.
using Larger =
    Network<Input<3, 8, 8>, Frozen<Conv2d<8, 3, Padding<1>>, GroupNorm<2>>, ConvTranspose2d<8, 2, Stride<2>>,
            LayerNorm2d<>, ReLU, Upsample<2, Bilinear>, ZeroPad2d<1, 0, 0, 1>, InstanceNorm2d<Affine>,
            AdaptiveMaxPool2d<5>, AdaptiveAvgPool2d<4>, PixelShuffle<2>, Dropout2d<0.2>, Softmax, Flatten, LayerNorm<>,
            RMSNorm<>, Heads<Named<"classes", Linear<10>>, Named<"same", Sequential<Linear<10>, LogSoftmax>>>>;
using Lines = Network<Input<2, 16>, Conv1d<4, 3>, BatchNorm1d<>, MaxPool1d<2>, AvgPool1d<2>, Flatten, Linear<10>>;
using Rows = Network<Input<20>, Linear<30>, ReLU, Linear<3, NoBias>>;

template <class Net, class... Policies>
int use(Dataset const& data, Policies const&... policies) {
    auto trainer = train<Net>(policies...);
    trainer.fit(data, data, {.epochs = 1, .batch_size = 16});
    auto const evaluation = trainer.evaluate(data);
    save(trainer.model(), "user_program.safetensors");
    return evaluation.loss > 0 ? 0 : 1;
}

}  // namespace

int main() {
    std::vector<std::uint8_t> const images(32 * 3 * 32 * 32, 128);
    std::vector<std::int32_t> const labels(32, 1);
    auto const data =
        from_memory(images, {3, 32, 32}, labels, 10)
            .with(RandomCrop{.padding = 2}, RandomHorizontalFlip{}, Normalize{.mean = {0.5}, .std = {0.5}});
    int failed = use<Images>(data, Mixed<bfloat16>{}, Adam{}, DynamicLossScale{});
#ifdef STRATA_MORE
    std::vector<float> const rows(32 * 20, 1.0f), targets(32 * 3, 1.0f);
    auto const table = from_memory(rows, {20}, targets, 3);
    failed += use<Images>(data, AdamW{}, CosineAnnealingLR{.every = Every::step}) +
              use<Images>(data, Float64{}, Adam{}, OneCycleLR{.total_steps = 10}, StaticLossScale{}) +
              use<Rows>(table, MSE{}, SGD{.learning_rate = 0.1, .momentum = 0.9}, StepLR{}) +
              use<Rows>(table, MSE{}, Float64{}, LinearWarmup(ConstantLR{}, {.steps = 2})) +
              use<Rows>(table, Huber{}, RMSprop{}, ClipNorm{}, Ema{}, ReduceLROnPlateau{}) +
              use<Rows>(table, BCEWithLogits{}, LAMB{}, ClipValue{},
                        SequentialLR({.milestones = {1}}, ExponentialLR{.gamma = 0.9}, PolynomialLR{}));
    static_cast<void>(train<Lines>(Group{ParameterKind::vectors, {.weight_decay = 0}}, AdamW{}, Accumulate{2}));
    auto larger = train<Larger>(Losses{On<"classes">(CrossEntropy{}), On<"same">(NLL{}, {.weight = 0.5})});
    failed += larger.train_step(std::vector<float>(192, 1.0f), std::vector<int>{1, 2}).finite ? 0 : 1;
    Model<Images> const model = load<Images>("user_program.safetensors");
    auto const served = fold_batch_norm(model);
    Workspace<FoldedNetwork<Images>> workspace;
    std::vector<float> const image(3 * 32 * 32, 0.5f);
    failed += served(image, workspace).size() == 10 ? 0 : 1;
    failed += check_gradients<Rows>().error < 1e-6 ? 0 : 1;
    std::fputs(summary<Images>().c_str(), stdout);
#endif
    return failed;
}
