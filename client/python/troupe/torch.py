"""Records for PyTorch's DataLoader. torch and numpy are needed here alone.

    from troupe.torch import BatchDataset, RecordDataset

    DataLoader(RecordDataset(images, labels), batch_size=128, shuffle=True, num_workers=4)
    DataLoader(BatchDataset(images, labels, size=128, seed=1), batch_size=None, num_workers=4)
"""
import numpy
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

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
