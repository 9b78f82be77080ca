// expect: a backend is a plain value with using policy = BackendPolicy and template <class Net, class Precision, class
// expect: what concept Executor in strata/backend/backend.hpp says
#include <strata/strata.hpp>

using namespace strata;
struct Abacus {
    using policy = BackendPolicy;
    template <class Net, class Precision, class Loss>
    struct Executor {
        using ModelType = Model<Net, Precision>;
        using Scalar = typename Precision::master;
        Executor(Abacus, Loss) {}
        StepResult gradients(ModelType const&, Batch const&, RandomKey) { return {}; }
    };
};
int main() {
    auto trainer = train<Network<Input<4>, Linear<2>>>(Abacus{});
    trainer.train_step(Batch{});
}
