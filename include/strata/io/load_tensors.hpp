// Copying the tensors of a safetensors file into a network's memory, all or nothing.
#pragma once

#include <span>

#include "convert.hpp"
#include "safetensors_file.hpp"

namespace strata::inline STRATA_ABI {

/// What load_tensors lets pass.
struct LoadOptions {
    std::string strip_prefix = {};  ///< removed from the file's names that begin with it, for example "module."
    bool allow_extra = false;       ///< tensors of the file that nobody asked for are ignored
    std::vector<std::string> optional = {};  ///< targets that may be missing in the file and then stay as they are
};

namespace detail {
inline bool may_be_missing(std::string_view name, LoadOptions const& options) {
    // Files from before PyTorch 0.4.1 do not have the counter of BatchNorm, and nothing but momentum=None needs it.
    constexpr std::string_view counter = "num_batches_tracked";
    return name.ends_with(counter) ||
           std::find(options.optional.begin(), options.optional.end(), name) != options.optional.end();
}

// The types of a file that a target of this type takes.
inline std::string_view accepted_dtypes(DataType target) {
    if (target == DataType::uint8 || target == DataType::int64) return dtype_name(target);
    return "F16, BF16, F32 or F64";
}
}  // namespace detail

/// Fills every target from the tensor of the same name. Any floating type converts to any other (rounded to nearest,
/// out of range becomes infinity); other types must be equal. Targets whose name ends in "num_batches_tracked" may be
/// missing in the file and then stay as they are, as may those in options.optional.
///
/// Everything is checked first. Throws one Error with a line for every difference (missing, unexpected, wrong shape,
/// wrong dtype); no target is touched then.
template <std::same_as<SafetensorsFile> File>
void load_tensors(File const& file, std::span<TensorView const> targets, LoadOptions const& options = {}) {
    std::string differences;
    std::size_t count = 0;
    auto const differ = [&](auto const&... parts) {
        differences += concatenate("\n  ", parts...);
        ++count;
    };

    struct Candidate {
        StoredTensor const* tensor;
        bool used;
    };
    std::map<std::string_view, Candidate> candidates;
    for (auto const& [full_name, tensor] : file.tensors()) {
        std::string_view name = full_name;
        if (name.starts_with(options.strip_prefix)) name.remove_prefix(options.strip_prefix.size());
        if (!candidates.try_emplace(name, Candidate{&tensor, false}).second)
            differ("ambiguous: ", json_quoted(name), " is in the file with and without the prefix ",
                   json_quoted(options.strip_prefix));
    }

    std::vector<StoredTensor const*> sources;  // of each target; nullptr for one that stays as it is
    for (auto const& target : targets) {
        auto const name = json_quoted(target.name);
        auto const found = candidates.find(target.name);
        if (found == candidates.end()) {
            sources.push_back(nullptr);
            if (!detail::may_be_missing(target.name, options))
                differ("missing: ", name, ", expected ", dtype_name(target.type), " ", shape_text(target.shape));
            continue;
        }
        auto const& source = *found->second.tensor;
        sources.push_back(&source);
        if (found->second.used) differ("asked for twice: ", name);
        found->second.used = true;
        if (source.shape != target.shape)
            differ("shape: ", name, " is ", shape_text(source.shape), " in the file, expected ",
                   shape_text(target.shape));
        if (!source.type || !is_convertible(*source.type, target.type))
            differ("dtype: ", name, " is ", json_quoted(source.dtype), " in the file, expected ",
                   detail::accepted_dtypes(target.type));
    }
    if (!options.allow_extra)
        for (auto const& [name, candidate] : candidates)
            if (!candidate.used)
                differ("unexpected: ", json_quoted(name), ", ", candidate.tensor->dtype, " ",
                       shape_text(candidate.tensor->shape));
    if (count > 0)
        fail(file.path(), ": expected the tensors of the network, got ", count,
             count == 1 ? " difference" : " differences", differences);

    for (std::size_t i = 0; i < targets.size(); ++i)
        if (sources[i] != nullptr)
            convert_elements(*sources[i]->type, file.data(*sources[i]).data(), targets[i].type, targets[i].data,
                             targets[i].size());
}

}  // namespace strata::inline STRATA_ABI
