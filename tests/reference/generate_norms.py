"""Appends the values of normalisations of a sample and of softmax to tests/reference/values.txt (PyTorch, float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_norms.py >> tests/reference/values.txt

Same format as generate.cpp; inputs are tensors of inputs.hpp: x of seed 1, weight 2, bias 3, dy 4, batch 3.

    norm/<case>/y, dx, dweight, dbias      the cases are below
    softmax/<case>/y, dx
"""
import torch
from torch import nn

from generate_matrices import record, tensor


class LayerNorm2d(nn.LayerNorm):
    """As torchvision.ops.misc.LayerNorm2d."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS = {
    "layer/37": ((37,), nn.LayerNorm(37)),
    "layer/4x3x5_nobias": ((4, 3, 5), nn.LayerNorm((4, 3, 5), bias=False, eps=0.01)),
    "layer/4x3x5_noaffine": ((4, 3, 5), nn.LayerNorm((4, 3, 5), elementwise_affine=False)),
    "layer2d/5x3x3": ((5, 3, 3), LayerNorm2d(5, eps=1e-6)),
    "rms/37": ((37,), nn.RMSNorm(37, eps=1.1920928955078125e-7)),
    "rms/4x3x5_noaffine": ((4, 3, 5), nn.RMSNorm((4, 3, 5), eps=0.01, elementwise_affine=False)),
    "group2/6x3x3": ((6, 3, 3), nn.GroupNorm(2, 6)),
    "group3/12": ((12,), nn.GroupNorm(3, 12, eps=0.01)),
    "group1/4x2x2_noaffine": ((4, 2, 2), nn.GroupNorm(1, 4, affine=False)),
    "instance2d/3x7x6": ((3, 7, 6), nn.InstanceNorm2d(3)),
    "instance2d/3x2x2_affine": ((3, 2, 2), nn.InstanceNorm2d(3, affine=True, eps=0.01)),
    "instance1d/3x9_affine": ((3, 9), nn.InstanceNorm1d(3, affine=True)),
}
SOFTMAX = {"5": (5,), "37": (37,), "4x3x5": (4, 3, 5), "3x9": (3, 9)}


def run(name, layer, shape):
    layer = layer.double()
    for seed, (_, parameter) in enumerate(layer.named_parameters(), 2):
        parameter.data = torch.as_tensor(tensor(seed, *parameter.shape))
    x = torch.as_tensor(tensor(1, 3, *shape)).requires_grad_()
    y = layer(x)
    y.backward(torch.as_tensor(tensor(4, 3, *shape)))
    record(name + "/y", y.detach().numpy())
    record(name + "/dx", x.grad.numpy())
    for parameter_name, parameter in layer.named_parameters():
        record(name + "/d" + parameter_name, parameter.grad.numpy())


def main():
    for name, (shape, layer) in NORMS.items():
        run("norm/" + name, layer, shape)
    for name, shape in SOFTMAX.items():
        run("softmax/" + name, nn.Softmax(1), shape)
        run("log_softmax/" + name, nn.LogSoftmax(1), shape)


main()
