"""Appends the values of the layers beside Conv2d to tests/reference/values.txt (PyTorch, float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_vocabulary.py >> tests/reference/values.txt

Same format and inputs as generate.cpp: x is the tensor of inputs.hpp of seed 1, batch 3, weight and bias of seeds 2 and 3, dy of
seed 4; <case>/y, /dx, /dweight, /dbias. Names are <layer>/<input>_<options>, below; _ties has inputs.hpp's coarse x.

    network/<case>/y, dx, gradients, buffers   as join/<case> of generate_joins.py, parameters too; x is [3][2][8][8]
        unet             two levels, one up by ConvTranspose2d, one by Upsample; skips by Concat
        mobilenetv2      two inverted residuals, one that strides and one with the sum
        autoencoder      two strided convolutions, two transposed ones
"""
import torch
from torch import nn

from generate_joins import Concat, Residual, record_network
from generate_matrices import record, tensor

CASES = {
    # o: output channels, k: kernel, s: stride, p: padding, op: output padding, d: dilation, g: groups
    "convtranspose2d/3x5x4_o4_k3": (nn.ConvTranspose2d(3, 4, 3), (3, 5, 4)),
    "convtranspose2d/3x5x4_o4_k2_s2": (nn.ConvTranspose2d(3, 4, 2, 2), (3, 5, 4)),
    "convtranspose2d/3x5x4_o4_k3_s2_p1_op1": (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (3, 5, 4)),
    "convtranspose2d/3x5x4_o4_k4x3_s2x1_p1x0_nobias": (
        nn.ConvTranspose2d(3, 4, (4, 3), (2, 1), (1, 0), bias=False), (3, 5, 4)),
    "convtranspose2d/4x5x4_o6_k3_s3_p1_op2x0_d2_g2": (
        nn.ConvTranspose2d(4, 6, 3, 3, 1, (2, 0), groups=2, dilation=2), (4, 5, 4)),
    "convtranspose2d/4x5x4_o4_k2_s3_p2_op2_g4": (nn.ConvTranspose2d(4, 4, 2, 3, 2, 2, groups=4), (4, 5, 4)),
    "convtranspose2d/3x5x4_o2_k2_s1_op1_d2": (nn.ConvTranspose2d(3, 2, 2, 1, 0, 1, dilation=2), (3, 5, 4)),
    "upsample/2x4x3_nearest_s2": (nn.Upsample(scale_factor=2), (2, 4, 3)),
    "upsample/2x4x3_nearest_s3x2": (nn.Upsample(scale_factor=(3, 2)), (2, 4, 3)),
    "upsample/2x4x3_bilinear_s2": (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 4, 3)),
    "upsample/2x4x3_bilinear_s3x4": (nn.Upsample(scale_factor=(3, 4), mode="bilinear"), (2, 4, 3)),
    "upsample/2x4x3_bilinear_s2_corners": (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), (2, 4, 3)),
    "upsample/2x1x3_bilinear_s1x3_corners": (
        nn.Upsample(scale_factor=(1, 3), mode="bilinear", align_corners=True), (2, 1, 3)),
    "zeropad2d/2x3x4_1": (nn.ZeroPad2d(1), (2, 3, 4)),
    "zeropad2d/2x3x4_2_0_1_3": (nn.ZeroPad2d((2, 0, 1, 3)), (2, 3, 4)),
    "conv1d/4x11_o6_k3_s2_p1_g2": (nn.Conv1d(4, 6, 3, 2, 1, groups=2), (4, 11)),
    "conv1d/4x11_o3_k5_p2_d2_nobias": (nn.Conv1d(4, 3, 5, padding=2, dilation=2, bias=False), (4, 11)),
    "maxpool1d/3x11_k2": (nn.MaxPool1d(2), (3, 11)),
    "maxpool1d/3x11_k3_s2_p1": (nn.MaxPool1d(3, 2, 1), (3, 11)),
    "avgpool1d/3x11_k3_s2_p1": (nn.AvgPool1d(3, 2, 1), (3, 11)),
    "avgpool1d/3x11_k3_p1_excludepad": (nn.AvgPool1d(3, padding=1, count_include_pad=False), (3, 11)),
    "adaptiveavgpool2d/3x7x6_1": (nn.AdaptiveAvgPool2d(1), (3, 7, 6)),
    "adaptiveavgpool2d/3x8x6_4x2": (nn.AdaptiveAvgPool2d((4, 2)), (3, 8, 6)),
    "adaptiveavgpool2d/3x7x6_3x4": (nn.AdaptiveAvgPool2d((3, 4)), (3, 7, 6)),
    "adaptiveavgpool2d/3x3x2_5x4": (nn.AdaptiveAvgPool2d((5, 4)), (3, 3, 2)),
    "adaptivemaxpool2d/3x7x6_1": (nn.AdaptiveMaxPool2d(1), (3, 7, 6)),
    "adaptivemaxpool2d/3x8x6_4x2": (nn.AdaptiveMaxPool2d((4, 2)), (3, 8, 6)),
    "adaptivemaxpool2d/3x7x6_3x4": (nn.AdaptiveMaxPool2d((3, 4)), (3, 7, 6)),
    "adaptivemaxpool2d/3x3x2_5x4": (nn.AdaptiveMaxPool2d((5, 4)), (3, 3, 2)),
    "pixelshuffle/8x3x2_2": (nn.PixelShuffle(2), (8, 3, 2)),
}


