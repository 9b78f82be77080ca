"""The networks of networks.cpp in PyTorch, parameters in the same order."""
import torch
from torch import nn
from torch.nn import functional


def conv3x3(channels_in, channels, stride=1):
    layer = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
    nn.init.kaiming_normal_(layer.weight)
    return layer


class Block(nn.Module):
    def __init__(self, channels_in, channels):
        super().__init__()
        self.stride, self.added = (1 if channels_in == channels else 2), channels - channels_in
        self.conv1, self.bn1 = conv3x3(channels_in, channels, self.stride), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv3x3(channels, channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.added:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added // 2, self.added // 2))
        return functional.relu(x + y)


def lenet():
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def norm_relu(channels):
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def vgg6():
    layers, before = [], 3
    for channels in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(before, channels, 3, padding=1), *norm_relu(channels)]
            before = channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 4 * 4, 10))


def resnet20():
    widths = [16] * 4 + [32] * 3 + [64] * 3
    blocks = [Block(before, after) for before, after in zip(widths, widths[1:])]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(conv3x3(3, 16), nn.BatchNorm2d(16), nn.ReLU(), *blocks, *head)


def separable():
    layers, before = [conv3x3(3, 32), *norm_relu(32)], 32
    for channels in (64, 128, 128, 256):
        stride = 2 if channels > before else 1
        layers += [nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False), *norm_relu(before)]
        layers += [nn.Conv2d(before, channels, 1, bias=False), *norm_relu(channels)]
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


class LayerNorm2d(nn.LayerNorm):
    """As torchvision.ops.misc.LayerNorm2d."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NextBlock(nn.Sequential):
    def __init__(self, channels):
        super().__init__(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels), LayerNorm2d(channels, eps=1e-6),
            nn.Conv2d(channels, 4 * channels, 1), nn.GELU(), nn.Conv2d(4 * channels, channels, 1),
        )  # fmt: skip

    def forward(self, x):
        return x + super().forward(x)


def convnext():
    return nn.Sequential(
        nn.Conv2d(3, 48, 2, 2), LayerNorm2d(48, eps=1e-6), NextBlock(48), NextBlock(48),
        LayerNorm2d(48, eps=1e-6), nn.Conv2d(48, 96, 2, 2), NextBlock(96), NextBlock(96),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(96), nn.Linear(96, 10),
    )  # fmt: skip


def two_convs(before, channels):
    return nn.Sequential(
        nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()
    )


class Level(nn.Module):
    def __init__(self, before, channels, inner, inner_channels):
        super().__init__()
        self.down = two_convs(before, channels)
        self.inner = nn.Sequential(nn.MaxPool2d(2), inner, nn.ConvTranspose2d(inner_channels, channels, 2, 2))
        self.up = two_convs(2 * channels, channels)

    def forward(self, x):
        x = self.down(x)
        return self.up(torch.cat([x, self.inner(x)], 1))


def unet():
    levels = Level(3, 16, Level(16, 32, two_convs(32, 64), 64), 32)
    return nn.Sequential(levels, nn.Conv2d(16, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mlp():
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


def wide_mlp():
    return nn.Sequential(nn.Linear(3072, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


NETWORKS = {"lenet": lenet, "vgg6": vgg6, "resnet20": resnet20, "separable": separable,
            "convnext": convnext, "unet": unet, "mlp": mlp}
