"""Appends the values of Eigen's rooms to tests/reference/values.txt (numpy, float64); generate.cpp writes the rest.

    pip install numpy          (2.4.6 was used)
    python3 tests/reference/generate_matrices.py >> tests/reference/values.txt

Same format as generate.cpp: "name count value value ...", matrices row-major; inputs are tensors of inputs.hpp. The
optimizers are written here from their papers, with numpy's decompositions (LAPACK). The values were compared once with
PyTorch code in float64: Muon's with its authors' (within 2e-7, because they add 1e-7 to the norm), SOAP's with
pytorch_optimizer 3.3.0 (within 1e-15, its steps counted from the one that only initialises).

    whitening/mean, zca, pca           of tensor 700 as 12 samples of 5 numbers, epsilon 1e-3, divided by N - 1
    muon/<case>/step<t>                the matrix (tensor 800 + rows, [rows][columns]) after step t = 1..4 with gradient
                                       tensor 810 + t; learning rate 0.1
        wide                           4 x 6
        tall                           6 x 4
        plain                          4 x 6, nesterov=False, momentum 0.8
        decay                          6 x 4, weight decay 0.1, match_rms_adamw
    shampoo/<case>/step<t>             the same, t = 1..5, learning rate 0.1, momentum 0.9, epsilon 1e-6
        sums                           5 x 3, beta2 1, every 1, no grafting: Algorithm 1 but for ridge and momentum
        averages                       5 x 3, beta2 0.9, every 2, weight decay 0.1, no grafting
        graft                          4 x 4, beta2 0.9, every 1, grafted to Adam
        one_side                       3 x 7, beta2 0.9, every 1, longest 5: only rows
    soap/<case>/step<t>                the same, t = 1..6, learning rate 0.1, betas 0.9, 0.95, shampoo_beta 0.8
        every1                         5 x 5, every 1
        every2                         5 x 5, every 2, weight decay 0.1
        one_side                       3 x 7, every 1, longest 5: only rows
"""
import numpy as np


def tensor(seed, *shape):
    """inputs.hpp's reference_value for every element, row-major."""
    mask = 0xFFFFFFFF
    values = []
    for index in range(int(np.prod(shape))):
        bits = (index * 0x9E3779B9 + seed * 0x85EBCA6B + 0x27D4EB2F) & mask
        for _ in range(2):
            bits ^= bits >> 16
            bits = bits * 0x85EBCA6B & mask
            bits ^= bits >> 13
            bits = bits * 0xC2B2AE35 & mask
            bits ^= bits >> 16
            bits = (bits + seed) & mask
        values.append(((bits >> 20) - 2048.0) / 2048.0)
    return np.array(values).reshape(shape)


def record(name, values):
    values = np.asarray(values).ravel()
    print(name, values.size, *(repr(float(v)) for v in values))


def whitening():
    x = tensor(700, 12, 5)
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    order = np.argsort(-values)
    values, vectors = values[order], vectors[:, order]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(5)])
    pca = (vectors / np.sqrt(values + 1e-3)).T
    record("whitening/mean", mean)
    record("whitening/zca", vectors @ pca)
    record("whitening/pca", pca)


class Muon:
    def __init__(self, rate, momentum=0.95, nesterov=True, decay=0.0, match_rms=False):
        self.rate, self.momentum, self.nesterov, self.decay, self.match_rms = rate, momentum, nesterov, decay, match_rms
        self.buffer = 0.0

    @staticmethod
    def orthogonalise(g, steps=5):
        x = g.T if g.shape[0] > g.shape[1] else g
        x = x / np.linalg.norm(x)
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return x.T if g.shape[0] > g.shape[1] else x

    def step(self, w, g):
        self.buffer = self.momentum * self.buffer + (1 - self.momentum) * g
        direction = self.momentum * self.buffer + (1 - self.momentum) * g if self.nesterov else self.buffer
        rows, columns = w.shape
        scale = 0.2 * max(rows, columns) ** 0.5 if self.match_rms else max(1, rows / columns) ** 0.5
        return w * (1 - self.rate * self.decay) - self.rate * scale * self.orthogonalise(direction)


def power(s, exponent, ridge):
    values, vectors = np.linalg.eigh(s)
    return vectors @ np.diag((np.maximum(values, 0) + ridge * values.max()) ** exponent) @ vectors.T


