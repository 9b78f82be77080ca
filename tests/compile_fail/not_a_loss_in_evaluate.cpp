// expect: a loss is a plain value with using policy = LossPolicy, static constexpr bool classifies and
#include <strata/strata.hpp>

using namespace strata;
struct Mean {
    using policy = LossPolicy;
};
void run(Model<Network<Input<4>, Linear<2>>> const& model, Dataset const& data) { evaluate(model, data, Mean{}); }
