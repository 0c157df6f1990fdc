#!/usr/bin/env python3
"""Trains a small network on scikit-learn's handwritten digits (1,797 images of 8 x 8 pixels).

Plain numpy: one or two hidden layers, Adam, minibatches. It knows nothing of Troupe: values come in
as arguments, and one JSON line on standard output is one point of a metric.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
from sklearn.datasets import load_digits

TEST_IMAGES = 400
SPLIT_SEED = 2026  # the same images are held back in every run, so that members can be compared


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.003, help="Adam's step size")
    parser.add_argument("--hidden", type=int, default=64, help="units of a hidden layer")
    parser.add_argument("--layers", type=int, default=1, choices=(1, 2), help="hidden layers")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--dropout", type=float, default=0.0, help="part of the hidden units left out")
    parser.add_argument("--seed", type=int, default=1, help="of the first weights and of the order")
    parser.add_argument("--out", type=pathlib.Path, help="folder for model.npz")
    return parser.parse_args()


def load():
    digits = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(digits.target))
    images = (digits.data[order] / 16.0).astype(np.float32)
    labels = digits.target[order]
    cut = len(labels) - TEST_IMAGES
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])


def softmax(scores):
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


class Network:
    """Fully connected layers with ReLU between them, trained with Adam."""

    def __init__(self, sizes, rng):
        self.rng = rng
        self.parts = []
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            scale = np.sqrt(2.0 / fan_in)
            self.parts.append(rng.normal(0, scale, (fan_in, fan_out)).astype(np.float32))
            self.parts.append(np.zeros(fan_out, np.float32))
        self.mean = [np.zeros_like(part) for part in self.parts]
        self.square = [np.zeros_like(part) for part in self.parts]
        self.steps = 0

    def forward(self, images, dropout=0.0):
        """The inputs of every layer, and the scores of the last."""
        inputs, masks = [images], []
        for at in range(0, len(self.parts), 2):
            scores = inputs[-1] @ self.parts[at] + self.parts[at + 1]
            if at + 2 == len(self.parts):
                return inputs, masks, scores
            mask = (scores > 0).astype(np.float32)
            if dropout > 0:
                mask *= (self.rng.random(scores.shape) >= dropout) / (1.0 - dropout)
            masks.append(mask)
            inputs.append(scores * mask)

    def train_batch(self, images, labels, lr, dropout):
        inputs, masks, scores = self.forward(images, dropout)
        chances = softmax(scores)
        loss = -np.log(chances[np.arange(len(labels)), labels] + 1e-9).mean()
        error = chances
        error[np.arange(len(labels)), labels] -= 1
        error /= len(labels)
        slopes = [None] * len(self.parts)
        for layer in reversed(range(len(inputs))):
            slopes[2 * layer] = inputs[layer].T @ error
            slopes[2 * layer + 1] = error.sum(axis=0)
            if layer > 0:
                error = (error @ self.parts[2 * layer].T) * masks[layer - 1]
        self.adam(slopes, lr)
        return float(loss)

    def adam(self, slopes, lr):
        self.steps += 1
        lr *= np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for part, slope, mean, square in zip(self.parts, slopes, self.mean, self.square):
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            part -= (lr * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)

    def accuracy(self, images, labels):
        return float((self.forward(images)[2].argmax(axis=1) == labels).mean())


def report(name, value, step):
    print(json.dumps({"metric": name, "value": round(value, 6), "step": step}), flush=True)


def main():
    args = arguments()
    (images, labels), test = load()
    print(f"{len(labels)} images to learn from, {len(test[1])} held back", file=sys.stderr)
    rng = np.random.default_rng(args.seed)
    network = Network([64] + [args.hidden] * args.layers + [10], rng)
    for epoch in range(1, args.epochs + 1):
        order = rng.permutation(len(labels))
        losses = []
        for start in range(0, len(order), args.batch_size):
            batch = order[start : start + args.batch_size]
            losses.append(network.train_batch(images[batch], labels[batch], args.lr, args.dropout))
        report("loss", float(np.mean(losses)), epoch)
        report("accuracy", network.accuracy(*test), epoch)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        np.savez(args.out / "model.npz", *network.parts)


if __name__ == "__main__":
    main()
