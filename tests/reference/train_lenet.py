"""Trains the reference CIFAR-10 LeNet with PyTorch, to compare accuracy with Strata's cifar10_lenet on the same recipe.

    apt-get install python3-torch python3-numpy          (1.13.1 was used)
    /usr/bin/python3 tests/reference/train_lenet.py --data data/cifar-10-batches-bin --epochs 10 --batch-size 4 --save lenet.safetensors
    /usr/bin/python3 tests/reference/train_lenet.py --data data/cifar-10-batches-bin --load lenet.safetensors --epochs 0

The second form evaluates weights, from here or from Strata. The network is that of PyTorch's CIFAR-10 tutorial with
PyTorch's default initialisation, inputs (x / 255 - 0.5) / 0.5, CrossEntropy, SGD; every epoch is a new permutation, the
last partial batch is kept, nothing is augmented. DIR holds data_batch_1.bin ... data_batch_5.bin and test_batch.bin.
"""
import argparse
import json
import struct
import time

import numpy
import torch
from torch import nn
from torch.nn import functional


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


def read_cifar10(directory, names):
    """Images [N][3][32][32] as uint8 and labels [N]; a record of the binary version is a label byte and 3072 pixels."""
    records = numpy.concatenate([numpy.fromfile(f"{directory}/{name}.bin", numpy.uint8).reshape(-1, 3073) for name in names])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    return images, torch.from_numpy(records[:, 0].astype(numpy.int64))


def normalised(images):
    return images.float().div_(255).sub_(0.5).div_(0.5)


def save_safetensors(path, state):
    """Length of the header (8 bytes, little-endian), JSON header, then the tensors (float32) back to back."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in state.items():
        values = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    with open(path, "rb") as file:
        content = file.read()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    state = {}
    for name, entry in json.loads(content[8:begin]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise SystemExit(f"{path}: {name} is {entry['dtype']}, expected F32")
        first, last = entry["data_offsets"]
        values = numpy.frombuffer(content[begin + first : begin + last], "<f4").reshape(entry["shape"])
        state[name] = torch.from_numpy(values.copy())
    return state


def count_correct(network, images, labels):
    network.eval()
    with torch.no_grad():
        return sum(
            int((network(normalised(images[i : i + 500])).argmax(1) == labels[i : i + 500]).sum())
            for i in range(0, len(labels), 500)
        )


def main():
    parser = argparse.ArgumentParser(description="Trains the reference CIFAR-10 LeNet with PyTorch.")
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--load", metavar="FILE", help="start from these weights (safetensors, F32)")
    parser.add_argument("--save", metavar="FILE", help="write the final weights as safetensors")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    test_images, test_labels = read_cifar10(options.data, ["test_batch"])
    network = LeNet()
    if options.load:
        network.load_state_dict(load_safetensors(options.load))
    if options.epochs > 0:
        images, labels = read_cifar10(options.data, [f"data_batch_{i}" for i in range(1, 6)])
        optimizer = torch.optim.SGD(
            network.parameters(), options.learning_rate, options.momentum, weight_decay=options.weight_decay
        )
    for epoch in range(options.epochs):
        network.train()
        start, loss_sum = time.time(), 0.0
        for batch in torch.randperm(len(labels)).split(options.batch_size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                network(normalised(images[batch])), labels[batch], label_smoothing=options.label_smoothing
            )
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(batch)
        seconds = time.time() - start
        correct = count_correct(network, test_images, test_labels)
        print(
            f"epoch {epoch + 1}/{options.epochs}  loss {loss_sum / len(labels):.4f}  "
            f"test accuracy {100 * correct / len(test_labels):.2f} %  {seconds:.1f} s  {len(labels) / seconds:.0f} images/s",
            flush=True,
        )
    if options.save:
        save_safetensors(options.save, network.state_dict())
    correct = count_correct(network, test_images, test_labels)
    print(f"accuracy {100 * correct / len(test_labels):.2f} % ({correct}/{len(test_labels)})")


if __name__ == "__main__":
    main()
