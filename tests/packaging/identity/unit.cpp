// A translation unit with a network: trains it for some steps and gives a few of its numbers. NAME is what it is called
// in a program, WIDTH makes one network or another.
#include <strata/strata.hpp>

using namespace strata;

using Net = Network<Input<1, 12, 12>, Conv2d<WIDTH, 3, Padding<1>>, BatchNorm2d<>, ReLU, MaxPool2d<2>, Conv2d<WIDTH, 3>,
                    ReLU, Flatten, Linear<3>>;

extern "C" void NAME(double (&numbers)[6]) {
    constexpr int count = 24;
    Random random(1, Purpose::user);
    float images[count * 144];
    std::int32_t labels[count];
    for (float& pixel : images) pixel = static_cast<float>(random.uniform());
    for (int i = 0; i < count; ++i) labels[i] = i % 3;
    auto trainer = train<Net>(Cpu{.threads = 2}, SGD{.learning_rate = 0.05, .momentum = 0.9});
    for (int step = 0; step < 3; ++step) numbers[step] = trainer.train_step(images, labels).loss;
    Workspace<Net> workspace;
    auto const scores = trainer.model()(images, workspace);
    for (std::size_t k = 0; k < 3; ++k) numbers[3 + k] = static_cast<double>(scores[scores.size() - 1 - k]);
}
