// labels: threads
#include "determinism.hpp"

using namespace strata;

TEST_CASE("a BatchNorm network trains to the same bits on 1 to 4 threads, batch 100") {
    check_threads<SmallResNet>(100, 227);
}
TEST_CASE("a BatchNorm network trains to the same bits on 1 to 4 threads, batch 4") {
    check_threads<SmallResNet>(4, 23);
}
TEST_CASE("a BatchNorm network trains to the same bits after a stop at any step") {
    check_resume<SmallResNet>(100, 227);
    check_resume<SmallResNet>(4, 11);
}
