// How far the precisions are from Float64: root-mean-square errors of a convolution's outputs, input gradient and
// weight gradient, and of the whole gradient of networks, relative to the root mean square of what Float64 gives. All
// get the same numbers in float, so what Mixed<bfloat16> loses when it rounds images, weights and gradients is counted.
#include <cmath>
#include <cstdio>
#include <vector>

#include <strata/strata.hpp>

namespace {

using namespace strata;

struct DirectFloat32 : Float32 {
    static constexpr bool winograd = false;
};

using Values = std::vector<double>;

/// Numbers of a normal distribution with this deviation, rounded to float.
Values normal(std::size_t count, std::uint32_t stream, double deviation = 1) {
    Random random(1, Purpose::user, stream);
    Values values(count);
    for (double& v : values) v = static_cast<float>(deviation * random.normal());
    return values;
}

double relative_error(Values const& got, Values const& exact) {
    double error = 0, square = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        error += (got[i] - exact[i]) * (got[i] - exact[i]);
        square += exact[i] * exact[i];
    }
    return std::sqrt(error / square);
}

// ---- one convolution -----------------------------------------------------------------------------------------------

constexpr int samples = 16;  // one tile

struct Passes {
    Values y, dx, dweight;
};

/// A kernel on all its items; scratch memory and what it makes of the parameters are given to it.
template <class Kernel, class Precision>
void run(KernelData<Precision>& data) {
    AlignedVector<typename Precision::storage> scratch(static_cast<std::size_t>(detail::scratch_of<Kernel>(samples)));
    data.scratch = scratch.data();
    auto const preparation = detail::preparation_of<Kernel, Precision>(samples);
    AlignedVector<typename Precision::storage> prepared(static_cast<std::size_t>(preparation.size));
    data.prepared = prepared.data();
    if (preparation.run) preparation.run(data, prepared.data(), 0, preparation.items);
    Kernel::run(data, 0, Kernel::items.of_tile(samples, width_of<widest_lane<typename Precision::compute>>));
}

template <class Op, class Precision>
Passes passes(Values const& x, Values const& dy, Values const& weights) {
    using Storage = typename Precision::storage;
    AlignedVector<Storage> in(x.size()), out(dy.size()), gradient(dy.size()), in_gradient(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) in[i] = static_cast<Storage>(x[i]);
    for (std::size_t i = 0; i < dy.size(); ++i) gradient[i] = static_cast<Storage>(dy[i]);
    std::vector<typename Precision::master> const parameters(weights.begin(), weights.end());
    std::vector<typename Precision::accumulation> dweight(weights.size());
    KernelData<Precision> data;
    data.x = in.data();
    data.y = out.data();
    data.dy = gradient.data();
    data.dx = in_gradient.data();
    data.write = GradientWrite::overwrite;
    data.parameters = parameters.data();
    data.gradient = dweight.data();
    data.samples = data.stride = samples;
    run<ForwardKernel<Op, Precision>>(data);
    run<InputGradientKernel<Op, Precision>>(data);
    run<ParameterGradientKernel<Op, Precision>>(data);
    Passes result{Values(out.size()), Values(x.size()), {dweight.begin(), dweight.end()}};
    for (std::size_t i = 0; i < out.size(); ++i) result.y[i] = static_cast<double>(out[i]);
    for (std::size_t i = 0; i < in_gradient.size(); ++i) result.dx[i] = static_cast<double>(in_gradient[i]);
    return result;
}

void print(char const* work, char const* precision, Passes const& got, Passes const& exact) {
    std::printf("%-22s %-16s outputs %.1e   input gradient %.1e   weight gradient %.1e\n", work, precision,
                relative_error(got.y, exact.y), relative_error(got.dx, exact.dx),
                relative_error(got.dweight, exact.dweight));
}

