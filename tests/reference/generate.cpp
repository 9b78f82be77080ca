// Computes tests/reference/values.txt with LibTorch, in float64 and with one thread: results of layers, blocks, losses,
// optimizers and whole networks that Strata's tests compare against. Schedules come from generate_schedules.py, the younger
// optimizers from generate_optimizers.py, losses from generate_losses.py, activations from generate_activations.py.
//
//   apt-get install libtorch-dev python3-torch          (1.13.1 was used)
//   cmake -S tests/reference -B build-reference && cmake --build build-reference
//   build-reference/generate > tests/reference/values.txt
//   python3 tests/reference/generate_optimizers.py >> tests/reference/values.txt
//   python3 tests/reference/generate_schedules.py >> tests/reference/values.txt
//
// Format: one entry a line, "name count value value ...", values row-major in PyTorch's layouts, shortest decimal form
// that reads back as the same double.
//
// Inputs are not stored. A tensor "of seed s" has element i (row-major) = reference_value(s, i), see inputs.hpp;
// "coarse" means reference_coarse_value(s, i). Batch N = 3 unless stated.
//
// Layers. x has seed 1, weight 2, bias 3, the upstream gradient dy (shape of y) 4. Entries y, dx, dweight, dbias.
//   conv2d/<C>x<H>x<W>_o<out>_k<K or KHxKW>_s<stride>_p<padding or same>[_d<dilation>][_g<groups>][_nobias]/...
//     y [N][out][OH][OW], dweight [out][C/groups][KH][KW]. "same" with an even kernel pads the extra element at
//     the end.
//   maxpool2d/<C>x<H>x<W>_k<K>_s<stride>_p<padding>[_ties]/...          _ties: x is coarse; the first maximum wins
//   avgpool2d/<C>x<H>x<W>_k<K>_s<stride>_p<padding>[_excludepad]/...    _excludepad: count_include_pad = false
//   globalavgpool2d/<C>x<H>x<W>/...    y [N][C]
//   linear/<in>_o<out>[_nobias]/...    y [N][out], dweight [out][in]
//   relu/<C>x<H>x<W>/...               x is coarse (exact zeros: gradient 0 there)
//   batchnorm2d/<C>x<H>x<W>[_momentum<m>][_eps<e>][_noaffine]/<phase>/...   and   batchnorm1d/<C>.../<phase>/...
//     Defaults: momentum 0.1, eps 1e-5, affine. weight of seed 2, bias 3; running_mean starts at 0, running_var at 1.
//     Three training batches of 5, 5 and 3 samples; then one of 3 in eval mode. Phase b = batch1, batch2, batch3, eval
//     (b = 1, 2, 3, 4): x = value of seed 10 + b, plus 0.5 * channel; dy has seed 20 + b. Entries y, dx, dweight, dbias
//     (of this batch alone), running_mean, running_var, num_batches_tracked (after this batch).
//
// Parameters of blocks and networks. The learnable parameters are numbered p = 0, 1, ... in PyTorch's order (order of
// declaration as listed, weight before bias); parameter p is made from seed 240 + p, with
// v = reference_value(240 + p, i):
//   convolution and Linear: weight 0.5 * v, bias 0.25 * v.   BatchNorm: weight 1 + 0.5 * v, bias 0.5 * v.
//
// Blocks, in training mode, y = relu(main(x) + shortcut(x)), x [3][4][6][5] of seed 1, dy of seed 4; main = conv1 3x3
// (padding 1, no bias, stride s), bn1, relu, conv2 3x3 (padding 1, no bias, stride 1), bn2. Entries y, dx,
// d<parameter> such as dconv1.weight, and bn1.running_mean, ... after the batch.
//   residual/identity              4 -> 4 channels, s = 1
//   residual/projection            4 -> 6, s = 2; shortcut.0 = 1x1 convolution without bias, stride 2;
//                                  shortcut.1 = BatchNorm
//   residual/projection_nobn       the same without shortcut.1
//   residual/option_a              4 -> 8, s = 2; shortcut = x[:, :, ::2, ::2], 2 zero channels before and 2 after
// Parameter order: conv1.weight, bn1.weight, bn1.bias, conv2.weight, bn2.weight, bn2.bias, shortcut.0.weight,
// shortcut.1.weight, shortcut.1.bias.
//
// Losses, mean reduction. Entries loss (one value), dx.
//   cross_entropy/5x10[_large][_smooth0.1]   x = 4 * value of seed 1 (_large: 1000 * value), labels
//                                            reference_label(5, i, 10); smooth: label_smoothing = 0.1
//   mse/5x4                                  x of seed 1, target of seed 5; mean over all 20 elements
//
// Optimizers. A parameter of 7 elements of seed 1, five steps, gradient of seed 100 + t at step t = 1 ... 5. Learning
// rate 0.1 for SGD, 0.01 for Adam and AdamW; "schedule": 0.1 / t and 0.01 / t. Entries step1 ... step5: the
// parameter after it.
//   sgd/plain, sgd/momentum (0.9), sgd/dampening (momentum 0.9, dampening 0.5), sgd/nesterov (momentum 0.9),
//     sgd/weight_decay (0.05), sgd/nesterov_weight_decay (0.9, 0.05), sgd/momentum_schedule (0.9)
//   adam/default (betas 0.9, 0.999, eps 1e-8, weight_decay 0), adam/betas (0.8, 0.99), adam/eps (1e-2),
//     adam/weight_decay (0.05), adam/amsgrad, adam/schedule
//   adamw/...   the same; all have weight_decay 0.01 except adamw/weight_decay
//
// Networks. Five training steps of CrossEntropy (mean); at step t = 1 ... 5 the batch is x of seed 300 + t, six
// samples, labels reference_label(400 + t, i, 10). Entries loss (five values, each before its step), logits (of step
// 1), gradient/<parameter> (of step 1), <parameter> (final, PyTorch names); the ResNet also bn1.running_mean, ...
// (final), and eval_logits: eval mode after training, x of seed 306, six samples.
//   lenet/sgd, lenet/adam, lenet/sgd_smooth0.1
//     Input 3x12x12: conv1 3->4 3x3, relu, maxpool 2, conv2 4->6 3x3, relu, maxpool 2, flatten, fc1 6->8, relu,
//     fc2 8->10. sgd: learning rate 0.1, momentum 0.9. adam: 0.01, defaults. sgd_smooth0.1: sgd with label_smoothing
//     0.1 and a fifth batch of four samples.
//   resnet/sgd, resnet/adamw
//     Input 3x8x8: conv1 3->4 3x3 (padding 1, no bias), bn1, relu, layer1.0 (residual/identity above, 4 channels),
//     layer2.0 (residual/option_a, 4 -> 8), global average pool, linear 8->10. The same learning rates; adamw has
//     weight_decay 0.01.
#include <torch/torch.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inputs.hpp"

