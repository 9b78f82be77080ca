// Everything for the CPU, and Eigen: typed matrices of weights, gradients and samples, and algorithms of matrices.
// Needs Eigen 3.4. Includes only.
#pragma once

#include "strata.hpp"

#include "eigen/gradients.hpp"
#include "eigen/inputs.hpp"
#include "eigen/outputs.hpp"
#include "eigen/weights.hpp"
