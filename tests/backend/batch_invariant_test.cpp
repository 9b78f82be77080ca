// labels: isa plain
// An answer does not depend on its company: a sample's outputs are the same bits alone and in any batch, at any place in
// it, with any number of threads. batch_invariant_mixed_test does it in Mixed<bfloat16>.
#include "company.hpp"

using namespace strata;
using namespace strata::company;

TEST_CASE_TEMPLATE("a sample alone and in company, Float32", Net, LeNet, ResNet, FoldedNetwork<ResNet>, SeparableNet,
                   Mlp, Kinds) {
    check_alone<Net, Float32>();
}

TEST_CASE_TEMPLATE("a sample alone and in company, Float64", Net, SeparableNet, Mlp) { check_alone<Net, Float64>(); }

TEST_CASE("a long average alone and in company") { check_alone<Average, Float32>(); }

TEST_CASE_TEMPLATE("the fastest kernels of each tile give other bits, which come near", Net, LeNet, ResNet,
                   SeparableNet, Mlp, Kinds) {
    auto const found = differences(model_of<Net, Float32>(7), Cpu{.threads = 1});
    CHECK(found.samples > 0);
    CHECK(found.largest < 1e-4);  // outputs of order one, rounded on the way a few times
}
