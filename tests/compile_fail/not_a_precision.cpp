// expect: a precision is a plain value with using policy = PrecisionPolicy and the types storage, compute, accumulation
#include <strata/strata.hpp>

using namespace strata;
struct Short {
    using policy = PrecisionPolicy;
    using storage = bfloat16;
};
int main() {
    auto trainer = train<Network<Input<4>, Linear<2>>>(Short{});
    trainer.train_step(Batch{});
}
