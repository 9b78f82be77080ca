// Folding BatchNorm into the layer before it, for inference: in evaluation a BatchNorm is y = scale x + shift with
// constants a channel, which a convolution or Linear can do with its own weights and bias.
//
//   scale = weight / sqrt(running_var + eps),   W' = scale W,   b' = scale (b - running_mean) + bias
#pragma once

#include <algorithm>
#include <cmath>

#include "../layer/batch_norm.hpp"
#include "../layer/conv2d.hpp"
#include "../layer/linear.hpp"
#include "model.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Marks a layer that has taken in a BatchNorm after it, or several; a model that is initialised anew starts as usual.
template <int Norms>
struct FoldedScheme : KaimingUniform {};
/// BatchNorms that a layer with such an option has taken in.
template <class Option>
inline constexpr int norms_in = 0;
template <int Norms>
inline constexpr int norms_in<Initialize<FoldedScheme<Norms>>> = Norms;

/// The layer with a bias, ready to take in a BatchNorm; `can` is false for layers that cannot.
template <class Layer>
struct WithFold {
    static constexpr bool can = false;
};
template <class Layer, class... Kept>
struct FoldOptions;
template <int Out, Size Kernel, class... Options, class... Kept>
struct FoldOptions<Conv2d<Out, Kernel, Options...>, Kept...> {
    using type = Conv2d<Out, Kernel, Kept..., Initialize<FoldedScheme<(1 + ... + norms_in<Options>)>>>;
};
template <int Out, class... Options, class... Kept>
struct FoldOptions<Linear<Out, Options...>, Kept...> {
    using type = Linear<Out, Kept..., Initialize<FoldedScheme<(1 + ... + norms_in<Options>)>>>;
};
/// Drops the options that a fold replaces.
template <class Layer, class Kept, class... Options>
struct KeepOptions;
template <class Layer, class... Kept>
struct KeepOptions<Layer, List<Kept...>> : FoldOptions<Layer, Kept...> {};
template <class Layer, class... Kept, class Option, class... Rest>
struct KeepOptions<Layer, List<Kept...>, Option, Rest...>
    : KeepOptions<Layer,
                  std::conditional_t<std::is_same_v<kind_of<Option>, BiasKind> ||
                                         std::is_same_v<kind_of<Option>, InitializationKind>,
                                     List<Kept...>, List<Kept..., Option>>,
                  Rest...> {};
template <int Out, Size Kernel, class... Options>
struct WithFold<Conv2d<Out, Kernel, Options...>> : KeepOptions<Conv2d<Out, Kernel, Options...>, List<>, Options...> {
    static constexpr bool can = true;
};
template <int Out, class... Options>
struct WithFold<Linear<Out, Options...>> : KeepOptions<Linear<Out, Options...>, List<>, Options...> {
    static constexpr bool can = true;
};
template <FixedString Name, class Layer>
requires WithFold<Layer>::can
struct WithFold<Named<Name, Layer>> {
    static constexpr bool can = true;
    using type = Named<Name, typename WithFold<Layer>::type>;
};

template <class Layer>
inline constexpr bool is_batch_norm = false;
template <class... Options>
inline constexpr bool is_batch_norm<BatchNorm1d<Options...>> = true;
template <class... Options>
inline constexpr bool is_batch_norm<BatchNorm2d<Options...>> = true;
template <FixedString Name, class Layer>
inline constexpr bool is_batch_norm<Named<Name, Layer>> = is_batch_norm<Layer>;

/// A layer whose groups are folded.
template <class Layer>
struct FoldedLayer {
    using type = Layer;
};
/// A list of layers: pairs of a layer and the BatchNorm after it become one layer.
template <class Done, class... Layers>
struct FoldedList {
    using type = Done;
};
template <class... Done, class Layer, class... Rest>
struct FoldedList<List<Done...>, Layer, Rest...>
    : FoldedList<List<Done..., typename FoldedLayer<Layer>::type>, Rest...> {};
template <class... Done, class Layer, class Norm, class... Rest>
requires(WithFold<Layer>::can && is_batch_norm<Norm>)
struct FoldedList<List<Done...>, Layer, Norm, Rest...>
    : FoldedList<List<Done..., typename WithFold<Layer>::type>, Rest...> {};

