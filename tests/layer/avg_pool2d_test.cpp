// AvgPool2d and GlobalAvgPool2d against LibTorch and by central differences.
#include "strata/layer/avg_pool2d.hpp"

#include "oracle_run.hpp"
#include "strata/backend/cpu/kernel/pooling/global_average_kernel.hpp"
#include "strata/backend/cpu/kernel/pooling/padded_pooling_kernel.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;
using X = Shape<2, 7, 6>;

namespace {
template <class Layer>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>("avgpool2d/2x7x6_" + name);
    compare_fast_with_libtorch<Layer, X>("avgpool2d/2x7x6_" + name);
}
/// The kernels of small tiles against the generic ones in double: sums of at most 72 numbers below 1, rounded at each
/// addition, and divided; gradients of at most 49 terms.
template <class Layer, class Image>
void compare_with_generic() {
    using Op = typename Layer::template On<Image>;
    auto const oracle = generic_kernels_of<Op, Float64, 1>();
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_kernels(kernels_of<Op, Float32, S>(), oracle, 74 * 0x1p-24), ...);
        (compare_kernels(kernels_of<Op, Float64, S>(), oracle, 74 * 0x1p-53), ...);
    }(std::integer_sequence<int, 1, 2, 4, 8, 16>{});
}
}  // namespace

TEST_CASE("windows with and without overlap and padding") {
    compare<AvgPool2d<2>>("k2_s2_p0");
    compare<AvgPool2d<3, Stride<2>>>("k3_s2_p0");
    compare<AvgPool2d<3, Stride<2>, Padding<1>>>("k3_s2_p1");
    compare<AvgPool2d<2, Stride<1>>>("k2_s1_p0");
    compare<AvgPool2d<3, Padding<1>>>("k3_s3_p1");
}

TEST_CASE("padding left out of the divisor") {
    compare<AvgPool2d<3, Stride<2>, Padding<1>, ExcludePadding>>("k3_s2_p1_excludepad");
    compare<AvgPool2d<3, ExcludePadding, Padding<1>>>("k3_s3_p1_excludepad");
}

TEST_CASE("global average") {
    compare_with_libtorch<GlobalAvgPool2d, Shape<4, 5, 3>>("globalavgpool2d/4x5x3");
    compare_fast_with_libtorch<GlobalAvgPool2d, Shape<4, 5, 3>>("globalavgpool2d/4x5x3");
    compare_with_generic<GlobalAvgPool2d, Shape<3, 8, 9>>();
    compare_with_generic<GlobalAvgPool2d, Shape<2, 1, 1>>();
    compare_with_generic<GlobalAvgPool2d, Shape<3, 7, 7>>();
}

namespace {
/// Means of `samples` images of all kernels for tiles of S samples.
template <class Image, class T, class L>
std::vector<T> global_means(std::vector<T> const& images, int S) {
    std::size_t const size = Image::size, samples = static_cast<std::size_t>(S);
    std::vector<T> x(size * samples), y(channels_of<Image> * samples);
    for (std::size_t s = 0; s < samples; ++s)
        for (std::size_t e = 0; e < size; ++e) x[e * samples + s] = images[s * size + e];
    detail::global_average_of<1, L>(x.data(), y.data(), pixels_of<Image>, S, 0, channels_of<Image>);
    return y;
}
}  // namespace

// PyTorch 1.13 has an error of 1.5e-7 in the first case, one of four chains 2.5e-3.
TEST_CASE("the mean of a million pixels is right, and a sample's bits do not depend on its tile or on the vectors") {
    using Large = Shape<1, 1024, 1024>;
    std::vector<float> const same(Large::size, 0.1f);
    CHECK(std::abs(global_means<Large, float, widest_lane<float>>(same, 1)[0] / 0.1f - 1) < 1.6e-7f);
    float generic = 0;
    KernelData<Float32> a;
    a.x = same.data();
    a.y = &generic;
    a.stride = a.samples = 1;
    GenericForward<GlobalAveragePooling<Large>, Float32>::run(a, 0, 1);
    CHECK(std::abs(generic / 0.1f - 1) < 1.6e-7f);

    auto const check = []<class Image>(Image) {
        std::vector<float> images(128 * Image::size);
        Random random(3, Purpose::user);
        for (float& v : images) v = static_cast<float>(random.normal());
        std::vector<float> alone;  // [sample][channel]
        for (std::size_t s = 0; s < 128; ++s)
            for (float const mean : global_means<Image, float, float>(
                     {images.data() + s * Image::size, images.data() + (s + 1) * Image::size}, 1))
                alone.push_back(mean);
        for (int S = 1; S <= 128; S *= 2) {
            CAPTURE(S);
            auto const compare = [&](std::vector<float> const& tile) {
                constexpr auto channels = static_cast<std::size_t>(channels_of<Image>);
                bool equal = true;
                for (std::size_t c = 0; c < channels; ++c)
                    for (std::size_t s = 0; s < static_cast<std::size_t>(S); ++s)
                        equal = equal && tile[c * static_cast<std::size_t>(S) + s] == alone[s * channels + c];
                CHECK(equal);
            };
            compare(global_means<Image, float, widest_lane<float>>(images, S));
            compare(global_means<Image, float, lane_for<float, 4>>(images, S));
            compare(global_means<Image, float, float>(images, S));
        }
    };
    check(Shape<3, 7, 7>{});
    check(Shape<2, 1, 3>{});
    check(Shape<2, 30, 41>{});
    check(Shape<2, 16, 16>{});
}

