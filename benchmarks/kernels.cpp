// Single layers, those of convolutions beside oneDNN, and all beside what the machine could do (Google Benchmark;
// kernels.sh prints the table).
//
// Strata's kernels are timed where they work, in networks of three layers: a source that makes an image of nothing, the
// layer, and a sink whose gradient is the same for every pixel. Differences of such networks' times are a kernel's:
//
//   forward          evaluation with the layer, less evaluation of the source alone
//   weight gradient  training less evaluation, less the same of the sink alone
//   input gradient   training with a source that wants a gradient, less training with one that does not
//   training         all passes: training less the same of the source alone (layers other than convolutions)
//
// so what a kernel brings with it (packed weights, merged gradients, threads) is counted. oneDNN works on layouts of
// its own choice, reorders left out.
#include <omp.h>

#include <chrono>
#include <dnnl.hpp>
#include <functional>

#include <benchmark/benchmark.h>
#include <strata/backend/cpu/run/executor.hpp>
#include <strata/layer/avg_pool2d.hpp>
#include <strata/layer/batch_norm.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/max_pool2d.hpp>
#include <strata/loss/cross_entropy.hpp>

namespace {

using namespace strata;

constexpr int batch_size = 64;

// ---- the machine ---------------------------------------------------------------------------------------------------

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Multiply-adds in registers, in flop/s: the best of five measurements.
double measure_peak(int threads) {
    using L = widest_lane<float>;
    constexpr int chains = 12, rounds = 4'000'000;  // two units of latency four want eight chains at least
    double best = 0;
    for (int repetition = 0; repetition < 5; ++repetition) {
        double const start = now();
#pragma omp parallel num_threads(threads)
        {
            L sums[chains];
            for (int i = 0; i < chains; ++i) sums[i] = L(0.1F * static_cast<float>(i));
            L const factor(0.999F), term(1e-3F);
            for (int round = 0; round < rounds; ++round)
                for (int i = 0; i < chains; ++i) sums[i] = multiply_add(sums[i], factor, term);
            for (int i = 1; i < chains; ++i) sums[0] += sums[i];
            benchmark::DoNotOptimize(sum(sums[0]));
        }
        best = std::max(best, 2.0 * chains * width_of<L> * rounds * threads / (now() - start));
    }
    return best;
}

/// a = b + s c over arrays that no cache holds, in byte/s (McCalpin's STREAM triad): the best of five measurements.
double measure_bandwidth(int threads) {
    constexpr std::ptrdiff_t size = 16 << 20;
    std::vector<float> a(size), b(size, 1.0F), c(size, 2.0F);
    double best = 0;
    for (int repetition = 0; repetition < 6; ++repetition) {
        double const start = now();
#pragma omp parallel for num_threads(threads)
        for (std::ptrdiff_t i = 0; i < size; ++i)
            a[static_cast<std::size_t>(i)] = b[static_cast<std::size_t>(i)] + 0.5F * c[static_cast<std::size_t>(i)];
        benchmark::ClobberMemory();
        best = std::max(best, 3.0 * sizeof(float) * size / (now() - start));
    }
    return best;
}

struct Machine {
    double peak, bandwidth;
};
Machine const& machine(int threads) {
    static Machine const one{measure_peak(1), measure_bandwidth(1)}, two{measure_peak(2), measure_bandwidth(2)};
    return threads == 1 ? one : two;
}

// ---- what is measured ----------------------------------------------------------------------------------------------

enum class Pass { forward, input_gradient, weight_gradient, training };
constexpr char const* name_of(Pass pass) {
    constexpr char const* names[] = {"forward", "input_gradient", "weight_gradient", "training"};
    return names[static_cast<int>(pass)];
}

/// What a pass over a batch has to compute and to move at least.
struct Cost {
    double flops, bytes;
};

/// A convolution's numbers, at run time.
struct Extents {
    int channels, height, width, out_channels, out_height, out_width, kernel, stride, padding, dilation, groups;

