// expect: ClassWeights<Classes> takes one weight for each class: Classes is another number
#include <strata/loss/weighted_cross_entropy.hpp>

using namespace strata;
WeightedCrossEntropy<4> const loss{.class_weights = {1, 2.5}};
