"""Troupe in Python. Nothing but the standard library is needed; numpy is used where it is installed.

    import troupe

    data = troupe.dataset("mnist")                # in a job with --data mnist
    images, labels = data["train-images-idx3-ubyte"], data["train-labels-idx1-ubyte"]
    batches = troupe.Batches(images, labels, size=128, seed=1)
    for image, label in batches: ...              # one exact epoch, this rank's part
    batches.cursor                                # keep it with a checkpoint; Batches(..., cursor=...) goes on there
"""
from ._dataset import Dataset, Records, dataset
from ._library import Error
from ._order import Batches, Order
from ._search import Search, Trial

__all__ = ["Batches", "Dataset", "Error", "Order", "Records", "Search", "Trial", "dataset"]