namespace {

using Shape = std::vector<std::int64_t>;
using torch::Tensor;

void record(std::string const& name, Tensor const& tensor) {
    auto const values = tensor.detach().to(torch::kFloat64).contiguous();
    std::string line = name + " " + std::to_string(values.numel());
    for (std::int64_t i = 0; i < values.numel(); ++i) {
        char digits[32];
        line += ' ';
        line.append(digits, std::to_chars(digits, digits + sizeof digits, values.data_ptr<double>()[i]).ptr);
    }
    std::puts(line.c_str());
}

Tensor filled(Shape const& shape, std::function<double(std::uint32_t)> const& value) {
    auto tensor = torch::empty(shape, torch::kFloat64);
    for (std::int64_t i = 0; i < tensor.numel(); ++i)
        tensor.data_ptr<double>()[i] = value(static_cast<std::uint32_t>(i));
    return tensor;
}
Tensor values(std::uint32_t seed, Shape const& shape) {
    return filled(shape, [=](auto i) { return strata::reference_value(seed, i); });
}
Tensor coarse_values(std::uint32_t seed, Shape const& shape) {
    return filled(shape, [=](auto i) { return strata::reference_coarse_value(seed, i); });
}
Tensor labels(std::uint32_t seed, std::int64_t count) {
    return filled({count}, [=](auto i) { return double(strata::reference_label(seed, i, 10)); }).to(torch::kInt64);
}
Tensor leaf(Tensor const& tensor) { return tensor.clone().set_requires_grad(true); }
std::string text(std::int64_t n) { return std::to_string(n); }
std::string text(Shape const& shape) {
    std::string joined;
    for (auto const extent : shape) joined += (joined.empty() ? "" : "x") + text(extent);
    return joined;
}

/// Forward and backward of a stateless layer. weight and bias may be undefined.
void layer(std::string const& name, Tensor const& input, Tensor const& weight, Tensor const& bias,
           std::function<Tensor(Tensor, Tensor, Tensor)> const& forward) {
    auto const x = leaf(input);
    auto const w = weight.defined() ? leaf(weight) : weight, b = bias.defined() ? leaf(bias) : bias;
    auto const y = forward(x, w, b);
    y.backward(values(4, y.sizes().vec()));
    record(name + "/y", y);
    record(name + "/dx", x.grad());
    if (w.defined()) record(name + "/dweight", w.grad());
    if (b.defined()) record(name + "/dbias", b.grad());
}

struct Convolution {
    Shape in;
    std::int64_t out;
    Shape kernel;
    std::int64_t stride, padding, dilation = 1, groups = 1;
    bool bias = true;
};
constexpr std::int64_t same = -1;

void convolution(Convolution const& c) {
    auto const name = "conv2d/" + text(c.in) + "_o" + text(c.out) + "_k" +
                      (c.kernel[0] == c.kernel[1] ? text(c.kernel[0]) : text(c.kernel)) + "_s" + text(c.stride) + "_p" +
                      (c.padding == same ? "same" : text(c.padding)) + (c.dilation > 1 ? "_d" + text(c.dilation) : "") +
                      (c.groups > 1 ? "_g" + text(c.groups) : "") + (c.bias ? "" : "_nobias");
    layer(name, values(1, {3, c.in[0], c.in[1], c.in[2]}),
          values(2, {c.out, c.in[0] / c.groups, c.kernel[0], c.kernel[1]}), c.bias ? values(3, {c.out}) : Tensor{},
          [&](auto const& x, auto const& w, auto const& b) {
              return c.padding == same ? torch::conv2d(x, w, b, c.stride, "same", c.dilation, c.groups)
                                       : torch::conv2d(x, w, b, c.stride, c.padding, c.dilation, c.groups);
          });
}

void convolutions() {
    Shape const in{3, 7, 6};
    for (auto const stride : {1, 2})
        for (auto const padding : {0, 1, 2}) convolution({in, 4, {3, 3}, stride, padding});
    convolution({in, 4, {3, 3}, 3, 0});
    convolution({in, 4, {3, 3}, 3, 1});
    convolution({in, 4, {3, 3}, 1, 1, 2});
    convolution({in, 4, {3, 3}, 2, 2, 2});
    convolution({in, 4, {5, 5}, 1, 0});
    convolution({in, 4, {5, 5}, 1, 2, 1, 1, false});
    convolution({in, 4, {1, 1}, 1, 0});
    convolution({in, 4, {1, 1}, 2, 0, 1, 1, false});
    convolution({in, 4, {3, 2}, 1, 0});
    convolution({in, 4, {3, 2}, 2, 1});
    convolution({in, 4, {3, 3}, 1, same});
    convolution({in, 4, {4, 4}, 1, same});
    convolution({in, 4, {3, 3}, 1, same, 2});
    convolution({in, 4, {3, 3}, 1, 1, 1, 1, false});
    convolution({{4, 7, 6}, 6, {3, 3}, 1, 1, 1, 2});
    convolution({{4, 7, 6}, 6, {3, 3}, 2, 1, 1, 2, false});
    convolution({{4, 7, 6}, 4, {3, 3}, 1, 1, 1, 4});
    convolution({{4, 7, 6}, 8, {3, 3}, 2, 1, 1, 4});
}

void poolings() {
    struct Pooling {
        std::int64_t kernel, stride, padding;
    };
    Shape const in{2, 7, 6}, batch{3, 2, 7, 6};
    for (auto const [k, s, p] :
         {Pooling{2, 2, 0}, Pooling{3, 2, 0}, Pooling{3, 2, 1}, Pooling{2, 1, 0}, Pooling{3, 3, 1}}) {
        auto const name = text(in) + "_k" + text(k) + "_s" + text(s) + "_p" + text(p);
        auto const maximum = [=](auto const& x, auto, auto) { return torch::max_pool2d(x, k, s, p); };
        layer("maxpool2d/" + name, values(1, batch), {}, {}, maximum);
        layer("maxpool2d/" + name + "_ties", coarse_values(1, batch), {}, {}, maximum);
        for (auto const include : {true, false})
            if (include || p > 0)
                layer("avgpool2d/" + name + (include ? "" : "_excludepad"), values(1, batch), {}, {},
                      [=](auto const& x, auto, auto) { return torch::avg_pool2d(x, k, s, p, false, include); });
    }
    layer("globalavgpool2d/4x5x3", values(1, {3, 4, 5, 3}), {}, {},
          [](auto const& x, auto, auto) { return x.mean(Shape{2, 3}); });
    layer("relu/2x7x6", coarse_values(1, batch), {}, {}, [](auto const& x, auto, auto) { return torch::relu(x); });
    auto const linear = [](auto const& x, auto const& w, auto const& b) { return torch::linear(x, w, b); };
    layer("linear/7_o5", values(1, {3, 7}), values(2, {5, 7}), values(3, {5}), linear);
    layer("linear/7_o5_nobias", values(1, {3, 7}), values(2, {5, 7}), {}, linear);
}

template <class BatchNorm>
void batch_norm(std::string const& name, Shape const& sample, torch::nn::BatchNormOptions const& options) {
    BatchNorm layer(options);
    layer->to(torch::kFloat64);
    if (options.affine()) {
        layer->weight.set_data(values(2, {sample[0]}));
        layer->bias.set_data(values(3, {sample[0]}));
    }
    std::int64_t const sizes[] = {5, 5, 3, 3};
    for (std::uint32_t b = 1; b <= 4; ++b) {
        auto const phase = name + (b < 4 ? "/batch" + text(b) : "/eval");
        layer->train(b < 4);
        layer->zero_grad();
        Shape shape{sizes[b - 1]}, per_channel(sample.size() + 1, 1);
        shape.insert(shape.end(), sample.begin(), sample.end());
        per_channel[1] = sample[0];
        auto const x = leaf(values(10 + b, shape) + 0.5 * torch::arange(sample[0], torch::kFloat64).view(per_channel));
        auto const y = layer->forward(x);
        y.backward(values(20 + b, shape));
        record(phase + "/y", y);
        record(phase + "/dx", x.grad());
        if (options.affine()) {
            record(phase + "/dweight", layer->weight.grad());
            record(phase + "/dbias", layer->bias.grad());
        }
        record(phase + "/running_mean", layer->running_mean);
        record(phase + "/running_var", layer->running_var);
        record(phase + "/num_batches_tracked", layer->num_batches_tracked);
    }
}

void batch_norms() {
    using torch::nn::BatchNormOptions;
    batch_norm<torch::nn::BatchNorm2d>("batchnorm2d/4x3x5", {4, 3, 5}, BatchNormOptions(4));
    batch_norm<torch::nn::BatchNorm2d>("batchnorm2d/4x3x5_momentum0.3_eps0.01", {4, 3, 5},
                                       BatchNormOptions(4).momentum(0.3).eps(0.01));
    batch_norm<torch::nn::BatchNorm2d>("batchnorm2d/4x3x5_noaffine", {4, 3, 5}, BatchNormOptions(4).affine(false));
    batch_norm<torch::nn::BatchNorm1d>("batchnorm1d/6", {6}, BatchNormOptions(6));
    batch_norm<torch::nn::BatchNorm1d>("batchnorm1d/6_momentum0.3_eps0.01", {6},
                                       BatchNormOptions(6).momentum(0.3).eps(0.01));
}

enum class Shortcut { identity, projection, projection_nobn, option_a };

torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out, std::int64_t stride) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false));
}

