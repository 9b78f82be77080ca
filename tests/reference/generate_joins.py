"""Appends the values of branches that meet to tests/reference/values.txt (PyTorch, float64, training mode).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_joins.py >> tests/reference/values.txt

Same format as generate.cpp; inputs are tensors of inputs.hpp: x of seed 1, [3][4][6][5], dy of seed 4. Parameter number p, in
the order of parameters(), is 0.5 times the tensor of seed 500 + p, a BatchNorm's weight 1 more.

    join/<case>/y, dx, gradients, buffers      all gradients and all running statistics one behind the other
        inception        1x1, 3x3, 5x5 and pooling branches, ReLU behind them
        densenet         three dense layers, BatchNorm and ReLU behind them
        squeeze          squeeze and excitation, with Linear layers and with 1x1 convolutions
        gate             the product of two branches of one shape
        unet             skips over two levels
        late             a residual around a Concat: the value is read again behind it
"""
from collections import OrderedDict

import torch
from torch import nn

from generate_matrices import record, tensor


class Concat(nn.Sequential):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], dim=1)


class Multiply(nn.Sequential):
    def forward(self, x):
        a, b = (branch(x) for branch in self)
        return a * (b[:, :, None, None] if b.dim() == 2 else b)


class Residual(nn.Module):
    def __init__(self, *main):
        super().__init__()
        self.main = nn.Sequential(*main)

    def forward(self, x):
        return self.main(x) + x


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def same(inputs, outputs, kernel=3, dilation=1, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation, bias=bias)


def dense(channels):
    return Concat(nn.Identity(), nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), same(channels, 3, bias=False)))


CASES = {
    "inception": nn.Sequential(
        Concat(OrderedDict([
            ("0", nn.Sequential(same(4, 3, 1))),
            ("1", nn.Sequential(same(4, 2, 1), nn.ReLU(), same(2, 4))),
            ("2", nn.Sequential(same(4, 2, 1), nn.ReLU(), same(2, 3, 5))),
            ("pool", nn.Sequential(nn.MaxPool2d(3, 1, 1), same(4, 2, 1)))])),
        nn.ReLU()),
    "densenet": nn.Sequential(same(4, 6), dense(6), dense(9), dense(12), nn.BatchNorm2d(15), nn.ReLU()),
    "squeeze": nn.Sequential(
        same(4, 6),
        Multiply(nn.Identity(),
                 nn.Sequential(Mean(), nn.Linear(6, 2), nn.ReLU(), nn.Linear(2, 6), nn.Sigmoid())),
        Multiply(nn.Identity(), nn.Sequential(nn.AvgPool2d((6, 5)), same(6, 2, 1), nn.ReLU(), same(2, 6, 1),
                                              nn.Sigmoid()))),
    "gate": nn.Sequential(Multiply(same(4, 5), nn.Sequential(same(4, 5, 1), nn.Sigmoid()))),
    "unet": nn.Sequential(
        same(4, 3), nn.ReLU(),
        Concat(nn.Identity(),
               nn.Sequential(nn.MaxPool2d(3, 1, 1), same(3, 4), nn.ReLU(),
                             Concat(nn.Identity(), nn.Sequential(same(4, 5, dilation=2), nn.ReLU())),
                             same(9, 4), nn.ReLU())),
        same(7, 2, 1)),
    "late": nn.Sequential(same(4, 3), Residual(Concat(nn.Identity(), nn.Sequential(same(3, 2, 1))), same(5, 3)), nn.ReLU()),
}


def record_network(name, module, shape):
    """What compare_network of tests/network/recorded_run.hpp reads."""
    module.double()
    with torch.no_grad():
        for number, (key, parameter) in enumerate(module.named_parameters()):
            values = 0.5 * torch.tensor(tensor(500 + number, *parameter.shape))
            parameter.copy_(values + (1 if key.endswith("weight") and parameter.dim() == 1 else 0))
    x = torch.tensor(tensor(1, 3, *shape), requires_grad=True)
    y = module(x)
    y.backward(torch.tensor(tensor(4, *y.shape)))
    record(f"{name}/y", y.detach())
    record(f"{name}/dx", x.grad)
    record(f"{name}/gradients", torch.cat([p.grad.flatten() for p in module.parameters()]))
    buffers = [b.flatten() for b in module.buffers() if b.dim() > 0]
    if buffers:
        record(f"{name}/buffers", torch.cat(buffers))


def main():
    for name, module in CASES.items():
        record_network(f"join/{name}", module, (4, 6, 5))


if __name__ == "__main__":
    main()
