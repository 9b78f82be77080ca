// expect: SequenceState: a layer looks at tokens that are yet to come (Attention that is not Causal, SequenceMean, SequenceMax), or does not say what it keeps (State): such sequences cannot be continued
#include <strata/strata.hpp>

using namespace strata;

SequenceState<Network<Sequence<Input<4>>, Linear<12>, Attention<2>>> state(1, 4);
