// Everything for the CPU, and Eigen: typed matrices of weights, gradients and samples, and algorithms of matrices.
// Needs Eigen 3.4. Includes only.
#pragma once

#include "strata.hpp"

#include "eigen/expression_access.hpp"
#include "eigen/gradients.hpp"
#include "eigen/inputs.hpp"
#include "eigen/muon.hpp"
#include "eigen/orthogonal.hpp"
#include "eigen/outputs.hpp"
#include "eigen/shampoo.hpp"
#include "eigen/soap.hpp"
#include "eigen/weights.hpp"
#include "eigen/whitening.hpp"
