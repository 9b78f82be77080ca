// expect: averaged: this training keeps no average: give train an Ema
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { auto const model = train<Net>(AdamW{}).averaged(); }
