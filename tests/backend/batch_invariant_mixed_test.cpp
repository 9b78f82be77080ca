// labels: isa plain
// An answer does not depend on its company, in Mixed<bfloat16>: batch_invariant_test has the other precisions.
#include "company.hpp"

using namespace strata;
using namespace strata::company;

TEST_CASE_TEMPLATE("a sample alone and in company, Mixed<bfloat16>", Net, LeNet, FoldedNetwork<ResNet>, SeparableNet,
                   Mlp, Kinds, Average) {
    check_alone<Net, Mixed<bfloat16>>();
}
