// expect: Trainer: a BatchNorm stands in a Shared that is used again, or between two uses of one: take GroupNorm or
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<4>, Repeat<2, Shared<"cell", Linear<4>, BatchNorm1d<>>>>;

int main() { train<Net>().train_step(Batch{}); }
