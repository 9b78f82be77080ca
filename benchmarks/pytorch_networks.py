"""PyTorch's side of the comparison: works of networks.cpp, on the same data, printed in the same format.

usage: pytorch_networks.py eager|compile|onnxruntime FILTER THREADS SECONDS
       pytorch_networks.py eager|compile|onnxruntime losses

eager is plain PyTorch, compile torch.compile; onnxruntime runs the inference works of networks that PyTorch exports. FILTER
is a work's whole name, such as "lenet train batch=64 threads=1". The memory of onnxruntime includes PyTorch's, which exports.
"""
import logging
import re
import statistics
import sys
import tempfile
import time

import numpy
import torch
import torch.fx.experimental.optimization
from torch.nn import functional

from pytorch_models import NETWORKS

CHECK_BATCH, CHECK_STEPS, FIRST_WEIGHT = 24, 2, 1 << 30  # as in work.hpp


def numbers(first, count):
    """work.hpp's numbers in [-1, 1) of the indices from `first`."""
    with numpy.errstate(over="ignore"):
        z = numpy.arange(first + 1, first + count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> numpy.uint64(31))) >> numpy.uint64(40)).astype(numpy.float64) * 2.0**-23 - 1.0


def samples(network, batch):
    shape = (batch, 784) if network == "mlp" else (batch, 3, 32, 32)
    images = (1.7 * numbers(0, int(numpy.prod(shape)))).astype(numpy.float32).reshape(shape)
    return torch.from_numpy(images), (torch.arange(batch) * 7 + 3) % 10


def fill_weights(model):
    at = FIRST_WEIGHT
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            is_vector, size = tensor.dim() == 1, tensor.numel()
            centre = 1.0 if is_vector and not name.endswith("bias") else 0.0
            spread = 0.1 if is_vector else (6.0 / (size // tensor.shape[0])) ** 0.5
            values = (centre + spread * numbers(at, size)).astype(numpy.float32)
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))
            at += size


def training_step(side, model, images, labels):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    model.train()

    def loss_of(x, y):
        return functional.cross_entropy(model(x), y)

    if side == "compile":
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(side, model, images, threads):
    """A function that gives the outputs as an array, with BatchNorm folded as Strata's and onnxruntime's are."""
    model = torch.fx.experimental.optimization.fuse(model.eval())
    if side == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        with tempfile.TemporaryDirectory() as directory:
            torch.onnx.export(model, (images,), f"{directory}/model.onnx", input_names=["x"], verbose=False)
            session = onnxruntime.InferenceSession(f"{directory}/model.onnx", options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: images.numpy()}
        return lambda: session.run(None, feed)[0]
    run = torch.compile(model) if side == "compile" else model

    def infer():
        with torch.inference_mode():
            return run(images).numpy()

    return infer


def check(side):
    for network, make in NETWORKS.items():
        model = make()
        fill_weights(model)
        images, labels = samples(network, CHECK_BATCH)
        step = training_step("eager" if side == "onnxruntime" else side, model, images, labels)
        losses = [step() for _ in range(CHECK_STEPS)]
        for index, loss in enumerate([] if side == "onnxruntime" else losses):
            print(f"{network} loss_of_step_{index + 1} {loss:.7f}")
        outputs = inference(side, model, images, 1)()
        print(f"{network} mean_absolute_output {numpy.abs(outputs.astype(numpy.float64)).mean():.7f}")


def measure(side, work, seconds):
    network, mode, batch, threads = re.fullmatch(r"(\w+) (\w+) batch=(\d+) threads=(\d+)", work).groups()
    if side == "onnxruntime" and mode == "train":
        return
    torch.set_num_threads(int(threads))
    model = NETWORKS[network]()
    images, labels = samples(network, int(batch))
    run = training_step(side, model, images, labels) if mode == "train" else inference(side, model, images, int(threads))
    for _ in range(3):
        run()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    memory = next((int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")), 0) / 1024
    print(f"{work} median_ms={median * 1e3:.4f} images_per_s={int(batch) / median:.1f} peak_MiB={memory:.1f}")


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # absent GPUs and torchvision
    if sys.argv[2] == "losses":
        check(sys.argv[1])
    else:
        measure(sys.argv[1], sys.argv[2], float(sys.argv[4]))