struct BlockModule : torch::nn::Module {
    BlockModule(std::int64_t in, std::int64_t out, std::int64_t stride, Shortcut shortcut)
        : kind(shortcut),
          padding((out - in) / 2),
          conv1(conv3x3(in, out, stride)),
          bn1(out),
          conv2(conv3x3(out, out, 1)),
          bn2(out) {
        register_module("conv1", conv1);
        register_module("bn1", bn1);
        register_module("conv2", conv2);
        register_module("bn2", bn2);
        if (kind == Shortcut::projection || kind == Shortcut::projection_nobn) {
            projection->push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 1).stride(stride).bias(false)));
            if (kind == Shortcut::projection) projection->push_back(torch::nn::BatchNorm2d(out));
            register_module("shortcut", projection);
        }
    }
    Tensor shortcut(Tensor const& x) {
        using torch::indexing::None;
        using torch::indexing::Slice;
        if (kind == Shortcut::identity) return x;
        if (kind == Shortcut::option_a)
            return torch::constant_pad_nd(x.index({Slice(), Slice(), Slice(None, None, 2), Slice(None, None, 2)}),
                                          {0, 0, 0, 0, padding, padding});
        return projection->forward(x);
    }
    Tensor forward(Tensor const& x) { return torch::relu(bn2(conv2(torch::relu(bn1(conv1(x))))) + shortcut(x)); }
    Shortcut kind;
    std::int64_t padding;
    torch::nn::Conv2d conv1;
    torch::nn::BatchNorm2d bn1;
    torch::nn::Conv2d conv2;
    torch::nn::BatchNorm2d bn2;
    torch::nn::Sequential projection;
};
TORCH_MODULE_IMPL(Block, BlockModule);

