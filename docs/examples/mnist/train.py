#!/usr/bin/env python3
"""Trains a small network on MNIST, with numpy alone, on any number of ranks.

--read files     opens the IDX files in $TROUPE_DATA_MNIST as any program would: numpy maps them.
--read records   takes batches from Troupe's record reader; the package `troupe` is there in every job.

Each rank sees its own part of every epoch. Every few steps the ranks average their weights over a socket to rank 0.
"""
import argparse
import json
import os
import pathlib
import socket
import time

import numpy as np

PIXELS, CLASSES = 28 * 28, 10
RANK, RANKS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
CONNECT_SECONDS_MAX = 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--read", choices=("files", "records"), default="files")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--lr", type=float, default=0.004)
    parser.add_argument("--average-every", type=int, default=10, help="steps between two averages of the ranks")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Files:
    """Both halves from the mounted IDX files."""

    def __init__(self, args):
        self.args = args
        self.folder = pathlib.Path(os.environ["TROUPE_DATA_MNIST"])
        self.images = self.mapped("train-images-idx3-ubyte", 16, PIXELS)
        self.labels = self.mapped("train-labels-idx1-ubyte", 8, 1)[:, 0]

    def mapped(self, name, header, width):
        return np.memmap(self.folder / name, np.uint8, "r", header).reshape(-1, width)

    def batches(self, epoch):
        order = np.random.default_rng((self.args.seed, epoch)).permutation(len(self.labels))
        steps = len(order) // RANKS // self.args.batch_size
        mine = order[RANK::RANKS]
        for step in range(steps):
            chosen = mine[step * self.args.batch_size:(step + 1) * self.args.batch_size]
            yield self.images[chosen], self.labels[chosen]

    def test(self):
        return self.mapped("t10k-images-idx3-ubyte", 16, PIXELS), self.mapped("t10k-labels-idx1-ubyte", 8, 1)[:, 0]


class Records:
    """The same through the record reader, which knows ranks, shuffles exactly and gathers whole batches."""

    def __init__(self, args):
        import troupe
        self.data = troupe.dataset("mnist")
        self.train = troupe.Batches(self.data["train-images-idx3-ubyte"], self.data["train-labels-idx1-ubyte"],
                                    size=args.batch_size, seed=args.seed, drop_last=True)

    def batches(self, epoch):
        assert self.train.epoch == epoch
        return self.train

    def test(self):
        return self.data["t10k-images-idx3-ubyte"].gather(), self.data["t10k-labels-idx1-ubyte"].gather()


class Ranks:
    """Averages arrays over all ranks: each sends its own to rank 0 and gets the mean back."""

    def __init__(self):
        self.peers = []
        if RANKS == 1:
            return
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        if RANK == 0:
            with socket.create_server(("", address[1])) as server:
                server.settimeout(CONNECT_SECONDS_MAX)
                self.peers = [server.accept()[0] for _ in range(RANKS - 1)]
        else:
            self.peers = [self.connect(address)]
        for peer in self.peers:
            peer.settimeout(CONNECT_SECONDS_MAX)

    @staticmethod
    def connect(address):
        deadline = time.monotonic() + CONNECT_SECONDS_MAX
        while True:
            try:
                return socket.create_connection(address)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # rank 0 does not listen yet

    @staticmethod
    def receive(peer, like):
        buffer = np.empty_like(like)
        view, got = memoryview(buffer).cast("B"), 0
        while got < len(view):
            count = peer.recv_into(view[got:])
            if count == 0:
                raise ConnectionError("a rank has gone")
            got += count
        return buffer

    def average(self, parts):
        if RANKS == 1:
            return
        flat = np.concatenate([part.ravel() for part in parts])
        if RANK == 0:
            for peer in self.peers:
                flat += self.receive(peer, flat)
            flat /= RANKS
            for peer in self.peers:
                peer.sendall(flat)
        else:
            self.peers[0].sendall(flat)
            flat = self.receive(self.peers[0], flat)
        for part in parts:
            part[...] = flat[:part.size].reshape(part.shape)
            flat = flat[part.size:]


class Network:
    """One hidden layer with ReLU, trained with Adam."""

    def __init__(self, hidden, rng):
        self.parts = [rng.normal(0, np.sqrt(2 / PIXELS), (PIXELS, hidden)), np.zeros(hidden),
                      rng.normal(0, np.sqrt(2 / hidden), (hidden, CLASSES)), np.zeros(CLASSES)]
        self.parts = [part.astype(np.float32) for part in self.parts]
        self.mean = [np.zeros_like(part) for part in self.parts]
        self.square = [np.zeros_like(part) for part in self.parts]
        self.steps = 0

    def scores(self, images):
        pixels = images.reshape(len(images), PIXELS).astype(np.float32) / 255
        hidden = np.maximum(pixels @ self.parts[0] + self.parts[1], 0)
        return pixels, hidden, hidden @ self.parts[2] + self.parts[3]

    def train(self, images, labels, lr):
        pixels, hidden, scores = self.scores(images)
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.log(chances[rows, labels] + 1e-9).mean()
        chances[rows, labels] -= 1
        error = chances / len(labels)
        back = (error @ self.parts[2].T) * (hidden > 0)
        self.adam([pixels.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)], lr)
        return float(loss)

    def adam(self, slopes, lr):
        self.steps += 1
        lr *= np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for part, slope, mean, square in zip(self.parts, slopes, self.mean, self.square):
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            part -= (lr * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)

    def accuracy(self, images, labels):
        return float((self.scores(images)[2].argmax(axis=1) == labels).mean())


def report(name, value, step):
    if RANK == 0:
        print(json.dumps({"metric": name, "value": round(value, 6), "step": step}), flush=True)


def main():
    args = arguments()
    data = Files(args) if args.read == "files" else Records(args)
    network, ranks = Network(args.hidden, np.random.default_rng(args.seed)), Ranks()
    for epoch in range(args.epochs):
        losses = []
        for images, labels in data.batches(epoch):
            losses.append(network.train(images, labels, args.lr * (1 - epoch / args.epochs)))
            if len(losses) % args.average_every == 0:
                ranks.average(network.parts)
        ranks.average(network.parts)
        report("loss", float(np.mean(losses)), epoch + 1)
        report("accuracy", network.accuracy(*data.test()), epoch + 1)


if __name__ == "__main__":
    main()
