// Networks of more parameters and larger tiles than an int counts: constants of types, of which no memory is touched.
#include <strata/distributed.hpp>
#include <strata/strata.hpp>

#include <doctest/doctest.h>

using namespace strata;

namespace {

using Square = Network<Input<65536>, Linear<65536>>;
constexpr std::int64_t square = std::int64_t{65536} * 65536 + 65536;
static_assert(Shape<65536, 65536>::size == square - 65536 && Shape<65536, 65536>::rows == 65536);
static_assert(Shape<65536, 65536>::index(65535, 65535) == square - 65536 - 1);
static_assert(Shape<65536, 65536>::position(square - 65536 - 2)[1] == 65534);
static_assert(std::is_same_v<decltype(Shape<46340, 46340>::index(1, 1)), int>);  // as in kernels
static_assert(Square::parameter_count == square && Square::weight_count == square);
static_assert(Square::parameter_bytes<> == 4 * square && Square::parameter_bytes<double> == 8 * square);
static_assert(Square::flops == 2.0 * 65536 * 65536);

/// Seven billion parameters, as large language models have them; the second half is not trained.
template <int N>
using Block = Network<Input<16384>, Repeat<N, Linear<16384>, ReLU>, Frozen<Repeat<N, Linear<16384, NoBias>, ReLU>>,
                      Named<"head", Linear<10>>>;
using Deep = Block<13>;
constexpr std::int64_t weights = std::int64_t{16384} * 16384;
static_assert(Deep::parameter_count == 13 * (weights + 16384) + 16385 * 10);
static_assert(Deep::buffer_count == 13 * weights && Deep::moving_buffer_count == 0);
static_assert(Deep::weight_count == Deep::parameter_count + 13 * weights);
static_assert(Deep::parameter_offset[24] == 12 * (weights + 16384) && Deep::buffer_offset[26 + 24] == 12 * weights);
static_assert(parameter_table<Deep>[25].offset == 12 * (weights + 16384) + weights &&
              parameter_table<Deep>[25].size == 16384);
static_assert(buffer_table<Deep>[12].offset == 12 * weights);
static_assert(ParameterGroups<Deep>::parameters(ParameterGroups<Deep>::count - 1).end == Deep::parameter_count);
static_assert(detail::norm_chunk == 4096 && detail::parameter_chunks(square) == 1048592);

/// Images of 2^25 numbers and more, 2^31 bytes in a tile of 16, all of them kept.
using Wide = Network<Input<8, 2048, 2048>, Repeat<32, Conv2d<8, 3, Padding<1>>, ReLU>, GlobalAvgPool2d, Linear<2>>;
constexpr std::int64_t image = std::int64_t{8} * 2048 * 2048;
static_assert(Wide::training_plan.size > 33 * image && Wide::training_plan.value[63] == 32 * image);
static_assert(Wide::training_bytes_per_sample<> > std::size_t{33} * 4 * image);

template <class Net>
constexpr auto program = detail::program_of<Net, Float32, CrossEntropy, true>();
template <class Net>
constexpr auto layout_bytes = CpuExecutor<Net, Float32, CrossEntropy, detail::Alone>::training_memory_bytes(2, 256);
// Tiles of so few samples that a value's numbers are counted in int.
using Wider = Network<Input<128, 1024, 1024>, Conv2d<1, 1>, GlobalAvgPool2d, Linear<2>>;
static_assert(detail::most_tile_samples<Wider, Float32>() == 8);
static_assert(detail::most_tile_samples<Wide, Float32>() == 16 && detail::most_tile_samples<Square, Float32>() == 64);
static_assert(program<Wide>.size > 33 * image && layout_bytes<Wide> > std::size_t{2} * 16 * 33 * 4 * image);
static_assert(program<Square>.steps[1].parameters.count == square && layout_bytes<Square> > 4 * square);
static_assert(program<Deep>.steps[26].offsets.parameters == 12 * weights);

// Operations that differ are compiled, here seven, whatever the depth; the first convolution has another input.
template <class... Layers>
using Blocks = Network<Input<3, 6, 6>, Named<"h", Layers...>, Named<"head", Flatten, Linear<2>>>;
template <int Channels>
using Unit = Inline<Conv2d<Channels, 3, SamePadding>, Residual<Main<BatchNorm2d<>>, After<ReLU>>>;
using Repeated = Blocks<Repeat<5, Unit<8>>>;
using SpeltOut = Blocks<Unit<8>, Unit<8>, Unit<8>, Unit<8>, Unit<8>>;
static_assert(Repeated::operation_count == 22 && Repeated::kinds.count == 7 && SpeltOut::kinds.count == 7);
static_assert(Blocks<Repeat<100, Unit<8>>>::kinds.count == 7);
// Of operations of one type some have an input gradient: fill, two forward, loss, then two and one.
static_assert(program<Network<Input<4>, Repeat<2, Linear<4>>>>.steps.size() == 7);

}  // namespace

TEST_CASE("seven billion parameters are described, laid out in files and dealt out to ranks") {
    auto const table = describe<Deep>();
    CHECK(table.parameters == Deep::weight_count);
    CHECK(table.parameter_bytes == 4 * Deep::weight_count);
    CHECK(describe<Wide>().training_workspace_bytes > 16 * 33 * 4 * image);
    CHECK(summary<Square>().find("4,295,032,832 (16.0 GiB)") != std::string::npos);

    // The last tensor of a file begins behind all the others.
    char memory_of_none = 0;
    std::vector<TensorView> tensors;
    for (auto const& row : parameter_table<Deep>)
        tensors.push_back({concatenate(row.layer, ".", row.name),
                           {row.shape.begin(), row.shape.end()},
                           DataType::float32,
                           &memory_of_none});
    auto const file = detail::file_layout("deep", tensors, {});
    CHECK(file.header.find(concatenate(",", 4 * Deep::parameter_count, "]}}")) != std::string::npos);

    auto const memory = memory_of<Deep>(64, 4, 3, Cpu{}, Sharded<3>{});
    CHECK(memory.total() > std::size_t{4} * 3 * weights);
}

TEST_CASE("a network that repeats its blocks is the one that spells them out") {
    auto const &repeated = program<Repeated>, &spelt = program<SpeltOut>;
    for (std::size_t i = 0; i < Repeated::layer_table.size(); ++i) {
        CAPTURE(i);
        CHECK(Repeated::layer_table[i].name == SpeltOut::layer_table[i].name);
        CHECK(Repeated::training_plan.value[i + 1] == SpeltOut::training_plan.value[i + 1]);
        CHECK(Repeated::training_plan.gradient[i + 1] == SpeltOut::training_plan.gradient[i + 1]);
    }
    CHECK(Repeated::training_plan.size == SpeltOut::training_plan.size);
    CHECK(Repeated::parameter_offset == SpeltOut::parameter_offset);
    // The same kernels on the same numbers, so the same bits.
    REQUIRE(repeated.steps.size() == spelt.steps.size());
    for (std::size_t k = 0; k < spelt.steps.size(); ++k) {
        CAPTURE(k);
        auto const &one = repeated.steps[k], &other = spelt.steps[k];
        bool const same_kernel = one.kernel == other.kernel;
        CHECK(same_kernel);
        CHECK(one.operation == other.operation);
        CHECK(one.offsets.parameters == other.offsets.parameters);
        CHECK(one.offsets.x == other.offsets.x);
        CHECK(one.offsets.y == other.offsets.y);
        CHECK(one.offsets.dx == other.offsets.dx);
        CHECK(one.reduction.at == other.reduction.at);
    }
}
