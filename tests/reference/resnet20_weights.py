"""Writes weights of the CIFAR-10 ResNet-20 from PyTorch, to compare accuracy with Strata's cifar10_resnet20 to the image.

    apt-get install python3-torch python3-numpy          (1.13.1 was used)
    /usr/bin/python3 tests/reference/resnet20_weights.py --data data/cifar-10-batches-bin --save resnet20.safetensors
    cifar10_resnet20 evaluate --data data/cifar-10-batches-bin --weights resnet20.safetensors

The network and its names are those of github.com/akamaster/pytorch_resnet_cifar10, with option-A shortcuts. It is trained
for a few steps only: enough for running statistics and weights that are not their initial values.
"""
import argparse
import json
import struct

import torch
from torch import nn
from torch.nn import functional

from train_lenet import read_cifar10


class Block(nn.Module):
    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride, self.new_channels = stride, channels - in_channels

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        half = self.new_channels // 2
        return functional.relu(y + functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half)))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def normalised(images):
    mean = torch.tensor([0.49140, 0.48216, 0.44653]).view(3, 1, 1)
    std = torch.tensor([0.24703, 0.24349, 0.26159]).view(3, 1, 1)
    return images.float().div_(255).sub_(mean).div_(std)


def save_safetensors(path, state):
    """Like train_lenet.save_safetensors, with num_batches_tracked as I64."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in state.items():
        kind, layout = ("I64", "<i8") if tensor.dtype == torch.int64 else ("F32", "<f4")
        values = tensor.detach().contiguous().numpy().astype(layout).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser(description="Writes weights of the CIFAR-10 ResNet-20 from PyTorch.")
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", required=True, metavar="FILE")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = ResNet20()
    images, labels = read_cifar10(options.data, ["data_batch_1"])
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9, weight_decay=1e-4)
    for batch in torch.randperm(len(labels)).split(64)[: options.steps]:
        optimizer.zero_grad()
        functional.cross_entropy(network(normalised(images[batch])), labels[batch]).backward()
        optimizer.step()
    save_safetensors(options.save, network.state_dict())

    network.eval()
    images, labels = read_cifar10(options.data, ["test_batch"])
    with torch.no_grad():
        correct = sum(
            int((network(normalised(images[i : i + 250])).argmax(1) == labels[i : i + 250]).sum())
            for i in range(0, len(labels), 250)
        )
    print(f"accuracy {100 * correct / len(labels):.2f} % ({correct}/{len(labels)})")


if __name__ == "__main__":
    main()
