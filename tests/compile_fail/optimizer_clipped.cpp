// expect: an optimizer is a plain value with using policy = OptimizerPolicy, double learning_rate and
#include <strata/strata.hpp>

using namespace strata;
struct HeavyBall {  // says nothing of its state
    using policy = OptimizerPolicy;
    double learning_rate = 1e-3;
    template <class T>
    struct Update {
        T rate;
        template <class L>
        void operator()(L& w, L gradient, L (&state)[1]) const {
            state[0] = L(0.5) * state[0] + gradient;
            w = w - L(rate) * state[0];
        }
    };
    template <class T>
    Update<T> prepare(OptimizerStep const& step) const {
        return {static_cast<T>(step.learning_rate)};
    }
};
int main() {
    auto trainer = train<Network<Input<4>, Linear<2>>>(HeavyBall{}, ClipNorm{}, Ema{});
    trainer.train_step(Batch{});
}
