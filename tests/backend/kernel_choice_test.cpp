// Which kernel runs: a program's own kernels in front of the house's, and the table of a network's kernels.
#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "../layer/layer_run.hpp"
#include "strata/backend/cpu/run/describe_kernels.hpp"
#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv1d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/relu.hpp"
#include "strata/layer/zero_pad_shortcut.hpp"
#include "strata/network/frozen.hpp"
#include "strata/network/residual.hpp"

using namespace strata;

int square_runs = 0, cube_runs = 0;

// A kernel for an operation of the house: convolutions of 3 x 3 taps at stride 1, one group, without padding.
template <class Op, class Precision>
struct SquareForward;

template <class G, class Scheme, class Precision>
requires(G::kernel_height == 3 && G::kernel_width == 3 && G::stride_height == 1 && G::stride_width == 1 &&
         G::dilation_height == 1 && G::dilation_width == 1 && G::groups == 1 && G::out_height == G::height - 2 &&
         G::out_width == G::width - 2 && G::pad_top == 0 && G::pad_left == 0)
struct SquareForward<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"square", "3 x 3 without padding, in loops"};
    static constexpr Items items{G::out_channels};  // a team shares output channels
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using T = typename Precision::compute;
        ++square_runs;
        int const S = a.stride, taps = 9;
        for (int o = begin; o < end; ++o)
            for (int i = 0; i < G::out_height; ++i)
                for (int j = 0; j < G::out_width * S; ++j) {  // samples lie innermost: a column is S numbers
                    T sum = G::bias ? a.parameters[G::out_channels * G::channels * taps + o] : T(0);
                    for (int c = 0; c < G::channels; ++c)
                        for (int tap = 0; tap < taps; ++tap)
                            sum += a.parameters[(o * G::channels + c) * taps + tap] *
                                   a.x[(c * G::height + i + tap / 3) * G::width * S + j + tap % 3 * S];
                    a.y[(o * G::out_height + i) * G::out_width * S + j] = sum;
                }
    }
};

// It is asked before the house's kernels.
template <class G, class Scheme>
struct strata::OwnKernels<Convolution<G, Scheme>, KernelPass::forward> : KernelList<SquareForward> {};

// A kernel for an operation of one's own.
struct Cube {
    template <class L>
    static L forward(L x) {
        return x * x * x;
    }
};

template <class Op, class Precision>
struct CubeForward {
    static constexpr Items items{Op::Output::size, Items::By::number};  // vectors of the tile's numbers
    static void run(KernelData<Precision> const& a, int begin, int end) {
        ++cube_runs;
        int const N = width_of<widest_lane<typename Precision::compute>>;
        for (int k = begin * N; k < std::min(end * N, Op::Output::size * a.stride); ++k)
            a.y[k] = a.x[k] * a.x[k] * a.x[k];
    }
};

template <class X>
struct strata::OwnKernels<ElementwiseOperation<Cube, X>, KernelPass::forward> : KernelList<CubeForward> {};

// A kernel for an operation that another's kernels serve.
template <class Op, class Precision>
struct LineForward;
template <class Plane, class Name, class Precision>
struct LineForward<Line<Plane, Name>, Precision> : ForwardKernel<Plane, Precision> {};

template <class Plane, class Name>
struct strata::OwnKernels<Line<Plane, Name>, KernelPass::forward> : KernelList<LineForward> {};

TEST_CASE("a kernel of one's own for an operation of the house runs, and gives LibTorch's values") {
    square_runs = 0;
    compare_fast_with_libtorch<Conv2d<4, 3>, Shape<3, 7, 6>>("conv2d/3x7x6_o4_k3_s1_p0");
    CHECK(square_runs > 0);
}

TEST_CASE("what it does not accept, the house's kernels do, in their order") {
    using Padded = Conv2d<4, 3, Padding<1>>::On<Shape<3, 7, 6>>;
    using Square = Conv2d<4, 3>::On<Shape<3, 7, 6>>;
    using Grouped = Conv2d<4, 3, Groups<4>>::On<Shape<4, 7, 6>>;
    CHECK(std::is_base_of_v<SquareForward<Square, Float32>, ForwardKernel<Square, Float32>>);
    CHECK(std::is_base_of_v<WinogradForward<Padded, Float32>, ForwardKernel<Padded, Float32>>);
    CHECK(std::is_base_of_v<WinogradInputGradient<Square, Float32>, InputGradientKernel<Square, Float32>>);
    CHECK(std::is_base_of_v<DepthwiseForward<Grouped, Float32>, ForwardKernel<Grouped, Float32>>);
}

TEST_CASE("one's own kernels are asked before those of the operation that serves another") {
    using Op = Conv1d<4, 3>::On<Shape<3, 7>>;
    CHECK(std::is_base_of_v<LineForward<Op, Float32>, ForwardKernel<Op, Float32>>);
    CHECK(std::is_base_of_v<DirectConvolutionInputGradient<ServedAs<Op>::type, Float32>,
                            InputGradientKernel<Op, Float32>>);
}

