// expect: train takes policies: a backend, a precision, a loss, an optimizer, Group, ClipNorm or ClipValue, Ema, Accumulate, a schedule, a loss scale, DataParallel, Seed, NonFinite
#include <strata/strata.hpp>

using namespace strata;
int main() { static_cast<void>(train<Network<Input<4>, Linear<2>>>(5)); }