/// Parameter p from seed 240 + p, as described at the top. BatchNorm parameters are told by their module's type.
void initialise(torch::nn::Module& module) {
    module.to(torch::kFloat64);
    std::vector<void*> norm_weights, norm_biases;
    for (auto const& child : module.modules())
        if (auto const* const norm = child->as<torch::nn::BatchNorm2dImpl>()) {
            norm_weights.push_back(norm->weight.unsafeGetTensorImpl());
            norm_biases.push_back(norm->bias.unsafeGetTensorImpl());
        }
    auto const among = [](auto const& list, Tensor const& t) {
        return std::find(list.begin(), list.end(), t.unsafeGetTensorImpl()) != list.end();
    };
    std::uint32_t seed = 240;
    for (auto& parameter : module.parameters()) {
        auto const v = values(seed++, parameter.sizes().vec());
        if (among(norm_weights, parameter))
            parameter.set_data(1 + 0.5 * v);
        else
            parameter.set_data((parameter.dim() > 1 || among(norm_biases, parameter) ? 0.5 : 0.25) * v);
    }
}

void record_buffers(std::string const& name, torch::nn::Module const& module) {
    for (auto const& buffer : module.named_buffers()) record(name + "/" + buffer.key(), buffer.value());
}

void residuals() {
    struct Case {
        char const* name;
        std::int64_t out, stride;
        Shortcut shortcut;
    };
    for (auto const& c :
         {Case{"identity", 4, 1, Shortcut::identity}, Case{"projection", 6, 2, Shortcut::projection},
          Case{"projection_nobn", 6, 2, Shortcut::projection_nobn}, Case{"option_a", 8, 2, Shortcut::option_a}}) {
        Block block(4, c.out, c.stride, c.shortcut);
        initialise(*block);
        auto const name = std::string("residual/") + c.name;
        layer(name, values(1, {3, 4, 6, 5}), {}, {}, [&](auto const& x, auto, auto) { return block->forward(x); });
        for (auto const& parameter : block->named_parameters())
            record(name + "/d" + parameter.key(), parameter.value().grad());
        record_buffers(name, *block);
    }
}

