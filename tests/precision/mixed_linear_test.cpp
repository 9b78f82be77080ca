// labels: isa
// Linear of Mixed<bfloat16> on its fast kernels: whole vectors of inputs and the rest, odd numbers of
// inputs and outputs.
#include "mixed_layer.hpp"


using namespace strata;

TEST_CASE("Linear") {
    compare_mixed<Linear<5>, Shape<7>>();
    compare_mixed<Linear<18, NoBias>, Shape<16>>();
    compare_mixed<Linear<33>, Shape<83>>();
    compare_mixed<Linear<1>, Shape<1>>();
}
