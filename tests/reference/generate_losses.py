"""Appends losses to tests/reference/values.txt (PyTorch, float64) that generate.cpp does not have.

    pip install torch          (2.15.0 was used)
    python3 tests/reference/generate_losses.py >> tests/reference/values.txt

Same format as generate.cpp: "name count value value ...". v(s) is the tensor of seed s in inputs.hpp, coarse(s) the coarse
one; labels are reference_label(5, i, 10). Mean reduction unless said otherwise. Entries loss (one value), dx.

    l1/5x4[_ties]                          x = 4 v(1), target v(5); ties: x = coarse(1), target coarse(5), many are equal
    huber/5x4_delta<d>                     x = 4 v(1), target v(5)
    smooth_l1/5x4_beta<b>                  the same; beta0_ties: as l1's ties
    bce_with_logits/5x4[_hard][_large][_pos3]
                                           x = 8 v(1) (large: 1000 v(1)), target (v(5) + 1) / 2 (hard: 1 where v(5) > 0, else
                                           0); pos3: pos_weight = 3
    nll/5x10[_ignore]                      x = 4 v(1); ignore: the labels of samples 1 and 3 are -100
    kl_div/5x10[_zeros]                    reduction="batchmean"; x = 4 v(1), target (v(5) + 1) / 2 (zeros: coarse(5), 0
                                           where that is negative)
    soft_cross_entropy/5x10[_large][_smooth0.1]
                                           x = 4 v(1) (large: 1000 v(1)), target (v(5) + 1) / 2, smooth: label_smoothing = 0.1
    cross_entropy/5x10_ignore[_smooth0.1]  x = 4 v(1), labels as nll's
    weighted_cross_entropy/5x10[_large][_smooth0.1][_ignore]
                                           weights 1 + v(6), that of class 3 is 0

Losses of a label at each place: x = 4 v(1) of the shape, labels reference_label(5, i, classes), every third (i % 3 = 1) -100.

    nll, cross_entropy, cross_entropy_smooth0.1, weighted_cross_entropy_smooth0.1 /3x4x2x5
    cross_entropy/5x3x7
    cross_entropy/3x4x2x5_samples, mse/5x4_samples, l1/5x4_samples
                                           (loss(reduction="none") * w).mean() with a weight a sample, w = 1 + v(7), that of
                                           sample 1 is 0; mse and l1: target v(5)
    heads/5x6                              x = v(1), heads of it: 4 classes (weight v(2), bias v(3); labels reference_label(5,
                                           i, 4), sample 1 ignored) and 3 numbers (v(4), v(6); target v(7));
                                           cross_entropy + 0.5 mse; dx is all gradients: x, weights and biases
    pointwise/5x4                          mean of log(cosh(x - target)), x = 4 v(1), target v(5)
"""
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
MASK = 0xFFFFFFFF


def bits(seed, index):
    """inputs.hpp's reference_bits."""
    b = (index * 0x9E3779B9 + seed * 0x85EBCA6B + 0x27D4EB2F) & MASK
    for _ in range(2):
        b ^= b >> 16
        b = b * 0x85EBCA6B & MASK
        b ^= b >> 13
        b = b * 0xC2B2AE35 & MASK
        b ^= b >> 16
        b = (b + seed) & MASK
    return b


def v(seed, *shape):
    count = torch.Size(shape).numel()
    return torch.tensor([((bits(seed, i) >> 20) - 2048.0) / 2048.0 for i in range(count)]).double().reshape(shape)


def coarse(seed, *shape):
    count = torch.Size(shape).numel()
    return torch.tensor([((bits(seed, i) >> 29) - 4.0) / 4.0 for i in range(count)]).double().reshape(shape)


def record(name, x, loss):
    x = x.detach().requires_grad_()
    value = loss(x)
    value.backward()
    for entry, values in (("loss", value), ("dx", x.grad)):
        values = values.detach().ravel().tolist()
        print(f"{name}/{entry}", len(values), *map(repr, values))


torch.set_default_dtype(torch.float64)
x, y = 4 * v(1, 5, 4), v(5, 5, 4)
ties, equal = coarse(1, 5, 4), coarse(5, 5, 4)
record("l1/5x4", x, lambda x: F.l1_loss(x, y))
record("l1/5x4_ties", ties, lambda x: F.l1_loss(x, equal))
for delta in (1, 0.5):
    record(f"huber/5x4_delta{delta}", x, lambda x: F.huber_loss(x, y, delta=delta))
for beta in (1, 0.25, 0):
    record(f"smooth_l1/5x4_beta{beta}", x, lambda x: F.smooth_l1_loss(x, y, beta=beta))
