// Tutorial 2: everything that `train` has a default for, chosen by hand.
//
//     02_policies [DIR]
//
// A policy is a plain value of a policy type: backend, precision, loss, optimizer, schedule, seed. They come in any
// order, each at most once. Their numbers are run-time values: changing one costs no new type.
#include <cstdio>
#include <exception>

#include <strata/strata.hpp>

using namespace strata;

// Layer options stand behind the sizes, in any order. BatchNorm2d has a bias of its own, so the convolutions need none.
using Classifier =
    Network<Input<1, 28, 28>, Conv2d<16, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, MaxPool2d<2>,  // 16 x 14 x 14
            Conv2d<32, 3, SamePadding, NoBias>, BatchNorm2d<>, ReLU, MaxPool2d<2>,                   // 32 x 7 x 7
            Flatten, Dropout<0.25>, Linear<64>, ReLU,                                                // 64
            Dropout<0.25>, Linear<10>>;                                                              // 10 classes

int main(int argument_count, char** arguments) try {
    auto data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();

    // A dataset with transforms shares its images with the one it was made from. Augmentation belongs to training only;
    // its randomness is a function of seed, epoch and image, so it is the same in every run.
    Normalize const normalize{.mean = {0.2860}, .std = {0.3530}};
    Dataset const train_data =
        data.train.first(6'000).with(RandomCrop{.padding = 2}, RandomHorizontalFlip{}, normalize);
    Dataset const test_data = data.test.first(2'000).with(normalize);

    auto trainer = train<Classifier>(Cpu{.threads = 2},                      // 0, the default, means all processors
                                     Float32{},                              // or Float64
                                     CrossEntropy{.label_smoothing = 0.05},  // MSE is for datasets with targets
                                     AdamW{.learning_rate = 3e-3, .weight_decay = 1e-2},
                                     // 100 steps up to the learning rate above, then half a cosine down to 0.
                                     LinearWarmup(CosineAnnealingLR{.every = Every::step}, {.steps = 100}), Seed{7});

    FitOptions options{.epochs = 3, .batch_size = 64};
    options.on_epoch = [](EpochRecord const& epoch) {
        if (epoch.test_accuracy > 0.8)
            std::printf("above 80 %% after epoch %lld\n", static_cast<long long>(epoch.epoch));
    };
    trainer.fit(train_data, test_data, options);

    // evaluate runs without augmentation and dropout, BatchNorm with its running statistics.
    auto const evaluation = trainer.evaluate(test_data);
    std::fputs(evaluation.confusion(10).table(data.test.class_names()).c_str(), stdout);
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
