// expect: with: a transform is Normalize, RandomHorizontalFlip, RandomCrop, or a callable void(std::span<float> sample,
#include <strata/data/dataset.hpp>

using namespace strata;
struct Brighter {
    void operator()(std::span<float> sample) const { sample[0] += 1; }
};
Dataset brighter(Dataset const& data) { return data.with(Brighter{}); }
