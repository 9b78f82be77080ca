// labels: threads
#include "determinism.hpp"

using namespace strata;

// 227 = 100 + 100 + 27 samples: 100 are 6 tiles of 16 and one of 4, 27 a full and a ragged one.
TEST_CASE("LeNet trains to the same bits on 1 to 4 threads, batch 100") { check_threads<SmallLeNet>(100, 227); }
// 23 = 5 batches of 4 and one of 3: a tile of 2 and a ragged one, fewer than there are workers.
TEST_CASE("LeNet trains to the same bits on 1 to 4 threads, batch 4") { check_threads<SmallLeNet>(4, 23); }
TEST_CASE("LeNet trains to the same bits after a stop at any step") {
    check_resume<SmallLeNet>(100, 227);
    check_resume<SmallLeNet>(4, 11);
}
