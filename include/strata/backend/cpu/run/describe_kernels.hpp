// describe_kernels: which kernel runs for each layer of a network, and why, as a table.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../step/program.hpp"
#include "workspace.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// A layer and the kernels of its passes in training, and of inference where that is another one; one without a name does
/// not run.
struct LayerKernelNotes {
    std::string_view layer, type;
    std::array<KernelNote, 4> passes{};
};

/// Whether a program runs a kernel for an operation.
template <class Kernel, class Steps>
constexpr bool is_run(Steps const& steps, int operation) {
    for (auto const& step : steps)
        if (step.kernel == &Kernel::run && step.operation == operation) return true;
    return false;
}

template <class Net, class Precision, class Trained>
constexpr LayerKernelNotes layer_kernel_notes(int index) {
    using Program = TileProgram<Net, Precision, NoLoss>;
    constexpr auto const& steps = Program::training;
    using Op = kernel_operation<Trained>;
    auto const& row = Net::layer_table[static_cast<std::size_t>(index)];
    LayerKernelNotes notes{row.name, row.type, {}};
    if constexpr (!is_view<Op>() && !is_concatenation<Op>()) {
        if (Program::begins_band(index))
            notes.passes[3] = Program::band(index).note;
        else if (Program::ends_band(index))
            notes.passes[3] = {"in the kernel above", "an operation that takes the bands of the one before"};
        using Forward = ForwardKernel<Op, Precision>;
        if (is_run<Forward>(steps, index)) notes.passes[0] = note_of<Forward>();
        for (auto const& step : steps)
            if (step.relu && step.operation == index - 1)
                notes.passes[0] = {"in the kernel above",
                                   "a ReLU in the place of the output of a kernel that applies it"};
        static_cast<void>(for_all_inputs<Op>([&]<int K>() {
            if constexpr (!are_ids<input_of<Op, K>>) {
                using InputGradient = InputGradientKernel<gradient_operation<Op, K>, Precision>;
                if (is_run<InputGradient>(steps, index)) notes.passes[1] = note_of<InputGradient>();
            }
            return true;
        }));
        if constexpr (is_batch_wide<Trained>() && backward_passes<Op>::batch_size > 0 &&
                      (gathers_gradients<Op>() || Op::Parameters::size == 0)) {
            notes.passes[2] = {"statistics", "a channel's sums, which its input gradient needs, too"};
        } else if constexpr (trained_parameters<Trained>::size > 0) {
            using ParameterGradient = ParameterGradientKernel<Op, Precision>;
            if (is_run<ParameterGradient>(steps, index)) notes.passes[2] = note_of<ParameterGradient>();
        }
    }
    return notes;
}

STRATA_COLD inline std::string format_kernel_notes(std::span<LayerKernelNotes const> layers) {
    std::vector<std::array<std::string_view, 6>> rows;
    rows.push_back({"layer", "type", "forward", "input gradient", "parameter gradient", "inference"});
    std::size_t columns = 5;
    std::vector<KernelNote> legend;
    for (auto const& layer : layers) {
        std::array<std::string_view, 6> row{layer.layer, layer.type, "-", "-", "-", "-"};
        bool runs = false;
        for (std::size_t p = 0; p < 4; ++p) {
            KernelNote const note = layer.passes[p];
            if (!note.name) continue;
            runs = true;
            if (p == 3) columns = 6;
            row[p + 2] = note.name;
            bool known = false;
            for (auto const& other : legend)
                known = known ||
                        (std::string_view(other.name) == note.name && std::string_view(other.reason) == note.reason);
            if (!known) legend.push_back(note);
        }
        if (runs) rows.push_back(row);
    }
    std::size_t widths[6] = {};
    for (auto const& row : rows)
        for (std::size_t c = 0; c < columns; ++c) widths[c] = (std::max)(widths[c], row[c].size());
    std::string text;
    for (auto const& row : rows) {
        for (std::size_t c = 0; c < columns; ++c) {
            text += row[c];
            if (c + 1 < columns) text.append(widths[c] - row[c].size() + 2, ' ');
        }
        text += '\n';
    }
    std::size_t longest = 6;
    for (auto const& note : legend) longest = (std::max)(longest, std::string_view(note.name).size());
    text += '\n';
    auto const explain = [&](std::string_view name, std::string_view reason) {
        text.append(name).append(longest - name.size() + 2, ' ').append(reason) += '\n';
    };
    explain("kernel", "why");
    for (auto const& note : legend) explain(note.name, note.reason);
    return text;
}

}  // namespace detail

/// The kernels of a network's training as a table: `std::puts(describe_kernels<LeNet>(Cpu{}, Float32{}).c_str());`. A line
/// a layer, then each kernel's reason. A last column, where it has anything to say, is of inference, where one kernel may
/// make two layers. What depends on the tile is said in the reason.
template <class Net, class Precision = Float32>
[[nodiscard]] std::string describe_kernels(Cpu = {}, Precision = {}) {
    std::vector<detail::LayerKernelNotes> layers;
    Net::visit_operations(
        [&]<class Op>(int index) { layers.push_back(detail::layer_kernel_notes<Net, Precision, Op>(index)); });
    return detail::format_kernel_notes(layers);
}

}  // namespace strata::inline STRATA_ABI
