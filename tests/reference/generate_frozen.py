"""Appends trainings of networks with frozen layers to tests/reference/values.txt (float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_frozen.py >> tests/reference/values.txt

Same format and numbers as generate_optimizers.py. The network is

    stem   Conv2d(2, 3, 3)   mid   Conv2d(3, 4, 3, padding=1)   bn   BatchNorm2d(4)   ReLU   Dropout(0.5)   Flatten
    head   Linear(64, 3)

Of the tensors of state_dict(), tensor i (num_batches_tracked is not counted) is tensor 20 + i times 0.5, running_var that
plus 1. Inputs are tensor 40, [5, 2, 6, 6], the label of sample i in step t = 0, 1, 2 is (i + t) % 3. mid, bn, ReLU and
dropout have requires_grad False and are in eval(), of frozen/trunk stem, too; the rest is in train(). Three steps of SGD,
learning rate 0.1, momentum 0.9, weight_decay 0.05, of what requires a gradient. Entries:

    frozen/{middle,trunk}/loss            of the three steps
    frozen/{middle,trunk}/<name>          every parameter and running statistic afterwards
    frozen/{middle,trunk}/y               outputs for the inputs in eval()
"""
import contextlib
import io
from collections import OrderedDict

import torch
from torch import nn

with contextlib.redirect_stdout(io.StringIO()):
    from generate_optimizers import record, tensor


def run(case, frozen):
    net = nn.Sequential(OrderedDict(stem=nn.Conv2d(2, 3, 3), mid=nn.Conv2d(3, 4, 3, padding=1), bn=nn.BatchNorm2d(4),
                                    relu=nn.ReLU(), dropout=nn.Dropout(0.5), flatten=nn.Flatten(), head=nn.Linear(64, 3)))
    named = [(n, t) for n, t in net.state_dict().items() if not n.endswith("num_batches_tracked")]
    for i, (name, t) in enumerate(named):
        values = torch.tensor(tensor(20 + i, t.numel())).reshape(t.shape) * 0.5
        t.copy_(values + 1 if name.endswith("running_var") else values)
    net.train()
    for name in frozen:
        net.get_submodule(name).requires_grad_(False).eval()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1, momentum=0.9, weight_decay=0.05)
    x = torch.tensor(tensor(40, 5 * 2 * 6 * 6)).reshape(5, 2, 6, 6)
    losses = []
    for t in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), torch.tensor([(i + t) % 3 for i in range(5)]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    record(f"frozen/{case}/loss", losses)
    for name, t in named:
        record(f"frozen/{case}/{name}", t.flatten().tolist())
    record(f"frozen/{case}/y", net.eval()(x).flatten().tolist())


run("middle", ["mid", "bn", "relu", "dropout"])
run("trunk", ["stem", "mid", "bn", "relu", "dropout"])
