#!/usr/bin/env python3
"""Images per second of shuffled epochs: mnist_epochs.py SEALED_FOLDER FOLDER_OF_THE_IDX_FILES FOLDER_OF_PNG_FILES COUNT

Every byte of every image goes into a sum, whichever way it comes. The best of three epochs after one that is not counted."""
import gzip
import os
import sys
import tempfile
import time

import numpy as np
from PIL import Image

import troupe

BATCH = 256


def rate(epoch, count, tries=3):
    epoch(0)
    best = 0
    for number in range(1, tries + 1):
        began = time.perf_counter()
        epoch(number)
        best = max(best, count / (time.perf_counter() - began))
    return best


def sum_of(images):
    # As words: a sum of single bytes would be all that is measured.
    return int(np.asarray(images).reshape(-1).view(np.uint64).sum())


def main():
    folder, idx, png, count = *sys.argv[1:4], int(sys.argv[4])
    images = troupe.dataset(path=folder)["train-images-idx3-ubyte"][:count]

    def reader(number):
        for batch in troupe.Batches(images, size=BATCH, cursor=f"1.{number:x}.0"):
            sum_of(batch)

    def views(number):
        order = troupe.Order(len(images), cursor=f"1.{number:x}.0")
        while order.left:
            for view in images.take(order.next(BATCH)):
                sum_of(np.frombuffer(view, np.uint8))

    with tempfile.NamedTemporaryFile(dir=os.path.dirname(folder)) as flat:
        with gzip.open(os.path.join(idx, "train-images-idx3-ubyte.gz")) as packed:
            flat.write(packed.read()[16:])
        flat.flush()
        array = np.memmap(flat.name, np.uint8, "r").reshape(-1, 784)[:count]

        def flat_batches(number):
            order = np.random.default_rng(number).permutation(count)
            for begin in range(0, count, BATCH):
                sum_of(array[order[begin:begin + BATCH]])

        def flat_rows(number):
            for index in np.random.default_rng(number).permutation(count):
                sum_of(array[index])

        paths = [os.path.join(png, f"{i // 1000:02}", f"{i:05}.png") for i in range(count)]

        def pillow(number):
            for index in np.random.default_rng(number).permutation(count):
                with Image.open(paths[index]) as image:
                    sum_of(np.asarray(image))

        for name, epoch, tries in (("reader", reader, 5), ("flat", flat_batches, 5), ("views", views, 3),
                                   ("flat_rows", flat_rows, 3), ("pillow", pillow, 1)):
            print(name, rate(epoch, count, tries), flush=True)


if __name__ == "__main__":
    main()