template <template <class...> class Group, class Layers>
struct Regroup;
template <template <class...> class Group, class... Layers>
struct Regroup<Group, List<Layers...>> {
    using type = Group<Layers...>;
};
template <class... Layers>
struct FoldedLayer<Sequential<Layers...>> : Regroup<Sequential, typename FoldedList<List<>, Layers...>::type> {};
template <class... Layers>
struct FoldedLayer<Frozen<Layers...>> : Regroup<Frozen, typename FoldedList<List<>, Layers...>::type> {};
template <class... Layers>
struct FoldedLayer<Main<Layers...>> : Regroup<Main, typename FoldedList<List<>, Layers...>::type> {};
template <class... Layers>
struct FoldedLayer<Shortcut<Layers...>> : Regroup<Shortcut, typename FoldedList<List<>, Layers...>::type> {};
template <class... Layers>
struct FoldedLayer<After<Layers...>> : Regroup<After, typename FoldedList<List<>, Layers...>::type> {};
template <class... Parts>
struct FoldedLayer<Residual<Parts...>> {
    using type = Residual<typename FoldedLayer<Parts>::type...>;
};
template <class... Layers>
struct FoldedLayer<Branch<Layers...>> : Regroup<Branch, typename FoldedList<List<>, Layers...>::type> {};
template <class Layer, class... Branches>
struct FoldedLayer<Join<Layer, Branches...>> {
    using type = Join<Layer, typename FoldedLayer<Branches>::type...>;
};
template <class... Parts>
struct FoldedLayer<Heads<Parts...>> {
    using type = Heads<typename FoldedLayer<Parts>::type...>;
};
template <int N, class Layers>
struct RepeatOf;
template <int N, class... Layers>
struct RepeatOf<N, List<Layers...>> {
    using type = Repeat<N, Layers...>;
};
template <int N, class... Layers>
struct FoldedLayer<Repeat<N, Layers...>> : RepeatOf<N, typename FoldedList<List<>, Layers...>::type> {};
template <FixedString Name, class Layers>
struct NamedOf;
template <FixedString Name, class... Layers>
struct NamedOf<Name, List<Layers...>> {
    using type = Named<Name, Layers...>;
};
template <FixedString Name, class... Layers>
struct FoldedLayer<Named<Name, Layers...>> : NamedOf<Name, typename FoldedList<List<>, Layers...>::type> {};
template <FixedString Name, class Layers>
struct SharedOf;
template <FixedString Name, class... Layers>
struct SharedOf<Name, List<Layers...>> {
    using type = Shared<Name, Layers...>;
};
template <FixedString Name, class... Layers>
struct FoldedLayer<Shared<Name, Layers...>> : SharedOf<Name, typename FoldedList<List<>, Layers...>::type> {};

template <class Net, class Layers>
struct FoldedNetworkOf;
template <class In, class... Original, class... Layers>
struct FoldedNetworkOf<Network<In, Original...>, List<Layers...>> {
    using type = Network<In, Layers...>;
};
template <class Net>
struct FoldNetwork;
template <class In, class... Layers>
struct FoldNetwork<Network<In, Layers...>>
    : FoldedNetworkOf<Network<In, Layers...>, typename FoldedList<List<>, Layers...>::type> {};

template <class Op>
inline constexpr int norms_folded = [] {
    if constexpr (!std::is_same_v<Op, kernel_operation<Op>>) return norms_folded<kernel_operation<Op>>;
    return 0;
}();
template <class G, int Norms>
inline constexpr int norms_folded<Convolution<G, FoldedScheme<Norms>>> = Norms;
template <int Inputs, int Outputs, bool Bias, int Norms>
inline constexpr int norms_folded<AffineMap<Inputs, Outputs, Bias, FoldedScheme<Norms>>> = Norms;

