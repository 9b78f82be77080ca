// expect: Accumulate works on the CPU: this backend takes a batch as a whole, give fit the larger batch_size
#include <strata/cuda.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { static_cast<void>(train<Net>(Cuda{}, Accumulate{4})); }
