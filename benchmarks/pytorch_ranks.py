"""Training steps of PyTorch's DistributedDataParallel (gloo), the peer of ranks.cpp.

usage: RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 pytorch_ranks.py THREADS STEPS

Prints a line a work: images/s at rank 0's median step. BatchNorm is each rank's own: SyncBatchNorm needs GPUs.
"""
import os
import sys
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import pytorch_models as models


def measure(name, model, shape, batch, steps):
    world, rank = dist.get_world_size(), dist.get_rank()
    model = DistributedDataParallel(model)
    own = batch // world
    x, y = torch.randn(own, *shape), torch.randint(0, 10, (own,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()
    times = []
    for _ in range(steps + 3):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    times = sorted(times[3:])
    if rank == 0:
        print(f"{name} batch={batch} images_per_s={batch / times[len(times) // 2]:.1f} weights=-", flush=True)


if __name__ == "__main__":
    threads, steps = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    dist.init_process_group("gloo")
    for batch in (64, 256):
        measure("lenet", models.lenet(), (3, 32, 32), batch, steps)
    measure("resnet20", models.resnet20(), (3, 32, 32), 128, max(5, steps // 10))
    measure("mlp", models.mlp(), (784,), 256, steps)
    dist.destroy_process_group()
