// safetensors, the format PyTorch users exchange weights in: write_safetensors, SafetensorsFile, load_tensors.
#pragma once

#include "load_tensors.hpp"
#include "safetensors_file.hpp"
#include "write_safetensors.hpp"
