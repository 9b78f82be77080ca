// What no network type touches, compiled once: files, data, progress, tables, and the kernels of floats. The library
// strata::files is this, for programs compiled with STRATA_FILES, which its target defines; without CMake, compile a
// file with this line and link it:
//
//     #include <strata/files.ipp>   // c++ -DSTRATA_FILES, and the other options of the program
//
// A program that does without it gets the same functions inline, from the headers.
#pragma once

#define STRATA_FILES_SOURCE

#include "backend/cpu/kernel/compiled.hpp"
#include "data/cifar.ipp"
#include "data/dataset.ipp"
#include "data/idx.ipp"
#include "data/input_file.ipp"
#include "data/loader.ipp"
#include "data/transform.ipp"
#include "io/atomic_file.ipp"
#include "io/checkpoint_file.ipp"
#include "io/convert.ipp"
#include "io/file_descriptor.ipp"
#include "io/foreign_file.ipp"
#include "io/json.ipp"
#include "io/json_scanner.ipp"
#include "io/load_differences.ipp"
#include "io/load_tensors.ipp"
#include "io/metadata.ipp"
#include "io/safetensors_header.ipp"
#include "io/utf8.ipp"
#include "io/write_safetensors.ipp"
#include "network/summary.ipp"
#include "train/input_check.ipp"
#include "train/metrics.ipp"
#include "train/monitor.ipp"
#include "train/progress.ipp"
#include "train/training_state.ipp"
