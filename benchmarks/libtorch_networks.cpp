// LibTorch's side of the comparison: the works of networks.cpp, on the same data, printed in the same format.
//
//     libtorch_networks [FILTER] [THREADS] [SECONDS]
//     libtorch_networks losses
#include <exception>

#include <torch/torch.h>

#include "work.hpp"

using torch::Tensor;
namespace nn = torch::nn;

static nn::Conv2d conv3x3(int in, int out, int stride, bool bias) {
    return nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(bias));
}

struct LeNet : nn::Module {
    nn::Conv2d conv1, conv2;
    nn::Linear fc1, fc2, fc3;

    LeNet() : conv1(3, 6, 5), conv2(6, 16, 5), fc1(400, 120), fc2(120, 84), fc3(84, 10) {
        register_module("conv1", conv1);
        register_module("conv2", conv2);
        register_module("fc1", fc1);
        register_module("fc2", fc2);
        register_module("fc3", fc3);
    }
    Tensor forward(Tensor x) {
        x = torch::max_pool2d(torch::relu(conv1(x)), 2);
        x = torch::max_pool2d(torch::relu(conv2(x)), 2);
        x = torch::relu(fc1(x.flatten(1)));
        return fc3(torch::relu(fc2(x)));
    }
};

struct Vgg6 : nn::Module {
    nn::Sequential layers;

    Vgg6() {
        int in = 3;
        for (int const channels : {64, 128, 256}) {
            for (int i = 0; i < 2; ++i) {
                layers->push_back(conv3x3(in, channels, 1, true));
                layers->push_back(nn::BatchNorm2d(channels));
                layers->push_back(nn::ReLU(nn::ReLUOptions(/*inplace=*/true)));
                in = channels;
            }
            layers->push_back(nn::MaxPool2d(2));
        }
        layers->push_back(nn::Flatten());
        layers->push_back(nn::Linear(256 * 4 * 4, 10));
        register_module("layers", layers);
    }
    Tensor forward(Tensor const& x) { return layers->forward(x); }
};

struct Block : nn::Module {
    nn::Conv2d conv1, conv2;
    nn::BatchNorm2d bn1, bn2;
    int added_channels;

    Block(int in, int out)
        : conv1(conv3x3(in, out, in == out ? 1 : 2, false)),
          conv2(conv3x3(out, out, 1, false)),
          bn1(out),
          bn2(out),
          added_channels(out - in) {
        register_module("conv1", conv1);
        register_module("bn1", bn1);
        register_module("conv2", conv2);
        register_module("bn2", bn2);
    }
    Tensor forward(Tensor const& x) {
        using torch::indexing::Slice;
        Tensor const y = bn2(conv2(torch::relu(bn1(conv1(x)))));
        if (added_channels == 0) return torch::relu(y + x);
        // Option A: every second pixel, the new channels zero, half before and half after.
        Tensor const small =
            x.index({Slice(), Slice(), Slice(0, torch::indexing::None, 2), Slice(0, torch::indexing::None, 2)});
        return torch::relu(y + torch::constant_pad_nd(small, {0, 0, 0, 0, added_channels / 2, added_channels / 2}));
    }
};

struct ResNet20 : nn::Module {
    nn::Conv2d conv1;
    nn::BatchNorm2d bn1;
    nn::Sequential blocks;
    nn::Linear linear;

    ResNet20() : conv1(conv3x3(3, 16, 1, false)), bn1(16), linear(64, 10) {
        int in = 16;
        for (int const channels : {16, 32, 64})
            for (int i = 0; i < 3; ++i) {
                blocks->push_back(Block(in, channels));
                in = channels;
            }
        register_module("conv1", conv1);
        register_module("bn1", bn1);
        register_module("blocks", blocks);
        register_module("linear", linear);
    }
    Tensor forward(Tensor x) {
        x = blocks->forward(torch::relu(bn1(conv1(x))));
        return linear(x.mean({2, 3}));
    }
};

struct SeparableNet : nn::Module {
    nn::Sequential layers;

