// Everything for the CPU, and the CUDA backend. Needs nvcc, the CUDA runtime and cuBLAS. Includes only.
#pragma once

#include "strata.hpp"

#include "backend/cuda/cuda.hpp"
#include "backend/cuda/cuda_device.hpp"
#include "backend/cuda/executor.hpp"
