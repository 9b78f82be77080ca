// expect: a kernel needs static constexpr Items items and static void run(KernelData<Precision> const&, int begin, int end)
#include <strata/backend/cpu/kernel/choice.hpp>

using namespace strata;
template <class Op, class Precision>
struct Mine {
    static void run(KernelData<Precision> const&, int, int) {}
};
template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct strata::OwnKernels<AffineMap<Inputs, Outputs, HasBias, Scheme>, KernelPass::forward> : KernelList<Mine> {};

int const size = sizeof(ForwardKernel<Linear<4>::On<Shape<8>>, Float32>);