class Shampoo:
    def __init__(self, rate, beta2, every, momentum=0.9, decay=0.0, graft=False, longest=100, epsilon=1e-6):
        self.rate, self.beta2, self.every, self.momentum = rate, beta2, every, momentum
        self.decay, self.graft, self.longest, self.epsilon = decay, graft, longest, epsilon
        self.sums, self.roots, self.buffer, self.v, self.t = [0.0, 0.0], [None, None], 0.0, 0.0, 0

    def step(self, w, g):
        sides = [side for side in (0, 1) if w.shape[side] <= self.longest]
        add, correction = (1, 1) if self.beta2 == 1 else (1 - self.beta2, 1 - self.beta2 ** (self.t + 1))
        direction = g
        for side in sides:
            product = g @ g.T if side == 0 else g.T @ g
            self.sums[side] = self.beta2 * self.sums[side] + add * product
            if self.t % self.every == 0:
                self.roots[side] = power(self.sums[side] / correction, -1 / (2 * len(sides)), self.epsilon)
            direction = self.roots[side] @ direction if side == 0 else direction @ self.roots[side]
        if self.graft:
            self.v = self.beta2 * self.v + add * g**2
            adam = g / (np.sqrt(self.v / correction) + 1e-8)
            direction = direction * np.linalg.norm(adam) / np.linalg.norm(direction)
        self.buffer = self.momentum * self.buffer + (1 - self.momentum) * direction
        self.t += 1
        return w * (1 - self.rate * self.decay) - self.rate * self.buffer


class SOAP:
    def __init__(self, rate, every, betas=(0.9, 0.95), shampoo_beta=0.8, decay=0.0, longest=100, epsilon=1e-8):
        self.rate, self.every, self.betas, self.shampoo_beta = rate, every, betas, shampoo_beta
        self.decay, self.longest, self.epsilon = decay, longest, epsilon
        self.m, self.v, self.sums, self.bases, self.t = 0.0, 0.0, [0.0, 0.0], [None, None], 0

    def project(self, x):
        left, right = self.bases
        x = x if left is None else left.T @ x
        return x if right is None else x @ right

    def back(self, x):
        left, right = self.bases
        x = x if left is None else left @ x
        return x if right is None else x @ right.T

    def step(self, w, g):
        if self.t > 0:
            beta1, beta2 = self.betas
            self.m = beta1 * self.m + (1 - beta1) * g
            self.v = beta2 * self.v + (1 - beta2) * self.project(g) ** 2
            direction = self.back(self.project(self.m) / (np.sqrt(self.v) + self.epsilon))
            rate = self.rate * (1 - beta2**self.t) ** 0.5 / (1 - beta1**self.t)
            w = w * (1 - self.rate * self.decay) - rate * direction
        for side in (0, 1):
            if w.shape[side] > self.longest:
                continue
            product = g @ g.T if side == 0 else g.T @ g
            self.sums[side] = self.shampoo_beta * self.sums[side] + (1 - self.shampoo_beta) * product
            if self.t == 0:
                self.bases[side] = np.linalg.eigh(self.sums[side])[1][:, ::-1]
            elif self.t % self.every == 0:
                basis = self.bases[side]
                turned = self.sums[side] @ basis
                order = np.argsort(-np.diag(basis.T @ turned))
                self.v = np.take(self.v, order, axis=side)
                self.bases[side] = np.linalg.qr(turned[:, order])[0]
        self.t += 1
        return w


def train(name, steps, rows, columns, optimizer):
    w = tensor(800 + rows, rows, columns)
    for t in range(1, steps + 1):
        w = optimizer.step(w, tensor(810 + t, rows, columns))
        record(f"{name}/step{t}", w)


def main():
    whitening()
    train("muon/wide", 4, 4, 6, Muon(0.1))
    train("muon/tall", 4, 6, 4, Muon(0.1))
    train("muon/plain", 4, 4, 6, Muon(0.1, momentum=0.8, nesterov=False))
    train("muon/decay", 4, 6, 4, Muon(0.1, decay=0.1, match_rms=True))
    train("shampoo/sums", 5, 5, 3, Shampoo(0.1, beta2=1, every=1))
    train("shampoo/averages", 5, 5, 3, Shampoo(0.1, beta2=0.9, every=2, decay=0.1))
    train("shampoo/graft", 5, 4, 4, Shampoo(0.1, beta2=0.9, every=1, graft=True))
    train("shampoo/one_side", 5, 3, 7, Shampoo(0.1, beta2=0.9, every=1, longest=5))
    train("soap/every1", 6, 5, 5, SOAP(0.1, every=1))
    train("soap/every2", 6, 5, 5, SOAP(0.1, every=2, decay=0.1))
    train("soap/one_side", 6, 3, 7, SOAP(0.1, every=1, longest=5))


if __name__ == "__main__":
    main()
