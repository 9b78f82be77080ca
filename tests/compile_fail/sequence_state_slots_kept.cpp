// expect: the same network and precision as the model; slots are chosen in the call itself
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, Linear<12>>;

void answer(Model<Net> const& model, std::vector<float> const& tokens, SequenceState<Net>& state) {
    Workspace<Net> workspace;
    auto slots = state[{0, 2}];  // the list is gone
    model.append(tokens, slots, workspace);
}
