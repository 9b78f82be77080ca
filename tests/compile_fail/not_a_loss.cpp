// expect: a loss is a plain value with using policy = LossPolicy, static constexpr bool classifies and
// expect: which returns a lane, io.L: the loss of a row of K outputs
#include <strata/strata.hpp>

using namespace strata;
struct Mean {
    using policy = LossPolicy;
    template <int K, class Io>
    auto operator()(Io const& io) const {
        return io.x[0] / K;
    }
};
int main() {
    auto trainer = train<Network<Input<4>, Linear<2>>>(Mean{});
    trainer.train_step(Batch{});
}
