"""Appends the younger optimizers to tests/reference/values.txt (float64); generate.cpp writes SGD, Adam and AdamW.

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_optimizers.py >> tests/reference/values.txt

Same format as generate.cpp: "name count value value ...". Optimizers of single numbers start from the seven parameters of
tensor 1; the gradient of step t = 1, 2, ... is tensor 100 + t. Entry <optimizer>/<case>/step<t> is the parameters after
step t. The learning rate is 0.01, other options are PyTorch's defaults where the case does not say more. Cases of all:

    default          weight_decay      0.05        decoupled        the same, decoupled_weight_decay=True
    schedule         the learning rate of step t is 0.01 / t
    zeros            the gradient's elements 0 and 1 are 0 in all steps, all of it is 0 in step 3

    rmsprop          8 steps           momentum    0.9              centered, centered_momentum
                     all               alpha=0.9, eps=1e-3, weight_decay=0.05, momentum=0.8, centered=True
    adagrad          8 steps           lr_decay    0.1              start   initial_accumulator_value=0.5
                     all               lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.5, eps=1e-3
    nadam, radam     8 steps, in which RAdam begins to divide by the second moment at step 6
                     betas             0.8, 0.95   eps              1e-2
    nadam            decay             momentum_decay=0.3 for 40 steps: 1, 2, 20 and 40 are there
    lion             8 steps           betas       0.8, 0.95        PyTorch has none: written here from the paper

Of whole matrices, as generate_matrices.py has them: tensor 800 + rows, [rows][columns], the gradient of step t = 1..6 is
tensor 810 + t. PyTorch has none of these; they are written here from the papers.

    lamb             learning rate 0.01, betas 0.9, 0.999, epsilon 1e-6, weight decay 0.01
        wide, tall   4 x 6, 6 x 4      no_decay    4 x 6, weight decay 0     zero   4 x 6, begins as 0
    lars             learning rate 0.5, momentum 0.9, trust coefficient 0.02, no weight decay
        wide, tall   4 x 6, 6 x 4      decay       4 x 6, weight decay 0.05  zero   4 x 6, the gradient of step 3 is 0
        plain        4 x 6, momentum 0, weight decay 0.05
"""
import math

import torch

torch.set_default_dtype(torch.float64)  # of NAdam's product of momenta, too


def tensor(seed, count):
    """inputs.hpp's reference_value for every element."""
    mask = 0xFFFFFFFF
    values = []
    for index in range(count):
        bits = (index * 0x9E3779B9 + seed * 0x85EBCA6B + 0x27D4EB2F) & mask
        for _ in range(2):
            bits ^= bits >> 16
            bits = bits * 0x85EBCA6B & mask
            bits ^= bits >> 13
            bits = bits * 0xC2B2AE35 & mask
            bits ^= bits >> 16
            bits = (bits + seed) & mask
        values.append(((bits >> 20) - 2048.0) / 2048.0)
    return values


def record(name, values):
    print(name, len(values), *(repr(float(v)) for v in values))


class Lion:
    """Algorithm 2 of arXiv:2302.06675, number by number."""

    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
        self.param_groups = [{"lr": lr}]
        self.parameter, self.betas, self.decay = parameters[0], betas, weight_decay
        self.m = [0.0] * self.parameter.numel()

    def step(self):
        (beta1, beta2), lr = self.betas, self.param_groups[0]["lr"]
        theta, g = self.parameter.data, self.parameter.grad
        for i in range(len(self.m)):
            c = beta1 * self.m[i] + (1 - beta1) * float(g[i])
            sign = (c > 0) - (c < 0)
            theta[i] = float(theta[i]) - lr * (sign + self.decay * float(theta[i]))
            self.m[i] = beta2 * self.m[i] + (1 - beta2) * float(g[i])


def run(name, make, steps=8, schedule=False, zeros=False, recorded=None, **options):
    parameter = torch.tensor(tensor(1, 7), requires_grad=True)
    optimizer = make([parameter], lr=0.01, **options)
    for t in range(1, steps + 1):
        if schedule:
            optimizer.param_groups[0]["lr"] = 0.01 / t
        gradient = torch.tensor(tensor(100 + t, 7))
        if zeros:
            gradient[:2] = 0
            gradient *= t != 3
        parameter.grad = gradient
        optimizer.step()
        if recorded is None or t in recorded:
            record(f"{name}/step{t}", parameter.tolist())