/// Where each operation stands in the folded network: that of the layer before for a BatchNorm that is folded.
template <class Net, class Folded>
constexpr auto fold_map = [] {
    std::array<int, static_cast<std::size_t>(Net::operation_count)> at{};
    std::array<int, static_cast<std::size_t>(Folded::operation_count)> norms{};
    Folded::for_each_operation([&]<int J>() { norms[J] = norms_folded<typename Folded::template OperationAt<J>>; });
    int j = -1;
    bool takes_next = false;
    Net::for_each_operation([&]<int Index>() {
        using Op = typename Net::template OperationAt<Index>;
        if (takes_next) {
            takes_next = false;
        } else {
            ++j;
            takes_next = norms[static_cast<std::size_t>(j)] > norms_folded<Op>;
        }
        at[Index] = j;
    });
    return at;
}();

/// Where an operation's parameters and its buffers begin, which of one that is Frozen are both among the buffers.
template <int Index, class ModelType>
auto* parameters_at(ModelType& model) {
    using Net = typename ModelType::Network;
    constexpr bool frozen = is_frozen<typename Net::template OperationAt<Index>>;
    return frozen ? model.buffers().data() + Net::buffers_at(Index)
                  : model.parameters().data() + Net::parameters_at(Index);
}
template <int Index, class ModelType>
auto* buffers_at(ModelType& model) {
    using Net = typename ModelType::Network;
    using Op = typename Net::template OperationAt<Index>;
    return model.buffers().data() + Net::buffers_at(Index) + statistics_in_buffers<Op>;
}

}  // namespace detail

/// The network without the BatchNorms that directly follow a Conv2d or Linear, which have a bias instead. Names stay;
/// the indices of unnamed layers close up.
template <class Net>
using FoldedNetwork = typename detail::FoldNetwork<Net>::type;

/// A model that computes the same in evaluation with every BatchNorm that directly follows a Conv2d or Linear folded
/// into it. It is for inference: `auto served = fold_batch_norm(model); Workspace<FoldedNetwork<Net>> workspace;`
template <class Net, class Precision>
[[nodiscard]] Model<FoldedNetwork<Net>, Precision> fold_batch_norm(Model<Net, Precision> const& model) {
    using Folded = FoldedNetwork<Net>;
    using T = typename Precision::master;
    Model<Folded, Precision> result;
    Net::for_each_operation([&]<int Index>() {
        constexpr auto J = static_cast<std::size_t>(detail::fold_map<Net, Folded>[static_cast<std::size_t>(Index)]);
        using Op = detail::kernel_operation<typename Net::template OperationAt<Index>>;
        using Target = detail::kernel_operation<typename Folded::template OperationAt<static_cast<int>(J)>>;
        T const* const from = detail::parameters_at<Index>(model);
        T* const to = detail::parameters_at<static_cast<int>(J)>(result);
        if constexpr (detail::is_batch_wide<Op>() && detail::norms_folded<Target> > 0) {
            T const* const running = detail::buffers_at<Index>(model);
            constexpr int channels = Op::channels, size = (Target::Parameters::size - channels) / channels;
            for (int c = 0; c < channels; ++c) {
                double scale = 1 / std::sqrt(static_cast<double>(running[channels + c]) + Op::epsilon), shift = 0;
                if constexpr (Op::affine) {
                    scale *= static_cast<double>(from[c]);
                    shift = static_cast<double>(from[channels + c]);
                }
                for (int k = 0; k < size; ++k)
                    to[c * size + k] = static_cast<T>(static_cast<double>(to[c * size + k]) * scale);
                T& bias = to[channels * size + c];
                bias = static_cast<T>((static_cast<double>(bias) - static_cast<double>(running[c])) * scale + shift);
            }
        } else {
            std::fill_n(to, Target::Parameters::size, T(0));  // a bias that the original has not
            std::copy_n(from, Op::Parameters::size, to);
            if constexpr (requires { typename Op::Buffers; })
                std::copy_n(detail::buffers_at<Index>(model), Op::Buffers::size,
                            detail::buffers_at<static_cast<int>(J)>(result));
            result.batches_tracked()[J] = model.batches_tracked()[static_cast<std::size_t>(Index)];
        }
    });
    return result;
}

}  // namespace strata::inline STRATA_ABI
