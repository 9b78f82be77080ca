"""Appends optimizers with parameter groups to tests/reference/values.txt (float64).

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_groups.py >> tests/reference/values.txt

Same format and numbers as generate_optimizers.py, whose Lion is used. Four tensors lie one behind the other in an arena of
14 numbers, which starts as tensor 1; its gradient in step t = 1, 2, ... is tensor 100 + t:

    body.weight [2, 3]   weight_decay 0.05, learning rate 0.01        body.bias [2]   weight_decay 0, learning rate 0.01
    head.weight [2, 2]   weight_decay 0.05, learning rate 0.1         head.bias [2]   weight_decay 0, learning rate 0.1

LambdaLR makes the learning rates of step t 1 / t of these. Entry groups/<optimizer>/step<t>, t = 1, 2 and 7, is the arena
after step t.
"""
import contextlib
import io

import torch

with contextlib.redirect_stdout(io.StringIO()):
    from generate_optimizers import Lion, record, tensor

SIZES = (6, 2, 4, 2)


def run(name, make, **options):
    parts = list(torch.tensor(tensor(1, sum(SIZES))).split(SIZES))
    parameters = [p.clone().requires_grad_() for p in parts]
    weight, bias, head_weight, head_bias = parameters
    groups = [{"params": [weight]}, {"params": [bias], "weight_decay": 0.0},
              {"params": [head_weight], "lr": 0.1}, {"params": [head_bias], "lr": 0.1, "weight_decay": 0.0}]
    if make is Lion:
        optimizers = [Lion(g["params"], lr=g.get("lr", 0.01), weight_decay=g.get("weight_decay", 0.05)) for g in groups]
    else:
        optimizers = [make(groups, lr=0.01, weight_decay=0.05, **options)]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizers[0], lambda t: 1 / (1 + t))
    for t in range(1, 8):
        for p, g in zip(parameters, torch.tensor(tensor(100 + t, sum(SIZES))).split(SIZES)):
            p.grad = g
        for optimizer, group in zip(optimizers, groups):
            if make is Lion:
                optimizer.param_groups[0]["lr"] = group.get("lr", 0.01) / t
            optimizer.step()
        if make is not Lion:
            schedule.step()
        if t in (1, 2, 7):
            record(f"groups/{name}/step{t}", [v for p in parameters for v in p.tolist()])


run("sgd", torch.optim.SGD, momentum=0.9)
run("adam", torch.optim.Adam)
run("adamw", torch.optim.AdamW)
run("nadam", torch.optim.NAdam)
run("radam", torch.optim.RAdam)
run("lion", Lion)
run("rmsprop", torch.optim.RMSprop)
run("adagrad", torch.optim.Adagrad)