def convolution(inputs, outputs, kernel=3, stride=1, groups=1, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


def inverted(inputs, expanded, outputs, stride):
    return [convolution(inputs, expanded, 1, bias=False), nn.BatchNorm2d(expanded), nn.ReLU6(),
            convolution(expanded, expanded, 3, stride, expanded, bias=False), nn.BatchNorm2d(expanded), nn.ReLU6(),
            convolution(expanded, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]


NETWORKS = {
    "unet": nn.Sequential(
        convolution(2, 4), nn.ReLU(),
        Concat(nn.Identity(), nn.Sequential(
            nn.MaxPool2d(2), convolution(4, 6), nn.ReLU(),
            Concat(nn.Identity(), nn.Sequential(nn.MaxPool2d(2), convolution(6, 8), nn.ReLU(),
                                                nn.ConvTranspose2d(8, 6, 2, 2))),
            convolution(12, 5), nn.ReLU(), nn.Upsample(scale_factor=2, mode="bilinear"))),
        convolution(9, 3), nn.ReLU(), convolution(3, 2, 1)),
    "mobilenetv2": nn.Sequential(*inverted(2, 8, 4, 2), Residual(*inverted(4, 12, 4, 1))),
    "autoencoder": nn.Sequential(
        convolution(2, 6, stride=2), nn.ReLU(), convolution(6, 8, stride=2), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(6, 2, 4, 2, 1), nn.Sigmoid()),
}


def networks():
    for name, module in NETWORKS.items():
        record_network(f"network/{name}", module, (2, 8, 8))


def main():
    for name, (module, shape) in CASES.items():
        module.double()
        with torch.no_grad():
            for seed, parameter in enumerate(module.parameters(), 2):
                parameter.copy_(torch.tensor(tensor(seed, *parameter.shape)))
        x = torch.tensor(tensor(1, 3, *shape), requires_grad=True)
        y = module(x)
        y.backward(torch.tensor(tensor(4, *y.shape)))
        record(f"{name}/y", y.detach())
        record(f"{name}/dx", x.grad)
        for key, parameter in module.named_parameters():
            record(f"{name}/d{key}", parameter.grad)
        if isinstance(module, nn.AdaptiveMaxPool2d):
            x = (torch.floor((x.detach() + 1) * 4) / 4 - 1).requires_grad_()
            y = module(x)
            y.backward(torch.tensor(tensor(4, *y.shape)))
            record(f"{name}_ties/y", y.detach())
            record(f"{name}_ties/dx", x.grad)
    networks()


if __name__ == "__main__":
    main()
