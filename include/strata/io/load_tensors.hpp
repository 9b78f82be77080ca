// Copying the tensors of a safetensors file into a network's memory, all or nothing.
#pragma once

#include <span>

#include "../core/name_pattern.hpp"
#include "convert.hpp"
#include "load_differences.hpp"
#include "safetensors_file.hpp"

namespace strata::inline STRATA_ABI {

/// What load_tensors lets pass. Patterns are names in which * stands for any characters: "head.*".
struct LoadOptions {
    std::string strip_prefix = {};  ///< removed from the file's names that begin with it, for example "module."
    bool allow_extra = false;       ///< tensors of the file that nobody asked for are ignored
    std::vector<std::string> optional = {};  ///< patterns of targets that may be missing in the file
    std::vector<std::string> skip = {};      ///< patterns of what is ignored, in the file and among the targets
    bool skip_other_shapes = false;          ///< targets that have another shape in the file are left alone
};

/// What load_tensors left out.
struct LoadReport {
    std::vector<std::string> kept;    ///< targets that stayed as they were
    std::vector<std::string> unused;  ///< tensors of the file that went nowhere, by their names there
};

namespace detail {
// The counter of BatchNorm: nothing but momentum=None needs it, files from before PyTorch 0.4.1 do not have it, and
// those that were converted as a whole to another type have it in that.
bool is_counter(TensorView const& target);
std::optional<std::int64_t> counter_value(StoredTensor const& tensor, std::byte const* data);

// Whether the elements of a tensor of the file are the target's: the same shape, [out][in][k] for a convolution that is
// one-dimensional, or one element for a scalar.
bool shapes_fit(std::vector<std::int64_t> const& stored, std::vector<std::int64_t> const& target);

// The types of a file that a target of this type takes.
std::string_view accepted_dtypes(DataType target);
}  // namespace detail

/// Fills every target from the tensor of the same name. Any floating type converts to any other (rounded to nearest,
/// out of range becomes infinity); other types must be equal. A convolution's [out][in][1][k] or [out][in][k][1] takes
/// the [out][in][k] of a one-dimensional one. Targets whose name ends in "num_batches_tracked" may have any type, or be
/// missing in the file and then stay as they are, as may those in options.optional.
///
/// Everything is checked first. Throws one Error with a line for every difference (missing, unexpected, wrong shape,
/// wrong dtype; the first few of each), which begins with the prefix that would make names fit, if one would; no target
/// is touched then. Returns what was left out.
template <std::same_as<SafetensorsFile> File>
LoadReport load_tensors(File const& file, std::span<TensorView const> targets, LoadOptions const& options = {}) {
    LoadDifferences differences;
    auto const shown = [](std::string_view name) { return LoadDifferences::shown(name); };

    struct Candidate {
        std::string_view name, full_name;
        StoredTensor const* tensor;
        bool used = false;
        bool operator<(Candidate const& other) const {  // of one name the first in the file
            return name != other.name ? name < other.name : tensor < other.tensor;
        }
    };
    std::vector<Candidate> candidates;  // by name
    for (auto const& [full_name, tensor] : file.tensors()) {
        std::string_view name = full_name;
        if (name.starts_with(options.strip_prefix)) name.remove_prefix(options.strip_prefix.size());
        candidates.push_back({name, full_name, &tensor});
    }
    std::sort(candidates.begin(), candidates.end());
    for (std::size_t i = 1; i < candidates.size(); ++i)
        if (candidates[i].name == candidates[i - 1].name)
            differences.add("ambiguous", shown(candidates[i].name), " is in the file with and without the prefix ",
                            json_quoted(options.strip_prefix));
    candidates.erase(std::unique(candidates.begin(), candidates.end(),
                                 [](Candidate const& a, Candidate const& b) { return a.name == b.name; }),
                     candidates.end());

    LoadReport report;
    std::vector<StoredTensor const*> sources;  // of each target; nullptr for one that stays as it is
    for (auto const& target : targets) {
        auto const name = shown(target.name);
        bool const is_counter = detail::is_counter(target), skipped = matches_any_pattern(target.name, options.skip);
        bool const may_be_missing = is_counter || skipped || matches_any_pattern(target.name, options.optional);
        auto const found = std::lower_bound(candidates.begin(), candidates.end(), Candidate{target.name, {}, nullptr});
        sources.push_back(nullptr);
        if (skipped || found == candidates.end() || found->name != target.name) {
            report.kept.push_back(target.name);
            if (!may_be_missing)
                differences.add("missing", name, ", expected ", dtype_name(target.type), " ", shape_text(target.shape));
            continue;
        }
        auto const& source = *found->tensor;
        if (found->used) differences.add("asked for twice", name);
        found->used = true;
        bool const fits = detail::shapes_fit(source.shape, target.shape);
        if (!fits && options.skip_other_shapes) {
            report.kept.push_back(target.name);
            report.unused.push_back(std::string(found->full_name));
            continue;
        }
        sources.back() = &source;
        if (!fits)
            differences.add("shape", name, " is ", shape_text(source.shape), " in the file, expected ",
                            shape_text(target.shape));
        if (!is_counter && (!source.type || !is_convertible(*source.type, target.type)))
            differences.add("dtype", name, " is ", shown(source.dtype), " in the file, expected ",
                            detail::accepted_dtypes(target.type));
    }
    for (auto const& candidate : candidates) {
        if (candidate.used) continue;
        report.unused.push_back(std::string(candidate.full_name));
        if (!options.allow_extra && !matches_any_pattern(candidate.name, options.skip))
            differences.add("unexpected", shown(candidate.name), ", ", candidate.tensor->dtype, " ",
                            shape_text(candidate.tensor->shape));
    }
    for (auto const& pattern : options.skip) {
        bool matches = false;
        for (auto const& target : targets) matches = matches || matches_pattern(target.name, pattern);
        for (auto const& entry : candidates) matches = matches || matches_pattern(entry.name, pattern);
        if (!matches) differences.add("skip", shown(pattern), " fits no name");
    }
    if (auto const count = differences.count(); count > 0) {
        std::string advice;
        if (auto const best = fitting_prefix(file.tensors(), targets);
            !best.prefix.empty() && best.prefix != options.strip_prefix)
            advice = concatenate("; without the prefix ", shown(best.prefix), " (LoadOptions::strip_prefix) ",
                                 best.names >= targets.size() ? "all" : concatenate(best.names, " of ", targets.size()),
                                 " names fit");
        fail(file.path(), ": expected the tensors of the network, got ", count,
             count == 1 ? " difference" : " differences", advice, differences.text());
    }

    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (sources[i] == nullptr) continue;
        auto const* const data = file.data(*sources[i]).data();
        if (!detail::is_counter(targets[i]))
            convert_elements(*sources[i]->type, data, targets[i].type, targets[i].data, targets[i].size());
        else if (auto const value = detail::counter_value(*sources[i], data))
            std::memcpy(targets[i].data, &*value, sizeof *value);
        else
            report.kept.push_back(targets[i].name);
    }
    return report;
}

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "load_tensors.ipp"
#endif
