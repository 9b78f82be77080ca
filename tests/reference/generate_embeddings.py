"""Appends the values of networks of ids to tests/reference/values.txt (PyTorch, float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_embeddings.py >> tests/reference/values.txt

Same format as generate.cpp. Id number k of a batch is (7 k k + 3 k + 1) mod 11, label number k is k mod 3. Parameter number
p, in the order of parameters(), is 0.5 times the tensor of seed 500 + p of inputs.hpp, the row of the padding index too.

    embedding/<case>/loss, gradients      of CrossEntropy; all gradients one behind the other
        flat             7 samples of 3 ids, padding_idx=2
        one              one such sample
        sequence         sequences of LENGTHS ids, without padding, a class each
        token            the same, a class each id
"""
import torch
from torch import nn
from torch.nn import functional as F

from generate_matrices import record, tensor
from generate_sequences import LENGTHS, Mean


def ids(count):
    return torch.tensor([(7 * k * k + 3 * k + 1) % 11 for k in range(count)])


def record_embedding(name, module, batches):
    module.double()
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(0.5 * torch.tensor(tensor(500 + number, *parameter.shape)))
    scores = torch.cat([module(batch) for batch in batches])
    loss = F.cross_entropy(scores, torch.arange(len(scores)) % 3)
    loss.backward()
    record(f"embedding/{name}/loss", loss.detach().reshape(1))
    record(f"embedding/{name}/gradients", torch.cat([p.grad.flatten() for p in module.parameters()]))


def main():
    def flat():
        return nn.Sequential(nn.Embedding(11, 5, padding_idx=2), nn.Flatten(), nn.Linear(15, 3))

    tokens = ids(sum(LENGTHS)).split(LENGTHS)
    record_embedding("flat", flat(), [ids(21).reshape(7, 3)])
    record_embedding("one", flat(), [ids(3).reshape(1, 3)])
    record_embedding("sequence",
                     nn.Sequential(nn.Embedding(11, 5), nn.Linear(5, 8), nn.GELU(), Mean(), nn.Linear(8, 3)), tokens)
    record_embedding("token", nn.Sequential(nn.Embedding(11, 5), nn.Linear(5, 3)), tokens)


if __name__ == "__main__":
    main()
