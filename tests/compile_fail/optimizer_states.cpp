// expect: an optimizer and the update that it prepares say different numbers of states
#include <strata/strata.hpp>

using namespace strata;
struct SignSGD {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;
    double learning_rate = 1e-3;
    template <class T>
    struct Update {
        static constexpr int states = 2;
        T rate;
        template <class L>
        void operator()(L& w, L gradient, L (&)[2]) const {
            w = w - select(gradient > L(0), L(rate), L(-rate));
        }
    };
    template <class T>
    Update<T> prepare(OptimizerStep const& step) const {
        return {static_cast<T>(step.learning_rate)};
    }
};
int main() {
    auto trainer = train<Network<Input<4>, Linear<2>>>(SignSGD{});
    trainer.train_step(Batch{});
}
