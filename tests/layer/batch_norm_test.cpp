// BatchNorm against LibTorch over three training batches (the last one smaller) and one in evaluation mode; errors.
#include "strata/layer/batch_norm.hpp"

#include "../network/recorded_run.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"

using namespace strata;

namespace {
template <class Layer, class In, class Precision>
void compare(std::string const& name, double tolerance) {
    using Net = Network<In, Layer>;
    constexpr int channels = channels_of<typename In::Extent>, size = In::Extent::size;
    RecordedRun<Net, 5, Precision> run;
    auto const parameters = run.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        auto const c = static_cast<std::uint32_t>(i % channels);
        parameters[i] = static_cast<typename Precision::master>(reference_value(i < channels ? 2 : 3, c));
    }
    int const sizes[] = {5, 5, 3, 3};
    for (std::uint32_t b = 1; b <= 4; ++b) {
        auto const phase = name + (b < 4 ? "/batch" + std::to_string(b) : "/eval");
        CAPTURE(phase);
        auto const count = static_cast<std::size_t>(sizes[b - 1] * size);
        auto x = reference_values(10 + b, count);
        for (std::size_t i = 0; i < count; ++i)
            x[i] += 0.5 *
                    static_cast<double>(i % static_cast<std::size_t>(size) / static_cast<std::size_t>(size / channels));
        if (b < 4) {
            run.train(x, reference_values(20 + b, count));
            CHECK(reference_difference(run.dx, phase + "/dx") < tolerance);
            auto const gradients = run.gradients();
            if (!gradients.empty()) {
                CHECK(reference_difference(std::vector<double>(gradients.begin(), gradients.begin() + channels),
                                           phase + "/dweight") < tolerance);
                CHECK(reference_difference(std::vector<double>(gradients.begin() + channels, gradients.end()),
                                           phase + "/dbias") < tolerance);
            }
        } else {
            run.evaluate(x);
        }
        CHECK(reference_difference(run.y, phase + "/y") < tolerance);
        auto const buffers = run.buffers();
        CHECK(reference_difference(buffers.first(channels), phase + "/running_mean") < tolerance);
        CHECK(reference_difference(buffers.last(channels), phase + "/running_var") < tolerance);
        CHECK(run.model().batches_tracked()[1] == std::min(b, 3u));
    }
}
// Double: sums in another order. Single: the normalised values amplify the rounding of x - mean by
// 1 / deviation, about 2.
constexpr double double_tolerance = 1e-12, single_tolerance = 2e-5;
}  // namespace

TEST_CASE("BatchNorm2d") {
    compare<BatchNorm2d<>, Input<4, 3, 5>, Float64>("batchnorm2d/4x3x5", double_tolerance);
    compare<BatchNorm2d<>, Input<4, 3, 5>, Float32>("batchnorm2d/4x3x5", single_tolerance);
    compare<BatchNorm2d<Epsilon<0.01>, Momentum<0.3>>, Input<4, 3, 5>, Float64>("batchnorm2d/4x3x5_momentum0.3_eps0.01",
                                                                                double_tolerance);
    compare<BatchNorm2d<NoAffine>, Input<4, 3, 5>, Float64>("batchnorm2d/4x3x5_noaffine", double_tolerance);
}

TEST_CASE("BatchNorm1d") {
    compare<BatchNorm1d<>, Input<6>, Float64>("batchnorm1d/6", double_tolerance);
    compare<BatchNorm1d<Momentum<0.3>, Epsilon<0.01>>, Input<6>, Float64>("batchnorm1d/6_momentum0.3_eps0.01",
                                                                          double_tolerance);
}

TEST_CASE("one value a channel is an error in training, not in evaluation") {
    RecordedRun<Network<Input<4>, Named<"bn", BatchNorm1d<>>>, 2, Float64> run;
    std::string message;
    try {
        run.train({1, 2, 3, 4}, {1, 1, 1, 1});
    } catch (Error const& error) { message = error.what(); }
    CAPTURE(message);
    CHECK(message.find("bn") != std::string::npos);
    CHECK(message.find("BatchNorm1d") != std::string::npos);
    run.evaluate({1, 2, 3, 4});
    CHECK(run.y[1] == doctest::Approx(2 / std::sqrt(1 + 1e-5)));
    run.train({1, 2, 3, 4, 5, 6, 7, 8}, {1, 1, 1, 1, 1, 1, 1, 1});
    CHECK(run.model().batches_tracked()[1] == 1);
}