TEST_CASE("a kernel of one's own for one's own operation runs in a network") {
    using Net = Network<Input<2, 6, 6>, Conv2d<3, 3>, Cube>;
    Model<Net> const model;
    std::vector<float> x(5 * 72);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) / 13;
    Workspace<Net> workspace;
    square_runs = cube_runs = 0;
    auto const y = model(x, workspace);
    CHECK(square_runs == 2);  // five samples are a tile of four and one of one
    CHECK(cube_runs == 2);
    Workspace<Network<Input<2, 6, 6>, Conv2d<3, 3>>> before;
    Model<Network<Input<2, 6, 6>, Conv2d<3, 3>>> convolution;
    std::copy_n(model.parameters().begin(), model.parameters().size(), convolution.parameters().begin());
    auto const z = convolution(x, before);
    REQUIRE(y.size() == z.size());
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == z[i] * z[i] * z[i]);
    CHECK(describe_kernels<Net>(Cpu{}, Float32{}) ==
          "layer  type        forward  input gradient  parameter gradient\n"
          "0      Conv2d      square   -               Winograd\n"
          "1      activation  own      generic         -\n"
          "\n"
          "kernel    why\n"
          "square    3 x 3 without padding, in loops\n"
          "Winograd  3 x 3 at stride 1; direct on tiles where that is faster by estimate\n"
          "own       a kernel of the program's own that says no more\n"
          "generic   the bodies, element by element\n");
}

TEST_CASE("frozen layers have kernels, too") {
    using Net = Network<Input<2, 6, 6>, Frozen<Conv2d<3, 3>>, Conv2d<2, 1>>;
    CHECK(describe_kernels<Net>().find("\n0      Conv2d  square ") != std::string::npos);
    using Norm = Network<Input<2, 6, 6>, Conv2d<3, 3>, Frozen<BatchNorm2d<>>, Conv2d<2, 1>>;
    CHECK(describe_kernels<Norm>().find("\n1      BatchNorm2d  BatchNorm  BatchNorm       -\n") != std::string::npos);
}

TEST_CASE("the kernels of LeNet") {
    using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>,
                          Flatten, Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;
    CHECK(describe_kernels<LeNet>() ==
          "layer  type       forward                 input gradient          parameter gradient\n"
          "0      Conv2d     Winograd along the row  -                       Winograd along the row\n"
          "1      ReLU       in the kernel above     generic                 -\n"
          "2      MaxPool2d  maximum                 maximum                 -\n"
          "3      Conv2d     Winograd along the row  Winograd along the row  Winograd along the row\n"
          "4      ReLU       in the kernel above     generic                 -\n"
          "5      MaxPool2d  maximum                 maximum                 -\n"
          "7      Linear     Linear                  Linear                  Linear\n"
          "8      ReLU       in the kernel above     generic                 -\n"
          "9      Linear     Linear                  Linear                  Linear\n"
          "10     ReLU       in the kernel above     generic                 -\n"
          "11     Linear     Linear                  Linear                  Linear\n"
          "\n"
          "kernel                  why\n"
          "Winograd along the row  five taps a row at stride 1, faster by estimate; direct on tiles where it is not\n"
          "in the kernel above     a ReLU in the place of the output of a kernel that applies it\n"
          "generic                 the bodies, element by element\n"
          "maximum                 windows without padding\n"
          "maximum                 windows without padding or overlap\n"
          "Linear                  every Linear\n");
}

template <int Channels, int Step = 1>
using Conv3x3 = Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias>;
template <int Channels, int Step = 1>
using Block = Residual<Main<Conv3x3<Channels, Step>, BatchNorm2d<>, ReLU, Conv3x3<Channels>, BatchNorm2d<>>,
                       std::conditional_t<Step == 1, Identity, ZeroPadShortcut>, After<ReLU>>;

TEST_CASE("the kernels of ResNet-20") {
    using ResNet20 = Network<Input<3, 32, 32>, Conv3x3<16>, BatchNorm2d<>, ReLU, Repeat<3, Block<16>>, Block<32, 2>,
                             Repeat<2, Block<32>>, Block<64, 2>, Repeat<2, Block<64>>, GlobalAvgPool2d, Linear<10>>;
    std::string expected = "layer       type             forward         input gradient  parameter gradient\n";
    auto const line = [&](std::string const& layer, std::string const& type, std::string const& forward,
                          std::string const& input, std::string const& parameter) {
        auto const padded = [](std::string text, std::size_t width) {
            text.resize(width, ' ');
            return text;
        };
        expected += padded(layer, 12) + padded(type, 17) + padded(forward, 16) + padded(input, 16) + parameter + '\n';
    };
    auto const norm = [&](std::string const& layer) {
        line(layer, "BatchNorm2d", "BatchNorm", "BatchNorm", "statistics");
    };
    line("0", "Conv2d", "Winograd", "-", "Winograd");
    norm("1");
    line("2", "ReLU", "generic", "generic", "-");
    for (int block = 3; block < 12; ++block) {
        std::string const at = std::to_string(block) + '.';
        bool const strided = block == 6 || block == 9;
        std::string const first = strided ? "direct" : "Winograd";
        line(at + "0", "Conv2d", first, first, first);
        norm(at + "1");
        line(at + "2", "ReLU", "generic", "generic", "-");
        line(at + "3", "Conv2d", "Winograd", "Winograd", "Winograd");
        norm(at + "4");
        if (strided) line(at + "shortcut", "ZeroPadShortcut", "generic", "generic", "-");
        line(at + "sum", "Sum", "generic", "generic", "-");
        line(at + "5", "ReLU", "generic", "generic", "-");
    }
    line("12", "GlobalAvgPool2d", "global average", "global average", "-");
    line("13", "Linear", "Linear", "Linear", "Linear");
    expected +=
        "\n"
        "kernel          why\n"
        "Winograd        3 x 3 at stride 1; direct on tiles where that is faster by estimate\n"
        "BatchNorm       rows of numbers\n"
        "statistics      a channel's sums, which its input gradient needs, too\n"
        "generic         the bodies, element by element\n"
        "direct          every convolution\n"
        "global average  every GlobalAvgPool2d\n"
        "Linear          every Linear\n";
    CHECK(describe_kernels<ResNet20>(Cpu{}, Float32{}) == expected);
}
