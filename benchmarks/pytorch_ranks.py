"""Training steps of PyTorch's ranks (gloo): the peer of ranks.cpp and host_steps.cpp.

usage: RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 pytorch_ranks.py THREADS STEPS [WAY [WORK]...]

WAY: ddp (DistributedDataParallel, the default), fp16 (with its hook that halves gradients) or fsdp (fully_shard); WORK:
lenet, resnet20, mlp (the default are these, without resnet20 for fsdp), wide_mlp (4.2 million parameters). Prints a line a
work: images/s and milliseconds at rank 0's median step. BatchNorm is each rank's own: SyncBatchNorm needs GPUs.
"""
import os
import sys
import time

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import pytorch_models as models

# Extents of a sample, batches.
WORKS = {"lenet": ((3, 32, 32), (64, 256)), "resnet20": ((3, 32, 32), (128,)), "mlp": ((784,), (256,)),
         "wide_mlp": ((3072,), (256,))}


def shared(model, way):
    if way == "fsdp":
        mesh = init_device_mesh("cpu", (dist.get_world_size(),))
        for layer in model:
            if isinstance(layer, torch.nn.Linear):  # a group of its own each, as FSDP's authors advise
                fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        return model
    model = DistributedDataParallel(model)
    if way == "fp16":
        model.register_comm_hook(None, default_hooks.fp16_compress_hook)
    return model


def measure(name, way, batch, steps):
    world, rank = dist.get_world_size(), dist.get_rank()
    model = shared(getattr(models, name)(), way)
    own = batch // world
    x, y = torch.randn(own, *WORKS[name][0]), torch.randint(0, 10, (own,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()
    times = []
    for _ in range(steps + 3):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    median = sorted(times[3:])[steps // 2]
    if rank == 0:
        print(f"{name} batch={batch} images_per_s={batch / median:.1f} weights=- ms={median * 1e3:.1f}", flush=True)


if __name__ == "__main__":
    threads, steps = int(sys.argv[1]), int(sys.argv[2])
    way = sys.argv[3] if len(sys.argv) > 3 else "ddp"
    works = sys.argv[4:] or (["lenet", "mlp"] if way == "fsdp" else ["lenet", "resnet20", "mlp"])
    torch.set_num_threads(threads)
    dist.init_process_group("gloo")
    for work in works:
        for batch in WORKS[work][1]:
            measure(work, way, batch, max(5, steps // 10) if work == "resnet20" else steps)
    dist.destroy_process_group()
