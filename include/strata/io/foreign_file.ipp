// The functions of foreign_file.hpp that no network type touches.
#pragma once

#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "foreign_file.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD std::string foreign_file(std::string const& path, std::string_view begin) {
    using namespace std::string_view_literals;
    auto const python = [&](char const* what, char const* conversion) {
        return concatenate("this is ", what, ", expected a safetensors file; in Python: file = \"", path, "\"; ",
                           conversion, ", file + \".safetensors\")");
    };
    char const* const torch =
        "import torch, safetensors.torch as st; tensors = torch.load(file, map_location=\"cpu\"); "
        "tensors = tensors.get(\"state_dict\", tensors); "
        "st.save_file({name: t.contiguous().clone() for name, t in tensors.items()}";
    // In a zip archive the first member's name stands at byte 30.
    if (begin.starts_with("PK\3\4"sv) && begin.substr(0, 100).find(".npy") != begin.npos)
        return python("a zip archive of NumPy's arrays",
                      "import numpy, safetensors.numpy as st; st.save_file(dict(numpy.load(file))");
    if (begin.starts_with("PK\3\4"sv)) return python("a zip archive, as torch.save writes", torch);
    // A pickle of protocol 2 to 5; before 1.6 torch.save wrote one after the other.
    if (begin.size() > 2 && begin[0] == '\x80' && begin[1] >= 2 && begin[1] <= 5)
        return python("a pickle, as torch.save wrote before PyTorch 1.6", torch);
    // A protocol buffer with ir_version, then one of ModelProto's other fields.
    constexpr std::string_view fields = "\x12\x1a\x22\x28\x32\x3a\x42";
    if (begin.size() > 3 && begin[0] == 8 && begin[1] > 0 && begin[1] < 64 && fields.find(begin[2]) != fields.npos)
        return python("an ONNX model",
                      "import onnx, onnx.numpy_helper as nh, safetensors.numpy as st; "
                      "st.save_file({t.name: nh.to_array(t).copy() for t in onnx.load(file).graph.initializer}");
    if (begin.starts_with("\x89HDF"sv)) return "this is an HDF5 file, as Keras writes, expected a safetensors file";
    if (begin.starts_with("GGUF"sv)) return "this is a GGUF file, expected a safetensors file";
    if (begin.starts_with("\x1f\x8b"sv)) return "this is compressed with gzip, expected a safetensors file: use gunzip";
    if (begin.starts_with("version https://git-lfs"sv))
        return "this is what Git has instead of the file, which git lfs pull downloads";
    if (begin.starts_with("<!"sv) || begin.starts_with("<html"sv))
        return "this is a web page, expected a safetensors file: something else was downloaded";
    return "";
}

}  // namespace strata::inline STRATA_ABI
