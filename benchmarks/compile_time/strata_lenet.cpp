// A user's LeNet on CIFAR-10, trained and saved.
//
//     strata_lenet DIR    DIR holds data_batch_1.bin … data_batch_5.bin and test_batch.bin
#include <strata/strata.hpp>

using namespace strata;

using LeNet = Network<Input<3, 32, 32>,                                   //
                      Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>,   //
                      Named<"conv2", Conv2d<16, 5>>, ReLU, MaxPool2d<2>,  //
                      Flatten,                                            //
                      Named<"fc1", Linear<120>>, ReLU,                    //
                      Named<"fc2", Linear<84>>, ReLU,                     //
                      Named<"fc3", Linear<10>>>;

int main(int argument_count, char** arguments) try {
    auto const data = cifar10(argument_count > 1 ? arguments[1] : "data/cifar-10-batches-bin");
    auto trainer = train<LeNet>(SGD{.learning_rate = 0.01, .momentum = 0.9}, StepLR{.step_size = 5, .gamma = 0.1});
    trainer.fit(data.train, data.test, {.epochs = 10, .batch_size = 64});
    save(trainer.model(), "lenet.safetensors");
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
