// expect: train: two policies of the same kind
#include <strata/strata.hpp>

using namespace strata;
int main() { static_cast<void>(train<Network<Input<4>, Linear<2>>>(SGD{}, Adam{})); }