    /// Of each pass: products with the padding's zeros included, which kernels may skip; each of
    /// the three arrays moved once.
    [[nodiscard]] Cost cost() const {
        return {2.0 * batch_size * out_channels * out_height * out_width * (channels / groups) * kernel * kernel,
                sizeof(float) * (1.0 * batch_size * channels * height * width +
                                 1.0 * batch_size * out_channels * out_height * out_width +
                                 1.0 * out_channels * (channels / groups) * kernel * kernel)};
    }
};

/// Rate, and its share of the arithmetic peak, of memory's bandwidth and of the roofline: min(peak, flops /
/// bytes * bandwidth) (Williams, Waterman, Patterson, CACM 2009). Tiles that stay in a cache can go beyond
/// the roof that memory makes.
void count(benchmark::State& state, Cost const& cost, double seconds) {
    auto const& [peak, bandwidth] = machine(static_cast<int>(state.range(0)));
    double const rate = cost.flops * static_cast<double>(state.iterations()) / seconds;
    state.counters["GFLOPs"] = rate * 1e-9;
    state.counters["of_peak"] = rate / peak;
    state.counters["of_memory"] = rate / cost.flops * cost.bytes / bandwidth;
    state.counters["of_roofline"] = rate / std::min(peak, cost.flops / cost.bytes * bandwidth);
}

// ---- Strata --------------------------------------------------------------------------------------------------------

/// Makes an image of shape Out; WantsGradient gives it a parameter, so that backward passes reach it.
template <class Out, bool WantsGradient>
struct Source {
    template <class X>
    struct On {
        using Input = X;
        using Output = Out;
        struct Unused : Parameter<"unused", Shape<1>, Ones, 1, 1> {};
        using Parameters = std::conditional_t<WantsGradient, ParameterList<Unused>, NoParameters>;
        static constexpr Keep keep = Keep::nothing;
        static constexpr double flops = 0;
        static constexpr std::string_view type = "Source";

        template <class Io>
        static auto forward(Position<Out::rank>, Io const&) {
            return typename Io::L(0.5F);
        }
        template <class Io>
        static auto input_gradient(Position<1>, Io const&) {
            return typename Io::L(0);
        }
        template <class Io>
        static auto parameter_gradient(Unused, Position<1>, Io const&) {
            return typename Io::L(0);
        }
    };
};

/// Two numbers of the first row, and the gradient of the first for every pixel.
struct Sink {
    template <class X>
    struct On {
        using Input = X;
        using Output = Shape<2>;
        using Parameters = NoParameters;
        static constexpr Keep keep = Keep::nothing;
        static constexpr double flops = 0;
        static constexpr std::string_view type = "Sink";

        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x[at[0]];
        }
        template <class Io>
        static auto input_gradient(Position<X::rank>, Io const& io) {
            return io.dy(0);
        }
    };
};

/// Times training and evaluation passes of a network.
template <class Net>
class Passes {
public:
    explicit Passes(int threads) : executor_(Cpu{.threads = threads}, CrossEntropy{}) {
        batch_.size = batch_size;
        batch_.inputs = inputs_.data();
        batch_.labels = labels_.data();
        training();
        evaluation();
    }
    double training() {
        double const start = now();
        executor_.gradients(model_, batch_, {});
        return now() - start;
    }
    double evaluation() {
        double const start = now();
        executor_.evaluate(model_, batch_, nullptr, nullptr);
        return now() - start;
    }

private:
    Model<Net> model_;
    CpuExecutor<Net, Float32, CrossEntropy> executor_;
    std::vector<float> inputs_ = std::vector<float>(batch_size);
    std::vector<std::int32_t> labels_ = std::vector<std::int32_t>(batch_size);
    Batch batch_;
};

template <class Layer, class In, class Out, bool WantsGradient>
using Between = Network<Input<1>, Source<In, WantsGradient>, Layer, Sink>;
template <class Image>
using Alone = Network<Input<1>, Source<Image, true>, Sink>;

