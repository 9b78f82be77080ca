"""Appends a training whose updates see several batches to tests/reference/values.txt (PyTorch, float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_accumulate.py >> tests/reference/values.txt

Same format and numbers as generate_optimizers.py. Conv2d(2, 3, 2), BatchNorm2d(3), ReLU, Flatten, Linear(12, 4) on images
[2][3][3]; the parameters lie one behind the other in an arena that starts as tensor 1. Step t = 1, 2 takes the 10 images
of tensor 100 + t, labels 0 1 2 3 0 1 ... but for the sixth, which is ignored, in batches of 4, 4 and 2, whose losses are
summed and divided by 9; then SGD with learning rate 0.1 and momentum 0.9. Entries accumulate/step<t>/loss, /parameters,
/buffers (running_mean, running_var).
"""
import contextlib
import io

import torch
from torch import nn

with contextlib.redirect_stdout(io.StringIO()):
    from generate_optimizers import record, tensor

network = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4)).double()
sizes = [p.numel() for p in network.parameters()]
with torch.no_grad():
    for parameter, values in zip(network.parameters(), torch.tensor(tensor(1, sum(sizes))).split(sizes)):
        parameter.copy_(values.view_as(parameter))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
labels = torch.arange(10) % 4
labels[5] = -100
for t in (1, 2):
    images = torch.tensor(tensor(100 + t, 10 * 18)).view(10, 2, 3, 3)
    total = 0
    for x, target in zip(images.split(4), labels.split(4)):
        loss = nn.functional.cross_entropy(network(x), target, reduction="sum") / 9
        loss.backward()
        total += loss.item()
    optimizer.step()
    optimizer.zero_grad()
    record(f"accumulate/step{t}/loss", [total])
    record(f"accumulate/step{t}/parameters", [v for p in network.parameters() for v in p.flatten().tolist()])
    record(f"accumulate/step{t}/buffers", network[1].running_mean.tolist() + network[1].running_var.tolist())
