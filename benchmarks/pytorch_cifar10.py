"""PyTorch's side of time_to_accuracy.sh: the recipes of examples/cifar10_lenet and cifar10_resnet20, a line an epoch.

usage: pytorch_cifar10.py lenet|resnet20 DATA EPOCHS BATCH_SIZE LEARNING_RATE THREADS SEED

A line ends in "acc 51.62 %  3.6 s": test accuracy, and seconds of training, evaluation left out.
"""
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

# Mean and standard deviation of the inputs, weight decay, whether images are cropped and flipped and the learning rate falls.
RECIPES = {
    "lenet": ([0.5] * 3, [0.5] * 3, 0.0, False),
    "resnet20": ([0.49140, 0.48216, 0.44653], [0.24703, 0.24349, 0.26159], 1e-4, True),
}


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


def resnet20():
    widths = [16] * 4 + [32] * 3 + [64] * 3
    blocks = [Block(before, after) for before, after in zip(widths, widths[1:])]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(conv3x3(3, 16), nn.BatchNorm2d(16), nn.ReLU(), *blocks, *head)


def read(directory, names):
    """Images [N][3][32][32] as uint8 and labels [N]; a record is a label byte and 3072 pixels."""
    records = numpy.concatenate([numpy.fromfile(f"{directory}/{name}.bin", numpy.uint8).reshape(-1, 3073) for name in names])
    return torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(records[:, 0].astype(numpy.int64))


def augmented(images):
    """A random 32 x 32 piece of each image with a border of four zeros, half of them mirrored."""
    count = len(images)
    rows, columns = (torch.randint(0, 9, (count, 1)) + torch.arange(32) for _ in range(2))
    mirrored = torch.rand(count, 1) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = functional.pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    pieces = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return pieces.permute(0, 3, 1, 2).contiguous()


def main():
    name, data, epochs, batch_size, learning_rate, threads, seed = sys.argv[1:]
    mean, std, weight_decay, resnet_recipe = RECIPES[name]
    mean, std = (255 * torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    torch.set_num_threads(int(threads))
    torch.manual_seed(int(seed))
    network = {"lenet": lenet, "resnet20": resnet20}[name]()
    optimizer = torch.optim.SGD(network.parameters(), float(learning_rate), 0.9, weight_decay=weight_decay)
    images, labels = read(data, [f"data_batch_{i}" for i in range(1, 6)])
    test_images, test_labels = read(data, ["test_batch"])
    steps = int(epochs) * -(-len(labels) // int(batch_size))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if resnet_recipe else None
    for epoch in range(int(epochs)):
        network.train()
        start = time.perf_counter()
        for batch in torch.randperm(len(labels)).split(int(batch_size)):
            chosen = augmented(images[batch]) if resnet_recipe else images[batch]
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(network(chosen.float().sub_(mean).div_(std)), labels[batch]).backward()
            optimizer.step()
            if schedule:
                schedule.step()
        seconds = time.perf_counter() - start
        network.eval()
        with torch.no_grad():
            pieces = zip(test_images.split(500), test_labels.split(500))
            correct = sum(int((network(x.float().sub_(mean).div_(std)).argmax(1) == y).sum()) for x, y in pieces)
        print(f"epoch {epoch + 1}/{epochs}  acc {100 * correct / len(test_labels):.2f} %  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
