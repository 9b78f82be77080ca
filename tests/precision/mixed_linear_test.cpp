// labels: isa
// Linear of Mixed<bfloat16> on its fast kernels: whole vectors of inputs and the rest, odd numbers of
// inputs and outputs.
#include "mixed_layer.hpp"

using namespace strata;

namespace {
struct OwnMixed : Mixed<bfloat16> {
    static constexpr bool winograd = false;
};
}  // namespace

TEST_CASE("Linear") {
    compare_mixed<Linear<5>, Shape<7>>();
    compare_mixed<Linear<18, NoBias>, Shape<16>>();
    compare_mixed<Linear<33>, Shape<83>>();
    compare_mixed<Linear<1>, Shape<1>>();
}

TEST_CASE("pairs are taken where the processor multiplies them faster than floats, and the table says so") {
    using Op = Linear<4>::On<Shape<8>>;
    using Kernel = ForwardKernel<Op, Mixed<bfloat16>>;
    static_assert(std::is_base_of_v<detail::PairForward<Op>, Kernel> == detail::pairs_pay);
    static_assert(detail::pairs_pay == (detail::pair_rate > 1));
    CHECK(std::string(Kernel::note.name) == (detail::pairs_pay ? "pairs of bfloat16" : "Linear in float"));
}

TEST_CASE("a policy of one's own that derives from Mixed has its kernels") {
    using Op = Conv2d<16, 3, Padding<1>>::On<Shape<16, 8, 8>>;
    CHECK(std::string(ForwardKernel<Op, OwnMixed>::note.name) == "direct in float");
    CHECK(std::string(ForwardKernel<Op, Mixed<bfloat16>>::note.name) ==
          (detail::pairs_are_faster<Op> ? "pairs of bfloat16" : "Winograd"));
}