Tensor cross_entropy(Tensor const& x, Tensor const& target, double smoothing) {
    return torch::nn::functional::cross_entropy(
        x, target, torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(smoothing));
}

void losses() {
    auto const record_loss = [](std::string const& name, Tensor const& x, Tensor const& loss) {
        loss.backward();
        record(name + "/loss", loss);
        record(name + "/dx", x.grad());
    };
    for (auto const large : {false, true})
        for (auto const smoothing : {0.0, 0.1}) {
            auto const x = leaf((large ? 1000 : 4) * values(1, {5, 10}));
            record_loss(
                std::string("cross_entropy/5x10") + (large ? "_large" : "") + (smoothing > 0 ? "_smooth0.1" : ""), x,
                cross_entropy(x, labels(5, 5), smoothing));
        }
    auto const x = leaf(values(1, {5, 4}));
    record_loss("mse/5x4", x, torch::mse_loss(x, values(5, {5, 4})));
}

template <class Optimizer, class Options>
void optimizer(std::string const& name, Options const& options, bool schedule = false) {
    auto parameter = leaf(values(1, {7}));
    auto const learning_rate = options.lr();
    Optimizer optimizer(std::vector<Tensor>{parameter}, options);
    for (std::uint32_t t = 1; t <= 5; ++t) {
        if (schedule) static_cast<Options&>(optimizer.param_groups()[0].options()).lr(learning_rate / t);
        parameter.mutable_grad() = values(100 + t, {7});
        optimizer.step();
        record(name + "/step" + text(t), parameter);
    }
}

