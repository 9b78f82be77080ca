// Tutorial 6: weights from PyTorch and back, through safetensors files.
//
//     06_pytorch_weights [DIR [FILE]]
//
// FILE is a state dict that PyTorch wrote. Without it this program writes one like it and reads that. In Python:
//
//     import torch
//     from safetensors.torch import save_file, load_file
//
//     class Net(torch.nn.Module):
//         def __init__(self):
//             super().__init__()
//             self.conv = torch.nn.Conv2d(1, 8, 5)
//             self.norm = torch.nn.BatchNorm2d(8)
//             self.fc = torch.nn.Linear(8 * 12 * 12, 10)
//         def forward(self, x):
//             x = torch.relu(self.norm(self.conv(x)))
//             return self.fc(torch.nn.functional.max_pool2d(x, 2).flatten(1))
//
//     net = torch.nn.DataParallel(Net())            # puts "module." in front of every name
//     ...                                           # train it
//     save_file(net.state_dict(), "net.safetensors")
//
//     net.module.load_state_dict(load_file("06_pytorch_weights.safetensors"))   # and what Strata saved
//
// Names and layouts are PyTorch's: a layer called like its attribute there finds its weights.
#include <cstdio>
#include <exception>

#include <strata/strata.hpp>

using namespace strata;

using Net = Network<Input<1, 28, 28>, Named<"conv", Conv2d<8, 5>>, Named<"norm", BatchNorm2d<>>, ReLU, MaxPool2d<2>,
                    Flatten, Named<"fc", Linear<10>>>;
// The same with one layer more and another one of a different size.
using Other = Network<Input<1, 28, 28>, Named<"conv", Conv2d<16, 5>>, Named<"norm", BatchNorm2d<>>, ReLU, MaxPool2d<2>,
                      Flatten, Named<"fc", Linear<10>>, ReLU, Named<"last", Linear<10>>>;

// Writes a model as DataParallel would: with "module." in front of every name.
static void write_like_data_parallel(Model<Net> const& model, std::string const& path) {
    auto tensors = model.tensors();
    for (auto& tensor : tensors) tensor.name = "module." + tensor.name;
    write_safetensors(path, tensors, {{"format", "pt"}});
}

int main(int argument_count, char** arguments) try {
    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
    Dataset const test_data = data.test.first(2'000);

    std::string file = "06_data_parallel.safetensors";
    if (argument_count > 2) {
        file = arguments[2];
    } else {
        auto trainer = train<Net>(SGD{.learning_rate = 0.05, .momentum = 0.9});
        trainer.fit(data.train.first(6'000), {.epochs = 1, .batch_size = 50});
        write_like_data_parallel(trainer.model(), file);
    }

    std::printf("tensors of %s:\n", file.c_str());
    SafetensorsFile const content(file);
    for (auto const& [name, tensor] : content.tensors())
        std::printf("  %-32s %s %s\n", name.c_str(), tensor.dtype.c_str(), shape_text(tensor.shape).c_str());

    // A file that does not fit is refused with all its differences at once, and the model stays as it was.
    try {
        auto const other = load<Other>(file, {.strip_prefix = "module."});
    } catch (Error const& error) { std::printf("\nanother network: %s\n\n", error.what()); }

    auto trainer = train<Net>();
    trainer.load_weights(file, {.strip_prefix = "module."});
    std::printf("accuracy with these weights: %.2f %%\n", 100 * trainer.evaluate(test_data).accuracy);

    save(trainer.model(), "06_pytorch_weights.safetensors");
    std::puts("saved as 06_pytorch_weights.safetensors, without the prefix");
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