template <class Layer, class In, class Out>
void time_strata(benchmark::State& state, Cost const& cost, Pass pass) {
    int const threads = static_cast<int>(state.range(0));
    Passes<Between<Layer, In, Out, false>> first(threads);
    Passes<Between<Layer, In, Out, true>> later(threads);
    Passes<Alone<In>> source(threads);
    Passes<Alone<Out>> sink(threads);
    double total = 0;
    for (auto _ : state) {
        double const seconds = pass == Pass::forward    ? first.evaluation() - source.evaluation()
                               : pass == Pass::training ? later.training() - source.training()
                               : pass == Pass::input_gradient
                                   ? later.training() - first.training()
                                   : first.training() - first.evaluation() - sink.training() + sink.evaluation();
        state.SetIterationTime(seconds);
        total += seconds;
    }
    count(state, cost, total);
}

// ---- oneDNN --------------------------------------------------------------------------------------------------------

void time_onednn(benchmark::State& state, Extents const& e, Pass pass) {
    using dnnl::memory;
    omp_set_num_threads(static_cast<int>(state.range(0)));
    dnnl::engine const engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    auto const any = [](memory::dims const& dims) {
        return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
    };
    auto const source = any({batch_size, e.channels, e.height, e.width}),
               weights = e.groups == 1
                             ? any({e.out_channels, e.channels, e.kernel, e.kernel})
                             : any({e.groups, e.out_channels / e.groups, e.channels / e.groups, e.kernel, e.kernel}),
               result = any({batch_size, e.out_channels, e.out_height, e.out_width});
    memory::dims const strides{e.stride, e.stride}, dilations{e.dilation - 1, e.dilation - 1},
        padding{e.padding, e.padding};
    auto const direct = dnnl::algorithm::convolution_direct;
    dnnl::convolution_forward::primitive_desc const forward(
        {dnnl::prop_kind::forward_training, direct, source, weights, result, strides, dilations, padding, padding},
        engine);
    auto const filled = [&](memory::desc const& layout) {
        memory values(layout, engine);
        auto* const begin = static_cast<float*>(values.get_data_handle());
        std::fill(begin, begin + layout.get_size() / sizeof(float), 0.01F);
        return values;
    };
    std::function<void()> run;
    if (pass == Pass::forward) {
        run = [&, primitive = dnnl::convolution_forward(forward), x = filled(forward.src_desc()),
               w = filled(forward.weights_desc()), y = filled(forward.dst_desc())] {
            primitive.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
        };
    } else if (pass == Pass::input_gradient) {
        dnnl::convolution_backward_data::primitive_desc const backward(
            {direct, source, weights, result, strides, dilations, padding, padding}, engine, forward);
        run = [&, primitive = dnnl::convolution_backward_data(backward), dx = filled(backward.diff_src_desc()),
               w = filled(backward.weights_desc()), dy = filled(backward.diff_dst_desc())] {
            primitive.execute(stream, {{DNNL_ARG_DIFF_SRC, dx}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_DST, dy}});
        };
    } else {
        dnnl::convolution_backward_weights::primitive_desc const backward(
            {direct, source, weights, result, strides, dilations, padding, padding}, engine, forward);
        run = [&, primitive = dnnl::convolution_backward_weights(backward), x = filled(backward.src_desc()),
               dw = filled(backward.diff_weights_desc()), dy = filled(backward.diff_dst_desc())] {
            primitive.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_WEIGHTS, dw}, {DNNL_ARG_DIFF_DST, dy}});
        };
    }
    double total = 0;
    run();
    for (auto _ : state) {
        double const start = now();
        run();
        stream.wait();
        double const seconds = now() - start;
        state.SetIterationTime(seconds);
        total += seconds;
    }
    count(state, e.cost(), total);
}

// ---- the grid ------------------------------------------------------------------------------------------------------

/// Registers the three passes of a convolution of square images on both sides, with one thread and with two.
template <int C, int Size, int O, int Kernel, int Step = 1, int Pad = Kernel / 2, int Dilate = 1, int Group = 1>
void add(char const* name) {
    using Layer = Conv2d<O, Kernel, Stride<Step>, Padding<Pad>, Dilation<Dilate>, Groups<Group>, NoBias>;
    using In = Shape<C, Size, Size>;
    using Out = typename Layer::template On<In>::Output;
    constexpr int out = Out::template extent<1>;
    static constexpr Extents extents{C, Size, Size, O, out, out, Kernel, Step, Pad, Dilate, Group};
    for (Pass const pass : {Pass::forward, Pass::input_gradient, Pass::weight_gradient}) {
        std::string const work = std::string(name) + "/" + name_of(pass);
        for (auto* const registered :
             {benchmark::RegisterBenchmark(
                  (work + "/strata").c_str(),
                  [pass](benchmark::State& state) { time_strata<Layer, In, Out>(state, extents.cost(), pass); }),
              benchmark::RegisterBenchmark((work + "/onednn").c_str(),
                                           [pass](benchmark::State& state) { time_onednn(state, extents, pass); })})
            registered->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMicrosecond);
    }
}

