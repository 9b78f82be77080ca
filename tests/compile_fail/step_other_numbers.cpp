// expect: a step on arrays: the samples are float, double or uint8 (ids int32, uint16 or uint8), the labels integers, or the targets float or double
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3>, Linear<2>>;

int main() {
    auto trainer = train<Net>();
    trainer.train_step(std::vector<long>(3), std::vector<int>(1));
}
