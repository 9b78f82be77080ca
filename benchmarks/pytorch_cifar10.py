"""PyTorch's side of time_to_accuracy.sh: the recipes of examples/cifar10_lenet and cifar10_resnet20, a line an epoch.

usage: pytorch_cifar10.py lenet|resnet20 DATA EPOCHS BATCH_SIZE LEARNING_RATE THREADS SEED

A line ends in "acc 51.62 %  3.6 s": test accuracy, and seconds of training, evaluation left out.
"""
import sys
import time

import numpy
import torch
from torch.nn import functional

from pytorch_models import NETWORKS

# Mean and standard deviation of the inputs, weight decay, whether images are cropped and flipped and the learning rate falls.
RECIPES = {
    "lenet": ([0.5] * 3, [0.5] * 3, 0.0, False),
    "resnet20": ([0.49140, 0.48216, 0.44653], [0.24703, 0.24349, 0.26159], 1e-4, True),
}


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
    network = NETWORKS[name]()
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
