// The C++ side of pytorch_safetensors_test.py and reference_safetensors_test.py.
//   safetensors_peer write FILE    writes the tensors below
//   safetensors_peer check FILE    loads FILE into them and compares, bit by bit where the type is the same
//   safetensors_peer judge FILE    a line for each header in FILE (8 bytes of length, 8 of the length of the data, the
//                                  header): what it holds, or a "-" and why it is refused
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <strata/io/safetensors.hpp>
#include <string_view>

using namespace strata;

namespace {
struct Tensors {
    std::array<float, 12> weight{};
    std::array<double, 2> scale{};
    std::array<float, 4> from_half{}, from_brain{};
    std::array<std::uint8_t, 3> bytes{};
    std::int64_t batches = 0;

    static Tensors expected() {
        constexpr float infinity = std::numeric_limits<float>::infinity();
        Tensors tensors;
        for (std::size_t i = 0; i < 12; ++i) tensors.weight[i] = static_cast<float>(i) / 7 - 1;
        tensors.weight[3] = -0.0f;
        tensors.weight[4] = 0x1p-149f;
        tensors.weight[5] = -infinity;
        tensors.scale = {0.1, 1e300};
        tensors.from_half = {1, -2.5f, 0x1p-24f, infinity};
        tensors.from_brain = {1, -2.5f, 0x1p-133f, infinity};
        tensors.bytes = {0, 128, 255};
        tensors.batches = (std::int64_t{1} << 40) + 1;
        return tensors;
    }
    std::vector<TensorView> views() {
        return {{"conv1.weight", {2, 3, 2}, DataType::float32, weight.data()},
                {"bn.scale \"\xc3\xa9\"", {2, 1}, DataType::float64, scale.data()},
                {"half", {4}, DataType::float32, from_half.data()},
                {"brain", {4}, DataType::float32, from_brain.data()},
                {"bytes", {3}, DataType::uint8, bytes.data()},
                {"bn.num_batches_tracked", {}, DataType::int64, &batches}};
    }
};

// Tensors and metadata as a line that Python makes too.
std::string described(std::string_view header, std::uint64_t data_bytes) try {
    auto const content = parse_safetensors_header(header, data_bytes, "header");
    std::string text = "+";
    for (auto const& [name, tensor] : content.tensors)
        append(text, " ", json_quoted(name), " ", tensor.dtype, shape_text(tensor.shape), tensor.end - tensor.begin);
    return text;
} catch (Error const& error) { return concatenate("- ", error.what()); }

void judge(std::string const& path) {
    auto file = FileDescriptor::open_to_read(path);
    for (auto rest = file.size(); rest > 0;) {
        std::uint64_t lengths[2];
        file.read(lengths, sizeof lengths);
        std::string header(lengths[0], '\0');
        file.read(header.data(), header.size());
        rest -= sizeof lengths + header.size();
        std::puts(described(header, lengths[1]).c_str());
    }
}
}  // namespace

int main(int count, char** arguments) try {
    if (count != 3) fail("expected two arguments: write FILE, check FILE or judge FILE");
    std::string const path = arguments[2];
    auto expected = Tensors::expected();
    if (std::string_view(arguments[1]) == "write") {
        write_safetensors(path, expected.views(), {{"format", "pt"}});
        return 0;
    }
    if (std::string_view(arguments[1]) == "judge") {
        judge(path);
        return 0;
    }
    Tensors loaded;
    auto const got = loaded.views(), wanted = expected.views();
    load_tensors(SafetensorsFile(path), got);
    for (std::size_t i = 0; i < got.size(); ++i)
        if (std::memcmp(got[i].data, wanted[i].data, got[i].bytes()) != 0)
            fail(path, ": tensor ", json_quoted(got[i].name), " has other values than expected");
    return 0;
} catch (Error const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
