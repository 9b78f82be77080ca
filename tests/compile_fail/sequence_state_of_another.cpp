// expect: model.append(tokens, state, workspace): the state is a SequenceState, or some of its slots, state[{0, 2}], and the workspace a Workspace, neither const, both of the same network and precision as the model
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, Linear<12>>;

void answer(std::vector<float> const& tokens) {
    Workspace<Net> workspace;
    SequenceState<Net, Float64> state(1, 4);
    Model<Net>().append(tokens, state, workspace);
}
