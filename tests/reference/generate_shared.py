"""Appends trainings of a network with several inputs and shared layers to tests/reference/values.txt (float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_shared.py >> tests/reference/values.txt

Same format and numbers as generate_optimizers.py. Two images go through one tower, their squared difference and what is
made of three more numbers through one cell twice:

    tower   Conv2d(1, 4, 3)   GroupNorm(2, 4)   PReLU   Flatten   Linear(64, 5)         meta   Linear(3, 7)
    cell    Linear(12, 12)    Tanh                                                      head   Linear(12, 3)
    head(cell(cell(cat((tower(left) - tower(right)) ** 2, meta(numbers)))))

Parameter i is tensor 20 + i times 0.5, left, numbers and right are tensors 60, 61 and 62 of five samples, the label of
sample i in step t = 0, 1, 2 is (i + t) % 3. Three steps of SGD, learning rate 0.1, momentum 0.9, weight_decay 0.05. Entries:

    shared/loss                              of the three steps
    shared/<i>                               parameter i afterwards
    shared/left, shared/meta, shared/right   gradients of the inputs in the last step
    shared/y                                 outputs afterwards
"""
import contextlib
import io

import torch
from torch import nn

with contextlib.redirect_stdout(io.StringIO()):
    from generate_optimizers import record, tensor


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.PReLU(), nn.Flatten(), nn.Linear(64, 5))
        self.meta = nn.Linear(3, 7)
        self.cell = nn.Sequential(nn.Linear(12, 12), nn.Tanh())
        self.head = nn.Linear(12, 3)

    def forward(self, left, meta, right):
        distance = (self.tower(left) - self.tower(right)) ** 2
        return self.head(self.cell(self.cell(torch.cat([distance, self.meta(meta)], dim=1))))


net = Pair()
for i, p in enumerate(net.parameters()):
    p.data.copy_(torch.tensor(tensor(20 + i, p.numel())).reshape(p.shape) * 0.5)
shapes = {"left": (5, 1, 6, 6), "meta": (5, 3), "right": (5, 1, 6, 6)}
inputs = [torch.tensor(tensor(60 + k, torch.Size(s).numel())).reshape(s).requires_grad_()
          for k, s in enumerate(shapes.values())]
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.05)
losses = []
for t in range(3):
    optimizer.zero_grad()
    for x in inputs:
        x.grad = None
    loss = nn.functional.cross_entropy(net(*inputs), torch.tensor([(i + t) % 3 for i in range(5)]))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
record("shared/loss", losses)
for i, p in enumerate(net.parameters()):
    record(f"shared/{i}", p.detach().flatten().tolist())
for name, x in zip(shapes, inputs):
    record(f"shared/{name}", x.grad.flatten().tolist())
record("shared/y", net(*inputs).detach().flatten().tolist())
