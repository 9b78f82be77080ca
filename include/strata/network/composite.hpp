// Composites: how layers are named, grouped, repeated and joined. They are pure descriptions; expand.hpp turns them
// into the flat op list.
#pragma once

#include "../core/shape.hpp"

namespace strata::inline STRATA_ABI {

/// The shape of one input sample, first in every Network: `Input<3, 32, 32>` or `Input<784>`.
template <int... Extents>
struct Input {
    using Extent = Shape<Extents...>;
};

/// The input of a network whose samples are sequences of columns, of a length that is known at run time: first in a
/// Network, `Sequence<Input<64>>` for sequences of tokens of 64 numbers, of at most Longest tokens. Layers work on each
/// token, as on the samples of other networks; those that look across (SequenceMean, SequenceMax) see the tokens of one
/// sequence. Behind such a reduction there is one column a sequence, and one output a sequence; without one, an output a
/// token.
template <class In, int Longest = 512>
struct Sequence {};

/// Several inputs, each with a name, first in a Network: `Inputs<Named<"image", Input<3, 32, 32>>, Named<"meta",
/// Input<8>>>`. The layers that read them, or the branches, begin with From. A sample is the numbers of all inputs, one
/// behind the other in this order (input_values).
template <class... Parts>
struct Inputs {};
/// One of a network's Inputs: `Concat<Branch<From<"image">, Conv2d<8, 3>, Flatten>, Branch<From<"meta">, Linear<8>>>`. It
/// takes no index among its neighbours.
template <FixedString Name>
struct From {
    static constexpr auto name = Name;
    using TakesInput = void;
};

/// The input of a network whose training passes give the gradient of the loss with respect to the samples, too:
/// `Network<RequiresGrad<Input<1, 28, 28>>, …>`. All else is as without; model files are the same.
template <class In>
struct RequiresGrad {};

template <class... Layers>
struct Sequential;
template <int N, class... Layers>
struct Repeat;
template <class... Layers>
struct Frozen;

namespace detail {
/// What a name stands for: a layer, or a group with a scope of its own.
template <class... Layers>
struct ContentsOf {
    using type = Sequential<Layers...>;
};
template <class Layer>
struct ContentsOf<Layer> {
    using type = Layer;
};
template <int N, class... Layers>
struct ContentsOf<Repeat<N, Layers...>> {
    using type = Sequential<Repeat<N, Layers...>>;
};
template <class First, class Second, class... Rest>
struct ContentsOf<Frozen<First, Second, Rest...>> {
    using type = Sequential<Frozen<First, Second, Rest...>>;
};
template <int N, class... Layers>
struct ContentsOf<Frozen<Repeat<N, Layers...>>> {
    using type = Sequential<Frozen<Repeat<N, Layers...>>>;
};
}  // namespace detail

/// Gives a layer a name instead of its index, or a group of layers a scope: `Named<"conv1", Conv2d<6, 5>>`,
/// `Named<"layer1", Repeat<3, Block>>` (parameters layer1.0.…, layer1.1.…, …).
template <FixedString Name, class... Layers>
struct Named {
    static constexpr auto name = Name;
    using NamedContents = typename detail::ContentsOf<Layers...>::type;
};

/// Layers with a name to which their parameters belong: every further Shared of that name in a network, of the same
/// layers, works with the parameters of the first one, as a module that an nn.Module calls several times. So there is one
/// entry in files, counts and optimizers, called as the first one stands (encoder.0.weight), whose gradient is the sum
/// over all uses, the last one's first. Inputs may differ where the shapes of parameters do not; dropout has masks of each
/// use's own. In training no BatchNorm stands in a Shared that is used again, or between two uses, but a Frozen one.
template <FixedString Name, class... Layers>
struct Shared {
    static constexpr auto name = Name;
    using SharedContents = typename detail::ContentsOf<Layers...>::type;
};

/// A reusable group of layers, one entry in the indices of its surroundings, like a nested nn.Sequential.
template <class... Layers>
struct Sequential {};

/// The layers N times over, spliced into the surroundings: every repetition has indices of its own.
template <int N, class... Layers>
struct Repeat {
    static_assert(N >= 0, "Repeat: the count must not be negative");
};

/// A group of layers that adds no step to the names: they are called as if they stood in its place one by one. For blocks
/// of one's own, `template <int C> using ConvReLU = Inline<Conv2d<C, 3>, ReLU>;`.
template <class... Layers>
using Inline = Repeat<1, Layers...>;

/// Layers that are not trained, spliced into the surroundings: names and model files are those without Frozen. Their
/// parameters are buffers of the model: no update, weight decay or optimizer state touches them. BatchNorm in it is in
/// evaluation, by its running statistics, which stay as they are, and Dropout passes on what comes in, as PyTorch's modules
/// after requires_grad_(False) and eval(). Gradients go through it to what is trained below, and are not computed where
/// there is nothing.
template <class... Layers>
struct Frozen {};

/// The main path of a Residual.
template <class... Layers>
struct Main {};
/// Layers on the shortcut of a Residual, named shortcut.0, shortcut.1, …, for example a 1x1
/// convolution and BatchNorm2d.
template <class... Layers>
struct Shortcut {};
/// What came in: the default shortcut and, anywhere else, a layer without an operation, as nn.Identity.
struct Identity {};
/// Layers after the sum of a Residual, for example After<ReLU>.
template <class... Layers>
struct After {};

/// y = after(main(x) + shortcut(x)): `Residual<Main<…>>`, `Residual<Main<…>, ZeroPadShortcut, After<ReLU>>`. The layers
/// of the main path are named in the Residual's own scope (conv1, bn1, …), as torchvision's blocks do. The shortcut is
/// Identity, ZeroPadShortcut, Shortcut<…> or any Named layer.
template <class... Parts>
struct Residual {};

/// One of the branches of a Join, Concat or Multiply, a group of layers like Sequential; `Branch<>` is what came in.
template <class... Layers>
struct Branch {};

/// Branches from one value, and a layer that reads what they make: its On<X0, X1, …>, bound to their shapes, is an
/// operation with as many Inputs. Branches may be any layers. They are named as the modules in an nn.Sequential or
/// nn.ModuleList, in the Join's own scope: by their indices (3.0.1.weight), or by their names where they are Named
/// (3.pool.1.weight).
template <class Layer, class... Branches>
struct Join {};

/// The end of a network with several outputs: `Heads<Named<"classes", Linear<10>>, Named<"box", Linear<32>, ReLU,
/// Linear<4>>>`. Every head reads what came in; in files it has its name in the network's own scope (classes.weight,
/// box.0.weight), as an attribute of an nn.Module. The network's output is that of all heads, one behind the other;
/// head<"box", Net> finds one of them. Trained with Losses.
template <class... Parts>
struct Heads {};

}  // namespace strata::inline STRATA_ABI
