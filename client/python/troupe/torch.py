"""Records for PyTorch's DataLoader, and who keeps a DistributedDataParallel waiting. torch and numpy are needed here alone.

    from troupe.torch import BatchDataset, RecordDataset, watch

    DataLoader(RecordDataset(images, labels), batch_size=128, shuffle=True, num_workers=4)
    DataLoader(BatchDataset(images, labels, size=128, seed=1), batch_size=None, num_workers=4)
    model = watch(DistributedDataParallel(model))
"""
import threading
import time

import numpy
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from . import comm
from ._order import Batches, _rank_of


def _tensor(array):
    return torch.from_numpy(array) if isinstance(array, numpy.ndarray) else array


class RecordDataset(Dataset):
    """One item is a record of each table, as tensors, through `transform` where there is one. For any sampler; workers
    may be forked or spawned."""

    def __init__(self, *tables, transform=None):
        self.tables, self.transform = tables, transform

    def __len__(self):
        return len(self.tables[0])

    def __getitem__(self, index):
        return self.__getitems__([index])[0]

    def __getitems__(self, indexes):
        """What newer DataLoaders ask for: a batch at once."""
        columns = [_tensor(table.gather(numpy.asarray(indexes))) if table.stride else
                   [bytes(view) for view in table.take(indexes)] for table in self.tables]
        items = list(zip(*columns)) if len(columns) > 1 else columns[0]
        return [self.transform(item) for item in items] if self.transform else list(items)


class BatchDataset(IterableDataset):
    """Whole batches in Troupe's own order: exact epochs over all ranks and workers. Give DataLoader batch_size=None.
    Each pass is one epoch; set_epoch says which."""

    def __init__(self, *tables, size, seed=0, rank=None, ranks=None, shuffle=True, transform=None):
        self.tables, self.size, self.seed, self.shuffle = tables, size, seed, shuffle
        self.rank, self.ranks = _rank_of(rank, ranks)
        self.transform, self.epoch = transform, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        batches = Batches(*self.tables, size=self.size, shuffle=self.shuffle, rank=self.rank * workers + number,
                          ranks=self.ranks * workers, cursor=f"{self.seed:x}.{self.epoch:x}.0")
        for batch in batches:
            batch = tuple(map(_tensor, batch)) if isinstance(batch, tuple) else _tensor(batch)
            yield self.transform(batch) if self.transform else batch


def watch(model, process_group=None):
    """Tells Troupe how long this rank waits for the others in each step: from the moment its last gradients are there
    until all gradients are averaged. What is averaged, and how, stays as it is; call it in every rank, before the first
    step, on a model that has no communication hook. The model."""
    model.register_comm_hook(_Waits(process_group), _average)
    return model


def _average(waits, bucket):
    # Not every PyTorch is built with it.
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
    return waits.follow(bucket, lambda: allreduce_hook(waits.process_group, bucket))


class _Waits:
    """Of one model. Gradients come in several buckets, which are averaged while later ones are still computed; a rank
    waits only once its last bucket is there, and until all of them are done."""

    def __init__(self, process_group=None, tell=comm.waited):
        self.process_group, self.tell = process_group, tell
        self._lock = threading.Lock()
        self._open, self._since = 0, None  # buckets on their way; when the last one of the step was there
        self._marks = []  # of a device: pairs of events whose time is not known yet

    def follow(self, bucket, average):
        with self._lock:
            self._open += 1
            self._tell_marks()
        mark = self._mark() if bucket.buffer().is_cuda and bucket.is_last() else None
        if mark is None and bucket.is_last():
            self._since = time.monotonic()
        return average().then(lambda future: self._ended(future, mark))

    def _ended(self, future, mark):
        now = time.monotonic()
        with self._lock:
            self._open -= 1
            if mark is not None:  # the streams of a device do one thing after the other: its last bucket ends last
                self._marks.append((mark, self._mark()))
            elif self._open == 0 and self._since is not None:
                self.tell(now - self._since)
                self._since = None
        return future.value()

    @staticmethod
    def _mark():
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _tell_marks(self):
        while self._marks and self._marks[0][1].query():
            begin, end = self._marks.pop(0)
            self.tell(begin.elapsed_time(end) / 1000)