TEST_CASE("the first layer may be a BatchNorm without parameters: nobody wants its gradient") {
    using Net = Network<Input<2, 2, 2>, BatchNorm2d<NoAffine>, Flatten, Linear<3>>;
    Model<Net, Float64> model(1);
    CpuExecutor<Net, Float64, DotProduct> executor(Cpu{.threads = 1}, {});
    auto const x = reference_values(1, 24), targets = reference_values(2, 9);
    Batch batch;
    batch.size = 3;
    batch.shape = {2, 2, 2};
    batch.type = batch.target_type = DataType::float64;
    batch.inputs = x.data();
    batch.targets = targets.data();
    auto const result = executor.gradients(model, batch, {});
    CHECK(result.finite);
    // d loss / d bias is the mean of the targets.
    CHECK(executor.gradient()[24] == doctest::Approx((targets[0] + targets[3] + targets[6]) / 3));
}

TEST_CASE("a team's split changes no bit of the input gradient, whatever the compiler contracts") {
    using Op = BatchNorm2d<>::On<Shape<3, 7, 7>>;  // channels end within vectors
    auto const x = reference_values(1, 147), dy = reference_values(2, 147), parameters = reference_values(3, 6);
    for (bool const backward : {false, true}) {
        auto const run = [&](int parts) {
            std::vector<float> const x_tile(x.begin(), x.end()), dy_tile(dy.begin(), dy.end()),
                weights(parameters.begin(), parameters.end());
            std::vector<double> statistics;
            for (auto const& pass : {std::pair{0.1, 1.3}, {0.2, -0.4}})  // moments, means of dy and dy xhat
                for (int c = 0; c < 3; ++c) {
                    statistics.push_back(pass.first + 0.01 * c);
                    statistics.push_back(pass.second + 0.01 * c);
                }
            std::vector<float> out(147);
            KernelData<Float32> data;
            data.x = x_tile.data();
            data.dy = dy_tile.data();
            data.y = out.data();
            data.dx = out.data();
            data.write = GradientWrite::overwrite;
            data.parameters = weights.data();
            data.statistics = statistics.data();
            data.samples = data.stride = 1;
            for (int part = 0; part < parts; ++part) {
                detail::Share const share{part, parts};
                int const items = Items{147, Items::By::number}.of_tile(1, width_of<widest_lane<float>>);
                (backward ? &InputGradientKernel<Op, Float32>::run : &ForwardKernel<Op, Float32>::run)(
                    data, share.begin(items), share.end(items));
            }
            return out;
        };
        for (int const parts : {2, 3, 4, 5}) CHECK(run(parts) == run(1));
    }
}

TEST_CASE("the kernels that gather a tile's part are the generic ones to rounding") {
    using Op = BatchNorm2d<>::On<Shape<3, 7, 7>>;
    constexpr int S = 16;
    auto const x = reference_values(1, 147 * S), dy = reference_values(2, 147 * S);
    std::vector<double> const left{0.1, 1.3, 0.2, 1.1, -0.3, 0.8, 0, 0, 0, 0, 0, 0};
    for (int const samples : {S, 5}) {
        KernelData<Float64> data;
        data.x = x.data();
        data.statistics = left.data();
        data.samples = samples;
        data.stride = S;
        auto empty = dy;
        for (std::size_t i = 0; i < empty.size(); ++i)
            if (static_cast<int>(i % S) >= samples) empty[i] = 0;
        data.dy = empty.data();
        auto const part = [&]<class P>(P, auto run) {
            std::vector<double> parts(12);
            data.partial = parts.data();
            run(data, 0, 3);
            return parts;
        };
        auto const compare = [&]<class P>(P pass) {
            auto const fast = part(pass, &GatherKernel<Op, P, Float64>::run),
                       generic = part(pass, &GenericGather<BatchPassOf<Op, P>, Float64>::run);
            CHECK(fast != std::vector<double>(12));
            for (std::size_t i = 0; i < fast.size(); ++i) CHECK(fast[i] == doctest::Approx(generic[i]).epsilon(1e-12));
        };
        compare(Op::Moments{});
        compare(Op::GradientMeans{});
    }
}
