// expect: Served: servers move all weights alike and know no Group: train without it, or with DataParallel
#include <strata/distributed/parameter_server.hpp>
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { train<Net>(Served{.servers = {"localhost:1"}}, Group{"*.bias", {.weight_decay = 0}}).train_step(Batch{}); }
