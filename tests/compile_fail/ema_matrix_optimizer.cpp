// expect: Ema goes with elementwise optimizers: Muon, Shampoo, SOAP, LAMB and LARS keep no state beside each weight
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { train<Net>(LAMB{}, Ema{}).train_step(Batch{}); }