/// Registers inference and training of another layer, on Strata's side alone.
template <class Layer, class In>
void add_layer(char const* name) {
    using Op = typename Layer::template On<In>;
    using Out = typename Op::Output;
    static constexpr double flops = batch_size * Op::flops,
                            bytes = sizeof(float) * (1.0 * batch_size * (In::size + Out::size) + Op::Parameters::size);
    // Backward, there is one gradient or there are two, each as much work; arrays and their gradients are moved.
    static constexpr Cost forward{flops, bytes}, training{Op::Parameters::size > 0 ? 3 * flops : 2 * flops, 2 * bytes};
    for (Pass const pass : {Pass::forward, Pass::training})
        benchmark::RegisterBenchmark((std::string(name) + "/" + name_of(pass) + "/strata").c_str(),
                                     [pass](benchmark::State& state) {
                                         time_strata<Layer, In, Out>(state, pass == Pass::forward ? forward : training,
                                                                     pass);
                                     })
            ->ArgName("threads")
            ->Arg(1)
            ->Arg(2)
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
}

void add_grid() {
    add<3, 32, 6, 5, 1, 0>("5x5 3-6 32");  // kernel, channels, image size
    add<6, 14, 16, 5, 1, 0>("5x5 6-16 14");
    add<3, 32, 64, 3>("3x3 3-64 32");
    add<64, 32, 64, 3>("3x3 64-64 32");
    add<128, 16, 128, 3>("3x3 128-128 16");
    add<256, 8, 256, 3>("3x3 256-256 8");
    add<16, 32, 16, 3>("3x3 16-16 32");
    add<32, 16, 32, 3>("3x3 32-32 16");
    add<16, 32, 32, 3, 2>("3x3 stride 2 16-32 32");
    add<32, 16, 32, 3, 1, 2, 2>("3x3 dilation 2 32-32 16");
    add<32, 32, 64, 3, 2, 2, 2>("3x3 s 2 dilation 2 32-64 32");
    add<64, 8, 128, 1>("1x1 64-128 8");
    add<128, 16, 128, 1>("1x1 128-128 16");
    add<64, 16, 64, 3, 1, 1, 1, 64>("3x3 depthwise 64 16");
    add<64, 16, 64, 3, 2, 1, 1, 64>("3x3 depthwise stride 2 64 16");
    add<3, 64, 64, 7, 2>("7x7 stride 2 3-64 64");
    add_layer<Linear<1024>, Shape<1024>>("linear 1024-1024");
    add_layer<Linear<120>, Shape<400>>("linear 400-120");
    add_layer<MaxPool2d<2>, Shape<64, 32, 32>>("max pool 2 64 32");
    add_layer<MaxPool2d<3, Stride<2>, Padding<1>>, Shape<64, 32, 32>>("max pool 3 stride 2 64 32");
    add_layer<AvgPool2d<2>, Shape<64, 32, 32>>("average pool 2 64 32");
    add_layer<BatchNorm2d<>, Shape<64, 32, 32>>("batch norm 64 32");
}

}  // namespace

int main(int argument_count, char** arguments) {
    add_grid();
    benchmark::Initialize(&argument_count, arguments);
    if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 1;
    for (int const threads : {1, 2}) {
        auto const& [peak, bandwidth] = machine(threads);
        std::string const suffix = threads == 1 ? "_1_thread" : "_2_threads";
        benchmark::AddCustomContext("peak_GFLOPs" + suffix, std::to_string(peak * 1e-9));
        benchmark::AddCustomContext("bandwidth_GBs" + suffix, std::to_string(bandwidth * 1e-9));
    }
    benchmark::RunSpecifiedBenchmarks();
}
