// expect: lanes compare sample by sample: write select(mask, yes, no) instead of if and ?:, and & | ! instead of && ||
#include <strata/core/lane.hpp>

using namespace strata;
struct Rectifier {
    template <class L>
    static L forward(L x) {
        return x > L(0) ? x : L(0);
    }
};
auto run(Lane<float, 4> x) { return Rectifier::forward(x); }
