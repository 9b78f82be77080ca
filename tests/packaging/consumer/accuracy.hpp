// What both libraries compile. Static: a function of a user's has one name, whatever it is compiled for.
#pragma once

#include <algorithm>
#include <strata/strata.hpp>

#include "network.hpp"

using Net = strata::Network<strata::Input<1, 12, 12>, strata::Conv2d<8, 3, strata::Padding<1>>, strata::BatchNorm2d<>,
                            strata::ReLU, strata::MaxPool2d<2>, strata::Conv2d<8, 3>, strata::ReLU, strata::Flatten,
                            strata::Linear<4>>;

static double accuracy(Weights weights, std::span<float const> images, std::span<std::int32_t const> labels) {
    strata::Model<Net> model;
    std::copy(weights.parameters.begin(), weights.parameters.end(), model.parameters().begin());
    std::copy(weights.buffers.begin(), weights.buffers.end(), model.buffers().begin());
    strata::Workspace<Net> workspace;
    auto const scores = std::as_const(model)(images, workspace);
    double right = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        auto const row = scores.subspan(4 * i, 4);
        if (std::max_element(row.begin(), row.end()) - row.begin() == labels[i]) ++right;
    }
    return right / static_cast<double>(labels.size());
}