// One sum over all pixels has an error of 2.5e-3.
TEST_CASE("the mean of a window of many pixels is right, overlapping and disjoint ones, in tiles of all sizes") {
    auto const check = []<class Layer, int S>(Layer, std::integral_constant<int, S>) {
        using Op = typename Layer::template On<Shape<1, 512, 520>>;
        using Kernel = ForwardKernel<Op, Float32>;
        AlignedVector<float> x(Op::Input::size * S, 0.1f), y(Op::Output::size * S),
            scratch(static_cast<std::size_t>(Kernel::scratch(S)) + 1);
        KernelData<Float32> a;
        a.x = x.data();
        a.y = y.data();
        a.scratch = scratch.data();
        a.stride = a.samples = S;
        Kernel::run(a, 0, Op::Output::template extent<1>);
        // Twice some 500 additions, each rounded by at most half a unit: the last one of the sum.
        for (float const mean : y) CHECK(std::abs(mean / 0.1f - 1) < 1024 * 0x1p-24f);
    };
    check(AvgPool2d<512>{}, std::integral_constant<int, 1>{});
    check(AvgPool2d<512>{}, std::integral_constant<int, 16>{});
    check(AvgPool2d<512, Stride<4>>{}, std::integral_constant<int, 1>{});
    check(AvgPool2d<512, Stride<4>>{}, std::integral_constant<int, 16>{});
}

// Row by row, one row or one column would be a single sum again.
TEST_CASE("the mean of a window that is long one way is right") {
    auto const check = []<class Image, class Layer>(Image, Layer) {
        using Op = typename Layer::template On<Image>;
        AlignedVector<float> x(Image::size, 0.1f), y(Op::Output::size);
        KernelData<Float32> a;
        a.x = x.data();
        a.y = y.data();
        a.stride = a.samples = 1;
        ForwardKernel<Op, Float32>::run(a, 0, Op::Output::template extent<1>);
        for (float const mean : y) CHECK(std::abs(mean / 0.1f - 1) < 16 * 0x1p-24f);
    };
    check(Shape<1, 1, 65536>{}, AvgPool2d<Size{1, 65536}>{});
    check(Shape<1, 65536, 1>{}, AvgPool2d<Size{65536, 1}>{});
}

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 5, 4>, AvgPool2d<Size{3, 2}, Stride<2, 1>, Padding<1>, ExcludePadding>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<3, 2, 3>, GlobalAvgPool2d>>().error < 1e-6);
}

// Rows of whole vectors and not, several bands of a plane, pixels that no window sees, strides of one axis.
TEST_CASE("kernels of small tiles") {
    compare_with_generic<AvgPool2d<3, Stride<2>, Padding<1>>, Shape<3, 9, 34>>();
    compare_with_generic<AvgPool2d<3, Stride<2>, Padding<1>, ExcludePadding>, Shape<2, 8, 7>>();
    compare_with_generic<AvgPool2d<3, Stride<1>, Padding<1>>, Shape<3, 40, 70>>();
    // Three bands of seven rows in tiles of eight floats: only the first one has padding, and the next
    // plane begins with it again.
    compare_with_generic<AvgPool2d<3, Stride<2>, Padding<1>>, Shape<2, 42, 70>>();
    compare_with_generic<AvgPool2d<2, Stride<3>>, Shape<2, 11, 9>>();
    compare_with_generic<AvgPool2d<Size{3, 2}, Stride<2, 1>, Padding<1>, ExcludePadding>, Shape<2, 5, 4>>();
    compare_with_generic<AvgPool2d<7, Stride<4>, Padding<3>>, Shape<1, 12, 13>>();
}
