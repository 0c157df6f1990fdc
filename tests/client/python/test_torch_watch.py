"""troupe.torch.watch: what ranks of a DistributedDataParallel over gloo tell of their waits, and those of a device that
is scripted."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import torch
    import torch.distributed
except ImportError:
    print("skipped: this Python has no PyTorch")
    sys.exit(77)

from troupe.torch import _Waits, watch

STEPS, SLOW_STEP = 6, 0.1


def train():
    """Rank 1 takes longer over each step; prints a sum over the weights, which must be the same in all ranks."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    model = torch.nn.Sequential(torch.nn.Linear(40, 40), torch.nn.Linear(40, 1))
    model = torch.nn.parallel.DistributedDataParallel(model, bucket_cap_mb=0.001)
    if sys.argv[2] == "watched":
        assert watch(model) is model
    rank = torch.distributed.get_rank()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    for step in range(STEPS):
        loss = model(torch.full((4, 40), float(rank + step))).square().mean()
        if rank == 1:
            time.sleep(SLOW_STEP)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(sum(weights.double().sum().item() for weights in model.parameters()))
    torch.distributed.destroy_process_group()


class Watched(unittest.TestCase):
    def run_ranks(self, how):
        """What each printed; calls and seconds of each, from the file that the worker reads."""
        with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            free.close()
            pace = os.path.join(folder, "pace")
            ranks = [subprocess.Popen(
                [sys.executable, __file__, "rank", how], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=dict(os.environ, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
                         MASTER_PORT=str(port), TROUPE_PACE=pace)) for rank in range(2)]
            texts = [rank.communicate(timeout=100)[0] for rank in ranks]
            for rank, text in zip(ranks, texts):
                self.assertEqual(rank.returncode, 0, text)
            told = []
            if os.path.exists(pace):
                with open(pace, "rb") as file:
                    for begun, waited, ended in struct.iter_unpack("QQQ40x", file.read()):
                        self.assertEqual(begun, ended)
                        told.append((ended, waited / 1e9))
            return [text.split()[-1] for text in texts], told

    def test_each_step_counts_once_and_the_slow_rank_waits_for_nobody(self):
        plain, nothing = self.run_ranks("plain")
        self.assertEqual(nothing, [])
        sums, told = self.run_ranks("watched")
        self.assertEqual(sums, plain, "the training stays as it is")
        self.assertEqual(sums[0], sums[1])
        self.assertEqual([steps for steps, _ in told], [STEPS, STEPS])
        self.assertGreater(told[0][1] - told[1][1], STEPS * SLOW_STEP / 2)


class Event:
    """Of a device that does one thing after the other, as fast as the test lets it."""
    now = 0.0
    done = -1.0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.at = Event.now

    def query(self):
        return self.at <= Event.done

    def elapsed_time(self, end):
        return (end.at - self.at) * 1000


class Bucket:
    is_cuda = True

    def __init__(self, last):
        self.is_last = lambda: last

    def buffer(self):
        return self


class OnDevice(unittest.TestCase):
    def test_times_are_the_devices_own_and_told_once_they_are_known(self):
        told, real = [], torch.cuda.Event
        torch.cuda.Event = Event
        try:
            waits = _Waits(tell=told.append)

            def step(takes):
                futures = []
                for last in (False, True):
                    future = torch.futures.Future()
                    futures.append((future, waits.follow(Bucket(last), lambda: future)))
                Event.now += takes
                for future, averaged in futures:
                    future.set_result("averaged")
                    self.assertEqual(averaged.wait(), "averaged")

            step(0.25)
            self.assertEqual(told, [])
            step(0.5)
            self.assertEqual(told, [], "the device is not there yet")
            Event.done = 0.25
            step(0.125)
            self.assertEqual(told, [0.25])
            Event.done = 10
            step(1)
            self.assertEqual(told, [0.25, 0.5, 0.125])
        finally:
            torch.cuda.Event = real


if __name__ == "__main__":
    if sys.argv[1:2] == ["rank"]:
        train()
    else:
        unittest.main()