record("smooth_l1/5x4_beta0_ties", ties, lambda x: F.smooth_l1_loss(x, equal, beta=0))
for hard, large, pos in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1), (1, 1, 1)):
    name = "bce_with_logits/5x4" + "_hard" * hard + "_large" * large + "_pos3" * pos
    target = (y > 0).double() if hard else (y + 1) / 2
    record(name, (1000 if large else 8) * v(1, 5, 4),
           lambda x: F.binary_cross_entropy_with_logits(x, target, pos_weight=torch.tensor(3.0) if pos else None))

x, y, large = 4 * v(1, 5, 10), (v(5, 5, 10) + 1) / 2, 1000 * v(1, 5, 10)
labels = torch.tensor([(bits(5, i) >> 8) % 10 for i in range(5)])
ignored = labels.clone()
ignored[1] = ignored[3] = -100
weights = 1 + v(6, 10)
weights[3] = 0
record("nll/5x10", x, lambda x: F.nll_loss(x, labels))
record("nll/5x10_ignore", x, lambda x: F.nll_loss(x, ignored))
record("kl_div/5x10", x, lambda x: F.kl_div(x, y, reduction="batchmean"))
record("kl_div/5x10_zeros", x, lambda x: F.kl_div(x, coarse(5, 5, 10).clamp(min=0), reduction="batchmean"))
for smooth in (0.0, 0.1):
    end = "_smooth0.1" if smooth else ""
    record(f"soft_cross_entropy/5x10{end}", x, lambda x: F.cross_entropy(x, y, label_smoothing=smooth))
    record(f"soft_cross_entropy/5x10_large{end}", large, lambda x: F.cross_entropy(x, y, label_smoothing=smooth))
    record(f"cross_entropy/5x10_ignore{end}", x, lambda x: F.cross_entropy(x, ignored, label_smoothing=smooth))
    for size, start in (("", x), ("_large", large)):
        for ignore, its in (("", labels), ("_ignore", ignored)):
            record(f"weighted_cross_entropy/5x10{size}{end}{ignore}", start,
                   lambda x: F.cross_entropy(x, its, weight=weights, label_smoothing=smooth))

places = 4 * v(1, 3, 4, 2, 5)
labels = torch.tensor([-100 if i % 3 == 1 else (bits(5, i) >> 8) % 4 for i in range(30)]).reshape(3, 2, 5)
record("nll/3x4x2x5", places, lambda x: F.nll_loss(x, labels))
record("cross_entropy/3x4x2x5", places, lambda x: F.cross_entropy(x, labels))
record("cross_entropy_smooth0.1/3x4x2x5", places, lambda x: F.cross_entropy(x, labels, label_smoothing=0.1))
record("weighted_cross_entropy_smooth0.1/3x4x2x5", places,
       lambda x: F.cross_entropy(x, labels, weight=1 + v(6, 4), label_smoothing=0.1))
line = torch.tensor([-100 if i % 3 == 1 else (bits(5, i) >> 8) % 3 for i in range(35)]).reshape(5, 7)
record("cross_entropy/5x3x7", 4 * v(1, 5, 3, 7), lambda x: F.cross_entropy(x, line))

w = 1 + v(7, 5)
w[1] = 0
whole = torch.tensor([(bits(5, i) >> 8) % 4 for i in range(30)]).reshape(3, 2, 5)
record("cross_entropy/3x4x2x5_samples", places,
       lambda x: (F.cross_entropy(x, whole, reduction="none") * w[:3, None, None]).mean())
x, y = 4 * v(1, 5, 4), v(5, 5, 4)
record("mse/5x4_samples", x, lambda x: (F.mse_loss(x, y, reduction="none") * w[:, None]).mean())
record("l1/5x4_samples", x, lambda x: (F.l1_loss(x, y, reduction="none") * w[:, None]).mean())
record("pointwise/5x4", x, lambda x: torch.log(torch.cosh(x - y)).mean())

tensors = [v(1, 5, 6), v(2, 4, 6), v(3, 4), v(4, 3, 6), v(6, 3)]
sizes = [t.numel() for t in tensors]
labels = torch.tensor([-100 if i == 1 else (bits(5, i) >> 8) % 4 for i in range(5)])


def heads(flat):
    x, w, b, u, c = (part.reshape(t.shape) for part, t in zip(flat.split(sizes), tensors))
    return F.cross_entropy(x @ w.T + b, labels) + 0.5 * F.mse_loss(x @ u.T + c, v(7, 5, 3))


record("heads/5x6", torch.cat([t.ravel() for t in tensors]), heads)
