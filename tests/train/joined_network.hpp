// A small network of branches: parts that are copied and parts in their place, a gradient that comes before its part's,
// products of both kinds.
#pragma once

#include "small_training.hpp"

namespace strata {

struct Gate {
    template <class L>
    STRATA_HD L forward(L x) const {
        return L(1) / (L(1) + exp(L(0) - x));
    }
    template <class L>
    STRATA_HD L backward(L, L y, L dy) const {
        return dy * y * (L(1) - y);
    }
};

template <class In>
using JoinedOn = Network<In, Concat<Branch<>, Branch<Conv2d<3, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU>>,
                         Residual<Main<Concat<Branch<>, Branch<Conv2d<2, 1>, ReLU>>, Conv2d<5, 3, Padding<1>>>>,
                         Multiply<Branch<>, Branch<GlobalAvgPool2d, Linear<2>, ReLU, Linear<5>, Gate>>, MaxPool2d<2>,
                         Concat<Branch<Conv2d<4, 1>>, Branch<Conv2d<3, 3, Padding<1>>, Dropout<0.2>>, Branch<>>, ReLU,
                         Multiply<Branch<>, Branch<Conv2d<12, 1>, Gate>>, Flatten, Linear<5>>;
using JoinedNetwork = JoinedOn<RequiresGrad<Input<2, 12, 12>>>;
using PlainJoinedNetwork = JoinedOn<Input<2, 12, 12>>;

}  // namespace strata
