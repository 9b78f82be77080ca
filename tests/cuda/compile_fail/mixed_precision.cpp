// expect: Cuda: mixed precision runs on the CPU, the GPU has Float32 and Float64
#include <strata/cuda.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { static_cast<void>(train<Net>(Cuda{}, Mixed<bfloat16>{})); }
