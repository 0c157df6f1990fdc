"""What comm_loop.cpp does, by torch.distributed over Gloo: the peer in the bench `comm`."""
import os
import sys
import time

import torch
import torch.distributed

torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
for argument in sys.argv[1:]:
    size, _, calls = argument.partition(":")
    size, calls = int(size), int(calls or 100)
    data, times = torch.zeros(size // 4), []
    for call in range(calls + calls // 5 + 2):
        begin = time.perf_counter()
        torch.distributed.all_reduce(data)
        if call >= calls // 5 + 2:
            times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    if os.environ["RANK"] == "0":
        print(size, f"{times[len(times) // 2]:.3f} {times[-1]:.3f}", flush=True)
