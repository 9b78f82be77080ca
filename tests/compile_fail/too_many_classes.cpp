// expect: a loss over more than 2^24 classes needs Float64: float does not know their numbers apart
#include <strata/strata.hpp>

void run() { auto trainer = strata::train<strata::Network<strata::Input<1>, strata::Linear<(1 << 24) + 4>>>(); }
