"""Appends the values of the activations to tests/reference/values.txt (PyTorch, float64, one thread); generate.cpp writes
the rest.

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_activations.py >> tests/reference/values.txt

Same format as generate.cpp; inputs are tensors of inputs.hpp.

    activation/<name>/y, dx              x = 8 times the tensor of seed 1 as 252 numbers, dy of seed 4
    activation/<name>/special/y, dx      x = -inf, -200, -20, -3, -1, -0, 0, 1, 3, 6, 20, 20.5, 100, 200, inf, NaN, dy = 1
        sigmoid, tanh, gelu, gelu_tanh, silu, leaky_relu (0.01), leaky_relu0.2, elu (1), elu1.5, selu, softplus, mish,
        hard_swish, hard_sigmoid, hard_tanh (-1, 1), hard_tanh-2_0.5, relu6
    prelu/<C>x<H>x<W>[_channels]/...     as generate.cpp's layers: x has seed 1, weight [1] or [C] 2, dy 4; batch 3
    prelu/<C>[_channels]/...             the same
"""
import torch
from torch import nn

from generate_matrices import record, tensor

torch.set_num_threads(1)
INF = float("inf")
SPECIAL = [-INF, -200, -20, -3, -1, -0.0, 0, 1, 3, 6, 20, 20.5, 100, 200, INF, float("nan")]
ACTIVATIONS = {
    "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "gelu": nn.GELU(), "gelu_tanh": nn.GELU("tanh"), "silu": nn.SiLU(),
    "leaky_relu": nn.LeakyReLU(), "leaky_relu0.2": nn.LeakyReLU(0.2), "elu": nn.ELU(), "elu1.5": nn.ELU(1.5),
    "selu": nn.SELU(), "softplus": nn.Softplus(), "mish": nn.Mish(), "hard_swish": nn.Hardswish(),
    "hard_sigmoid": nn.Hardsigmoid(), "hard_tanh": nn.Hardtanh(), "hard_tanh-2_0.5": nn.Hardtanh(-2, 0.5),
    "relu6": nn.ReLU6(),
}


def passes(name, layer, x, dy):
    x = torch.as_tensor(x, dtype=torch.float64).requires_grad_()
    y = layer(x)
    y.backward(torch.as_tensor(dy, dtype=torch.float64))
    record(name + "/y", y.detach().numpy())
    record(name + "/dx", x.grad.numpy())


def main():
    for name, layer in ACTIVATIONS.items():
        passes("activation/" + name, layer, 8 * tensor(1, 252), tensor(4, 252))
        passes("activation/" + name + "/special", layer, SPECIAL, torch.ones(len(SPECIAL)))
    for shape, text in (((2, 7, 6), "2x7x6"), ((5,), "5")):
        for weights, suffix in ((1, ""), (shape[0], "_channels")):
            layer = nn.PReLU(weights, dtype=torch.float64)
            layer.weight.data = torch.as_tensor(tensor(2, weights))
            name = "prelu/" + text + suffix
            passes(name, layer, tensor(1, 3, *shape), tensor(4, 3, *shape))
            record(name + "/dweight", layer.weight.grad.numpy())


main()