template <class Optimizer, class Options>
void adams(std::string const& name) {
    Options const options(0.01);
    optimizer<Optimizer>(name + "/default", options);
    optimizer<Optimizer>(name + "/betas", Options(options).betas({0.8, 0.99}));
    optimizer<Optimizer>(name + "/eps", Options(options).eps(1e-2));
    optimizer<Optimizer>(name + "/weight_decay", Options(options).weight_decay(0.05));
    optimizer<Optimizer>(name + "/amsgrad", Options(options).amsgrad(true));
    optimizer<Optimizer>(name + "/schedule", options, true);
}

void optimizers() {
    using torch::optim::SGD, torch::optim::SGDOptions;
    SGDOptions const options(0.1);
    optimizer<SGD>("sgd/plain", options);
    optimizer<SGD>("sgd/momentum", SGDOptions(options).momentum(0.9));
    optimizer<SGD>("sgd/dampening", SGDOptions(options).momentum(0.9).dampening(0.5));
    optimizer<SGD>("sgd/nesterov", SGDOptions(options).momentum(0.9).nesterov(true));
    optimizer<SGD>("sgd/weight_decay", SGDOptions(options).weight_decay(0.05));
    optimizer<SGD>("sgd/nesterov_weight_decay", SGDOptions(options).momentum(0.9).nesterov(true).weight_decay(0.05));
    optimizer<SGD>("sgd/momentum_schedule", SGDOptions(options).momentum(0.9), true);
    adams<torch::optim::Adam, torch::optim::AdamOptions>("adam");
    adams<torch::optim::AdamW, torch::optim::AdamWOptions>("adamw");
}

