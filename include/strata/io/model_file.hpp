// Weights of models in files: safetensors with PyTorch's names and layouts.
#pragma once

#include <algorithm>
#include <utility>

#include "../network/model.hpp"
#include "safetensors.hpp"

namespace strata::inline STRATA_ABI {

/// Writes a model's weights and buffers. Python: `safetensors.torch.load_file(path)` gives the state dict. Throws Error
/// when the file cannot be written; an older file then stays.
template <class Net, class Precision>
STRATA_COLD void save(Model<Net, Precision> const& model, std::string const& path) {
    write_safetensors(path, model.tensors(), {{"format", "pt"}});
}

/// Fills a model from a file, as load_tensors does. Every name, shape and dtype is checked first; throws one Error that
/// lists the differences, and the model is untouched then. Returns what was left out.
template <class Net, class Precision>
LoadReport load_into(Model<Net, Precision>& model, std::string const& path, LoadOptions const& options = {}) {
    SafetensorsFile const file(path);
    bool const prefixed = std::any_of(file.tensors().begin(), file.tensors().end(),
                                      [](auto const& entry) { return entry.name.starts_with("model."); });
    if (options.strip_prefix.empty() && file.metadata().find("strata.format") && prefixed)
        fail(path, ": a checkpoint, expected a file of weights: Trainer::load_checkpoint reads it, or, weights alone, ",
             "LoadOptions{.strip_prefix = \"model.\", .allow_extra = true}");
    return load_tensors(file, model.tensors(), options);
}

/// A model from a file: `auto model = load<LeNet>("lenet.safetensors");`. What options leave out is as the layers
/// initialise it; a `report` that is given says what that is.
template <class Net, class Precision = Float32>
[[nodiscard]] Model<Net, Precision> load(std::string const& path, LoadOptions const& options = {},
                                         LoadReport* report = nullptr) {
    Model<Net, Precision> model;
    LoadReport left_out = load_into(model, path, options);
    if (report) *report = std::move(left_out);
    return model;
}

}  // namespace strata::inline STRATA_ABI
