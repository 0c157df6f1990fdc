"""Steps of a training for tests of recovery: each all-reduces a number with Gloo and takes a twentieth of a second.

Appends "RANK BEGAN IMPORTED STEP" to the file it is given after its first step: its rank, and in nanoseconds since 1970
when this script began, had PyTorch, and had done that step. Runs until it is ended, or until another rank is gone.
"""
import time

began = time.time_ns()
import sys

import torch
import torch.distributed as dist

imported = time.time_ns()
dist.init_process_group("gloo")
value = torch.ones(1000)
dist.all_reduce(value)
with open(sys.argv[1], "a") as file:
    file.write(f"{dist.get_rank()} {began} {imported} {time.time_ns()}\n")
while True:
    time.sleep(0.05)
    dist.all_reduce(value)
    value /= dist.get_world_size()
