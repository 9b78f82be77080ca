"""Appends the values of networks of sequences to tests/reference/values.txt (PyTorch, float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_sequences.py >> tests/reference/values.txt

Same format as generate.cpp. x is the tensor of seed 1, [66][6], of inputs.hpp: sequences of LENGTHS tokens one behind the
other, each of which goes through the module alone, without padding; dy is the tensor of seed 4 for all their outputs.
Parameter number p, in the order of parameters(), is 0.5 times the tensor of seed 500 + p, a LayerNorm's weight 1 more.

    sequence/<case>/y, dx, gradients      all gradients one behind the other
        mean             mean over the tokens
        max              the largest number of them
        token            an output a token
        attention        two heads of scaled_dot_product_attention, q, k and v side by side
        causal           the same with is_causal
"""
import torch
from torch import nn
from torch.nn import functional as F

from generate_matrices import record, tensor

LENGTHS = [1, 7, 3, 20, 2, 33]


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(0, keepdim=True)


class Max(nn.Module):
    def forward(self, x):
        return x.max(0, keepdim=True).values


class Attention(nn.Module):
    def __init__(self, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal

    def forward(self, x):
        q, k, v = (part.unflatten(1, (self.heads, -1)).transpose(0, 1) for part in x.chunk(3, dim=1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).transpose(0, 1).flatten(1)


CASES = {
    "mean": nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), Mean(), nn.Linear(8, 3)),
    "max": nn.Sequential(nn.Linear(6, 8), nn.Tanh(), Max(), nn.Linear(8, 3)),
    "token": nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)),
    "attention": nn.Sequential(nn.Linear(6, 24), Attention(2), nn.Linear(8, 3)),
    "causal": nn.Sequential(nn.Linear(6, 24), Attention(2, causal=True), nn.Linear(8, 3)),
}


def record_sequences(name, module):
    module.double()
    with torch.no_grad():
        for number, (key, parameter) in enumerate(module.named_parameters()):
            values = 0.5 * torch.tensor(tensor(500 + number, *parameter.shape))
            parameter.copy_(values + (1 if key.endswith("weight") and parameter.dim() == 1 else 0))
    x = torch.tensor(tensor(1, sum(LENGTHS), 6), requires_grad=True)
    y = torch.cat([module(sequence) for sequence in x.split(LENGTHS)])
    y.backward(torch.tensor(tensor(4, *y.shape)))
    record(f"{name}/y", y.detach())
    record(f"{name}/dx", x.grad)
    record(f"{name}/gradients", torch.cat([p.grad.flatten() for p in module.parameters()]))


def main():
    for name, module in CASES.items():
        record_sequences(f"sequence/{name}", module)


if __name__ == "__main__":
    main()