def common(name, make):
    run(name + "/default", make)
    run(name + "/weight_decay", make, weight_decay=0.05)
    run(name + "/schedule", make, schedule=True)
    run(name + "/zeros", make, zeros=True)


common("rmsprop", torch.optim.RMSprop)
run("rmsprop/momentum", torch.optim.RMSprop, momentum=0.9)
run("rmsprop/centered", torch.optim.RMSprop, centered=True)
run("rmsprop/centered_momentum", torch.optim.RMSprop, momentum=0.9, centered=True)
run("rmsprop/all", torch.optim.RMSprop, alpha=0.9, eps=1e-3, weight_decay=0.05, momentum=0.8, centered=True)
common("adagrad", torch.optim.Adagrad)
run("adagrad/lr_decay", torch.optim.Adagrad, lr_decay=0.1)
run("adagrad/start", torch.optim.Adagrad, initial_accumulator_value=0.5)
run("adagrad/all", torch.optim.Adagrad, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.5, eps=1e-3)
for name, make in (("nadam", torch.optim.NAdam), ("radam", torch.optim.RAdam)):
    common(name, make)
    run(name + "/decoupled", make, weight_decay=0.05, decoupled_weight_decay=True)
    run(name + "/betas", make, betas=(0.8, 0.95))
    run(name + "/eps", make, eps=1e-2)
run("nadam/decay", torch.optim.NAdam, steps=40, recorded=(1, 2, 20, 40), momentum_decay=0.3)
common("lion", Lion)
run("lion/betas", Lion, betas=(0.8, 0.95))


def norm(values):
    return math.sqrt(sum(v * v for v in values))


def lamb(name, rows, columns, decay=0.01, zero=False):
    """Algorithm 2 of arXiv:1904.00962 with phi(z) = z; a ratio of norms with a 0 in it is 1."""
    lr, beta1, beta2, eps = 0.01, 0.9, 0.999, 1e-6
    x = [0.0] * (rows * columns) if zero else tensor(800 + rows, rows * columns)
    m, v = [0.0] * len(x), [0.0] * len(x)
    for t in range(1, 7):
        g = tensor(810 + t, len(x))
        m = [beta1 * a + (1 - beta1) * b for a, b in zip(m, g)]
        v = [beta2 * a + (1 - beta2) * b * b for a, b in zip(v, g)]
        r = [a / (1 - beta1**t) / (math.sqrt(b / (1 - beta2**t)) + eps) for a, b in zip(m, v)]
        u = [a + decay * b for a, b in zip(r, x)]
        ratio = norm(x) / norm(u) if norm(x) > 0 and norm(u) > 0 else 1.0
        x = [a - lr * ratio * b for a, b in zip(x, u)]
        record(f"lamb/{name}/step{t}", x)


def lars(name, rows, columns, decay=0.0, momentum=0.9, zero=False):
    """Algorithm 1 of arXiv:1708.03888, with the learning rate outside of the velocity."""
    lr, trust = 0.5, 0.02
    w = tensor(800 + rows, rows * columns)
    v = [0.0] * len(w)
    for t in range(1, 7):
        g = [a * (not (zero and t == 3)) for a in tensor(810 + t, len(w))]
        local = trust * norm(w) / (norm(g) + decay * norm(w)) if norm(w) > 0 and norm(g) > 0 else 1.0
        v = [momentum * a + local * (b + decay * c) for a, b, c in zip(v, g, w)]
        w = [a - lr * b for a, b in zip(w, v)]
        record(f"lars/{name}/step{t}", w)


lamb("wide", 4, 6)
lamb("tall", 6, 4)
lamb("no_decay", 4, 6, decay=0.0)
lamb("zero", 4, 6, zero=True)
lars("wide", 4, 6)
lars("tall", 6, 4)
lars("decay", 4, 6, decay=0.05)
lars("zero", 4, 6, zero=True)
lars("plain", 4, 6, decay=0.05, momentum=0.0)
