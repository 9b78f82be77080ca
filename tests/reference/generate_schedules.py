"""Appends the learning-rate schedules to tests/reference/values.txt (PyTorch, float64); generate.cpp writes the rest.

    pip install torch          (2.15.0 was used; 1.13.1 gives the same up to warmup4_from0.1_cosine_t20)
    python3 tests/reference/generate_schedules.py >> tests/reference/values.txt

Same format as generate.cpp: "name count value value ...". Base learning rate 0.1, momentum 0.9. Entry
schedule/<case>/lr holds the learning rate that optimizer step 0, 1, 2, ... uses, with one scheduler step after each
optimizer step: 25 of them, or as many as OneCycleLR allows. schedule/one_cycle.../momentum: the momentum of the same steps.

    constant
    step_s3_g0.1                       StepLR(step_size=3, gamma=0.1)
    cosine_t10, cosine_t10_min0.01     CosineAnnealingLR(T_max=10, eta_min=0 or 0.01); it rises again after step 10
    cosine_t25                         CosineAnnealingLR(T_max=25)
    one_cycle_t20                      OneCycleLR(max_lr=0.1, total_steps=20): pct_start 0.3, cosine, div_factor 25,
                                       final_div_factor 1e4, momentum between 0.85 and 0.95
    one_cycle_t20_linear               anneal_strategy="linear"
    one_cycle_t20_three_phase          three_phase=True
    one_cycle_t20_linear_three_phase   both
    one_cycle_t25_options              total_steps=25, pct_start=0.25, div_factor=10, final_div_factor=100, max_lr=0.2,
                                       base_momentum=0.8, max_momentum=0.9 (the end of a phase is not an integer)
    warmup5_constant                   LinearLR(start_factor=1/3, end_factor=1, total_iters=5)
    warmup5_cosine_t20                 the same warm-up, at step 5 replaced (SequentialLR) by CosineAnnealingLR(T_max=20)
    warmup5_step_s3_g0.1               the same warm-up, at step 5 replaced by StepLR(step_size=3, gamma=0.1)
    warmup4_from0.1_cosine_t20         LinearLR(start_factor=0.1, total_iters=4), at step 4 CosineAnnealingLR(T_max=20)
    multi_step_m4_9_9_17_g0.5          MultiStepLR(milestones=[4, 9, 9, 17], gamma=0.5)
    exponential_g0.8                   ExponentialLR(gamma=0.8)
    polynomial_t20, polynomial_t20_p2.5     PolynomialLR(total_iters=20, power=1 or 2.5)
    restarts_t4, restarts_t3_x2_min0.01     CosineAnnealingWarmRestarts(T_0=4), (T_0=3, T_mult=2, eta_min=0.01)
    sequence_exponential4_restarts10_multi_step     SequentialLR([ExponentialLR(gamma=0.8),
                                       CosineAnnealingWarmRestarts(T_0=4), MultiStepLR(milestones=[3, 7])], [4, 10])
    sequence_constant6_one_cycle_t19   SequentialLR([LambdaLR(1), OneCycleLR(max_lr=2.5, total_steps=19)], [6]); its initial
                                       learning rate is the base of 0.1; momentum of steps 6 to 24
A schedule behind another one counts its steps from the replacement on.
"""
import warnings

import torch
from torch.optim.lr_scheduler import (CosineAnnealingLR, CosineAnnealingWarmRestarts, ExponentialLR, LambdaLR, LinearLR,
                                      MultiStepLR, OneCycleLR, PolynomialLR, SequentialLR, StepLR)

warnings.filterwarnings("ignore")  # SequentialLR of 1.13 calls step(epoch) of its own members


def record(name, make, steps=25, momentum=False):
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    schedule = make(optimizer)
    values = {"lr": [], "momentum": []}
    for step in range(steps):
        for key in values:
            values[key].append(float(optimizer.param_groups[0][key]))
        optimizer.step()
        if step + 1 < steps:
            schedule.step()
    for key in ("lr", "momentum") if momentum else ("lr",):
        print(f"schedule/{name}/{key} {steps}", *map(repr, values[key]))


def after_warmup(second, steps=5, start_factor=1 / 3):
    def make(optimizer):
        warmup = LinearLR(optimizer, start_factor=start_factor, total_iters=steps)
        return SequentialLR(optimizer, [warmup, second(optimizer)], milestones=[steps])

    return make


def sequence(milestones, *schedules):
    return lambda o: SequentialLR(o, [make(o) for make in schedules], milestones=milestones)


def one_cycle(name, total_steps, max_lr=0.1, **options):
    record(name, lambda o: OneCycleLR(o, max_lr=max_lr, total_steps=total_steps, **options), total_steps, momentum=True)


record("constant", lambda o: LambdaLR(o, lambda step: 1.0))
record("step_s3_g0.1", lambda o: StepLR(o, 3, gamma=0.1))
record("cosine_t10", lambda o: CosineAnnealingLR(o, 10))
record("cosine_t10_min0.01", lambda o: CosineAnnealingLR(o, 10, eta_min=0.01))
record("cosine_t25", lambda o: CosineAnnealingLR(o, 25))
one_cycle("one_cycle_t20", 20)
one_cycle("one_cycle_t20_linear", 20, anneal_strategy="linear")
one_cycle("one_cycle_t20_three_phase", 20, three_phase=True)
one_cycle("one_cycle_t20_linear_three_phase", 20, anneal_strategy="linear", three_phase=True)
one_cycle("one_cycle_t25_options", 25, max_lr=0.2, pct_start=0.25, div_factor=10, final_div_factor=100,
          base_momentum=0.8, max_momentum=0.9)
record("warmup5_constant", lambda o: LinearLR(o, start_factor=1 / 3, total_iters=5))
record("warmup5_cosine_t20", after_warmup(lambda o: CosineAnnealingLR(o, 20)))
record("warmup5_step_s3_g0.1", after_warmup(lambda o: StepLR(o, 3, gamma=0.1)))
record("warmup4_from0.1_cosine_t20", after_warmup(lambda o: CosineAnnealingLR(o, 20), steps=4, start_factor=0.1))
record("multi_step_m4_9_9_17_g0.5", lambda o: MultiStepLR(o, [4, 9, 9, 17], gamma=0.5))
record("exponential_g0.8", lambda o: ExponentialLR(o, 0.8))
record("polynomial_t20", lambda o: PolynomialLR(o, 20))
record("polynomial_t20_p2.5", lambda o: PolynomialLR(o, 20, 2.5))
record("restarts_t4", lambda o: CosineAnnealingWarmRestarts(o, 4))
record("restarts_t3_x2_min0.01", lambda o: CosineAnnealingWarmRestarts(o, 3, 2, 0.01))
record("sequence_exponential4_restarts10_multi_step",
       sequence([4, 10], lambda o: ExponentialLR(o, 0.8), lambda o: CosineAnnealingWarmRestarts(o, 4),
                lambda o: MultiStepLR(o, [3, 7])))
record("sequence_constant6_one_cycle_t19",
       sequence([6], lambda o: LambdaLR(o, lambda step: 1.0), lambda o: OneCycleLR(o, 2.5, total_steps=19)),
       momentum=True)