/// `In` channels to `Out`, taps K x K with padding that keeps the size.
template <int In, int Out, int Size, int K>
void convolution() {
    using Op = typename Conv2d<Out, K, Padding<K / 2>, NoBias>::template On<Shape<In, Size, Size>>;
    auto const x = normal(static_cast<std::size_t>(Op::Input::size) * samples, 1),
               dy = normal(static_cast<std::size_t>(Op::Output::size) * samples, 2),
               weights = normal(static_cast<std::size_t>(Op::Parameters::size), 3, std::sqrt(2.0 / Op::fan_in));
    auto const exact = passes<Op, Float64>(x, dy, weights);
    char work[64];
    std::snprintf(work, sizeof work, "%dx%d, %d to %d, %dx%d", K, K, In, Out, Size, Size);
    print(work, "direct Float32", passes<Op, DirectFloat32>(x, dy, weights), exact);
    print(work, "Float32", passes<Op, Float32>(x, dy, weights), exact);
    print(work, "Mixed<bfloat16>", passes<Op, Mixed<bfloat16>>(x, dy, weights), exact);
}

// ---- networks ------------------------------------------------------------------------------------------------------

/// The gradient of the mean loss of 64 images, at PyTorch's initial weights.
template <class Net, class Precision>
Values gradient_of() {
    constexpr int size = 64;
    auto const numbers = normal(static_cast<std::size_t>(Net::InputShape::size) * size, 4);
    std::vector<float> const images(numbers.begin(), numbers.end());
    std::vector<std::int32_t> labels(size);
    for (int i = 0; i < size; ++i) labels[static_cast<std::size_t>(i)] = i * 7 % 10;
    Batch batch;
    batch.size = size;
    batch.shape = {1, 1, Net::InputShape::size};
    batch.inputs = images.data();
    batch.labels = labels.data();
    Model<Net> const drawn(1);
    Model<Net, Precision> model;
    for (std::size_t i = 0; i < model.parameters().size(); ++i) model.parameters()[i] = drawn.parameters()[i];
    CpuExecutor<Net, Precision, CrossEntropy> executor(Cpu{.threads = 1}, CrossEntropy{});
    executor.gradients(model, batch, {});
    return {executor.gradient().begin(), executor.gradient().end()};
}

template <class Net>
void network(char const* name) {
    auto const exact = gradient_of<Net, Float64>();
    auto const line = [&](char const* precision, Values const& got) {
        std::printf("%-22s %-16s gradient %.1e\n", name, precision, relative_error(got, exact));
    };
    line("direct Float32", gradient_of<Net, DirectFloat32>());
    line("Float32", gradient_of<Net, Float32>());
    line("Mixed<bfloat16>", gradient_of<Net, Mixed<bfloat16>>());
}

using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>, Flatten,
                      Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;
/// Without ReLU and maxima, so that no rounding changes which unit or pixel wins, which is a discrete error.
using SmoothLeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, AvgPool2d<2>, Conv2d<16, 5>, AvgPool2d<2>, Flatten,
                            Linear<120>, Linear<84>, Linear<10>>;
/// 3x3 convolutions, which Winograd takes in Float32.
using SixLayers =
    Network<Input<3, 32, 32>, Conv2d<16, 3, Padding<1>>, ReLU, Conv2d<16, 3, Padding<1>>, ReLU, MaxPool2d<2>,
            Conv2d<32, 3, Padding<1>>, ReLU, Conv2d<32, 3, Padding<1>>, ReLU, MaxPool2d<2>, Conv2d<64, 3, Padding<1>>,
            ReLU, Conv2d<64, 3, Padding<1>>, ReLU, GlobalAvgPool2d, Linear<10>>;

}  // namespace

int main() {
    convolution<16, 16, 32, 3>();
    convolution<64, 64, 16, 3>();
    convolution<256, 256, 8, 3>();
    convolution<3, 6, 32, 5>();
    convolution<6, 16, 14, 5>();
    convolution<64, 64, 16, 5>();
    network<LeNet>("LeNet");
    network<SmoothLeNet>("LeNet, no ReLU or max");
    network<SixLayers>("six 3x3 convolutions");
}
