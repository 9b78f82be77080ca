// expect: Heads: each head is Named
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Heads<Named<"a", Linear<4>>, Linear<2>>>;

int main() { return Net::parameter_count; }
