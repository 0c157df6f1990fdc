#!/usr/bin/env python3
"""Trains a small network on MNIST with PyTorch's DistributedDataParallel, on the processor.

It knows nothing of Troupe: any launcher that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT will do, and one JSON line
on standard output is one point of a metric. The batch is that of all ranks together, so the loss does not depend on how
many there are.
"""
import argparse
import json
import pathlib
import time

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, TensorDataset

PIXELS, CLASSES = 28 * 28, 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with the four IDX files")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=256, help="of all ranks together")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--lr", type=float, default=0.2)
    parser.add_argument("--images", type=int, default=60000, help="so many of the first ones")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def load(folder, part, images=None):
    pixels = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, PIXELS)
    labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8, offset=8)
    return TensorDataset(torch.from_numpy(pixels[:images]).float() / 255, torch.from_numpy(labels[:images]).long())


def batches(dataset, sampler, size):
    """Whole batches: the dataset is indexed once for each."""
    return DataLoader(dataset, sampler=BatchSampler(sampler, size, drop_last=True), batch_size=None)


def train_epoch(model, loader, optimizer):
    """The sum of the losses and the number of images, of all ranks."""
    sums = torch.zeros(2, dtype=torch.float64)
    for images, labels in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        sums += torch.tensor([loss.item() * len(labels), len(labels)], dtype=torch.float64)
    dist.all_reduce(sums)
    return sums.tolist()


def accuracy(model, dataset):
    """Each rank looks at its share of the images."""
    images, labels = dataset[dist.get_rank()::dist.get_world_size()]
    with torch.no_grad():
        right = (model.module(images).argmax(1) == labels).sum().double()
    dist.all_reduce(right)
    return right.item() / len(dataset)


def report(name, value, step):
    if dist.get_rank() == 0:
        print(json.dumps({"metric": name, "value": value, "step": step}), flush=True)


def main():
    args = arguments()
    dist.init_process_group("gloo")
    torch.manual_seed(args.seed)
    model = DistributedDataParallel(torch.nn.Sequential(
        torch.nn.Linear(PIXELS, args.hidden), torch.nn.ReLU(), torch.nn.Linear(args.hidden, CLASSES)))
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.6)
    train, test = load(args.data, "train", args.images), load(args.data, "t10k")
    sampler = DistributedSampler(train, seed=args.seed)
    loader = batches(train, sampler, args.batch_size // dist.get_world_size())
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        began = time.perf_counter()
        loss, images = train_epoch(model, loader, optimizer)
        seconds = time.perf_counter() - began
        schedule.step()
        report("loss", loss / images, epoch + 1)
        report("images_per_s", images / seconds, epoch + 1)
        report("accuracy", accuracy(model, test), epoch + 1)


if __name__ == "__main__":
    main()