    void norm_relu(int channels) {
        layers->push_back(nn::BatchNorm2d(channels));
        layers->push_back(nn::ReLU(nn::ReLUOptions(/*inplace=*/true)));
    }
    SeparableNet() {
        layers->push_back(conv3x3(3, 32, 1, false));
        norm_relu(32);
        int in = 32;
        for (int const channels : {64, 128, 128, 256}) {
            int const stride = channels > in ? 2 : 1;
            layers->push_back(
                nn::Conv2d(nn::Conv2dOptions(in, in, 3).stride(stride).padding(1).groups(in).bias(false)));
            norm_relu(in);
            layers->push_back(nn::Conv2d(nn::Conv2dOptions(in, channels, 1).bias(false)));
            norm_relu(channels);
            in = channels;
        }
        layers->push_back(nn::AdaptiveAvgPool2d(1));
        layers->push_back(nn::Flatten());
        layers->push_back(nn::Linear(256, 10));
        register_module("layers", layers);
    }
    Tensor forward(Tensor const& x) { return layers->forward(x); }
};

struct Mlp : nn::Module {
    nn::Sequential layers{nn::Linear(784, 1024), nn::ReLU(), nn::Linear(1024, 1024), nn::ReLU(), nn::Linear(1024, 10)};

    Mlp() { register_module("layers", layers); }
    Tensor forward(Tensor const& x) { return layers->forward(x); }
};

static std::vector<std::int64_t> batch_shape(benchmark::Subject const& subject, benchmark::Samples const& samples) {
    std::vector<std::int64_t> shape{static_cast<std::int64_t>(samples.labels.size())};
    shape.insert(shape.end(), subject.input.begin(), subject.input.end());
    return shape;
}

// The samples as tensors; the images are used where they lie.
struct Batch {
    Tensor images, labels;
    Batch(benchmark::Subject const& subject, benchmark::Samples& samples)
        : images(torch::from_blob(samples.images.data(), batch_shape(subject, samples))),
          labels(torch::from_blob(samples.labels.data(), {static_cast<long>(samples.labels.size())}, torch::kInt32)
                     .to(torch::kInt64)) {}
};

template <class Net>
struct Training {
    Net& net;
    torch::optim::SGD optimizer;

    explicit Training(Net& network)
        : net(network),
          optimizer(net.parameters(),
                    torch::optim::SGDOptions(benchmark::learning_rate).momentum(benchmark::momentum)) {
        net.train();
    }
    double step(Batch const& batch) {
        optimizer.zero_grad();
        Tensor const loss = nn::functional::cross_entropy(net.forward(batch.images), batch.labels);
        loss.backward();
        optimizer.step();
        return loss.template item<double>();  // Strata's step returns the loss, too
    }
};

template <class Net>
static void measure(benchmark::Subject const& subject, benchmark::Selection const& selection) {
    for (int const threads : selection.threads) {
        torch::set_num_threads(threads);
        for (int const size : subject.batches) {
            benchmark::Samples samples(subject, size);
            Batch const batch(subject, samples);
            benchmark::Work const train{subject.name, "train", size, threads};
            if (train.selected(selection)) {
                Net net;
                Training<Net> training(net);
                benchmark::measure(train, selection, [&] { training.step(batch); });
            }
            benchmark::Work const inference{subject.name, "infer", size, threads};
            if (inference.selected(selection)) {
                Net net;
                net.eval();
                c10::InferenceMode const guard;
                Tensor const images = batch.images.clone();
                benchmark::measure(inference, selection, [&] { net.forward(images); });
            }
        }
    }
}

template <class Net>
static void check(benchmark::Subject const& subject) {
    Net net;
    benchmark::Weights weights;
    {
        torch::NoGradGuard const guard;
        for (auto& parameter : net.named_parameters())
            weights.fill(parameter.key(), parameter.value().sizes(), parameter.value().template data_ptr<float>());
    }
    benchmark::Samples samples(subject, benchmark::check_batch);
    Batch const batch(subject, samples);
    Training<Net> training(net);
    std::vector<double> losses;
    for (int step = 0; step < benchmark::check_steps; ++step) losses.push_back(training.step(batch));
    net.eval();
    c10::InferenceMode const guard;
    Tensor const outputs = net.forward(batch.images.clone()).contiguous();
    benchmark::print_check(subject.name, losses,
                           {outputs.data_ptr<float>(), outputs.data_ptr<float>() + outputs.numel()});
}

template <class Net>
static void run(benchmark::Subject const& subject, benchmark::Selection const& selection) {
    if (selection.checks())
        check<Net>(subject);
    else
        measure<Net>(subject, selection);
}

int main(int argument_count, char** arguments) try {
    benchmark::Selection const selection(argument_count, arguments);
    run<LeNet>(benchmark::lenet, selection);
    run<Vgg6>(benchmark::vgg6, selection);
    run<ResNet20>(benchmark::resnet20, selection);
    run<SeparableNet>(benchmark::separable, selection);
    run<Mlp>(benchmark::mlp, selection);
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