struct LeNetModule : torch::nn::Module {
    Tensor forward(Tensor x) {
        x = torch::max_pool2d(torch::relu(conv1(x)), 2);
        x = torch::max_pool2d(torch::relu(conv2(x)), 2);
        return fc2(torch::relu(fc1(x.flatten(1))));
    }
    torch::nn::Conv2d conv1 = register_module("conv1", torch::nn::Conv2d(3, 4, 3));
    torch::nn::Conv2d conv2 = register_module("conv2", torch::nn::Conv2d(4, 6, 3));
    torch::nn::Linear fc1 = register_module("fc1", torch::nn::Linear(6, 8));
    torch::nn::Linear fc2 = register_module("fc2", torch::nn::Linear(8, 10));
    Shape const input{3, 12, 12};
};

struct ResNetModule : torch::nn::Module {
    ResNetModule() {
        layer1->push_back(Block(4, 4, 1, Shortcut::identity));
        layer2->push_back(Block(4, 8, 2, Shortcut::option_a));
    }
    Tensor forward(Tensor x) {
        x = layer2->forward(layer1->forward(torch::relu(bn1(conv1(x)))));
        return linear(x.mean(Shape{2, 3}));
    }
    torch::nn::Conv2d conv1 = register_module("conv1", conv3x3(3, 4, 1));
    torch::nn::BatchNorm2d bn1 = register_module("bn1", torch::nn::BatchNorm2d(4));
    torch::nn::Sequential layer1 = register_module("layer1", torch::nn::Sequential());
    torch::nn::Sequential layer2 = register_module("layer2", torch::nn::Sequential());
    torch::nn::Linear linear = register_module("linear", torch::nn::Linear(8, 10));
    Shape const input{3, 8, 8};
};

template <class Network, class Optimizer, class Options>
void network(std::string const& name, Options const& options, double smoothing = 0, std::int64_t last_batch = 6) {
    auto const net = std::make_shared<Network>();
    initialise(*net);
    Optimizer optimizer(net->parameters(), options);
    auto const images = [&](std::uint32_t seed, std::int64_t count) {
        return values(seed, {count, net->input[0], net->input[1], net->input[2]});
    };
    auto losses = torch::empty({5}, torch::kFloat64);
    for (std::uint32_t t = 1; t <= 5; ++t) {
        auto const count = t == 5 ? last_batch : 6;
        optimizer.zero_grad();
        auto const logits = net->forward(images(300 + t, count));
        auto const loss = cross_entropy(logits, labels(400 + t, count), smoothing);
        loss.backward();
        losses[t - 1] = loss.detach();
        if (t == 1) {
            record(name + "/logits", logits);
            for (auto const& p : net->named_parameters()) record(name + "/gradient/" + p.key(), p.value().grad());
        }
        optimizer.step();
    }
    record(name + "/loss", losses);
    for (auto const& p : net->named_parameters()) record(name + "/" + p.key(), p.value());
    record_buffers(name, *net);
    net->eval();
    record(name + "/eval_logits", net->forward(images(306, 6)));
}

void networks() {
    using namespace torch::optim;
    network<LeNetModule, SGD>("lenet/sgd", SGDOptions(0.1).momentum(0.9));
    network<LeNetModule, Adam>("lenet/adam", AdamOptions(0.01));
    network<LeNetModule, SGD>("lenet/sgd_smooth0.1", SGDOptions(0.1).momentum(0.9), 0.1, 4);
    network<ResNetModule, SGD>("resnet/sgd", SGDOptions(0.1).momentum(0.9));
    network<ResNetModule, AdamW>("resnet/adamw", AdamWOptions(0.01));
}

}  // namespace

int main() {
    torch::set_num_threads(1);  // the order of sums, and so the last digits, must not depend on the machine
    convolutions();
    poolings();
    batch_norms();
    residuals();
    losses();
    optimizers();
    networks();
}
