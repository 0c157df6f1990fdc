#!/usr/bin/env python3
"""Writes the training images of MNIST as PNG files: mnist_png.py FOLDER_OF_THE_IDX_FILES TARGET COUNT"""
import gzip
import os
import struct
import sys
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, side):
    rows = b"".join(b"\0" + pixels[y * side:(y + 1) * side] for y in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def main():
    source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with gzip.open(os.path.join(source, "train-images-idx3-ubyte.gz")) as file:
        data = file.read()
    for number in range(min(count, (len(data) - 16) // 784)):
        folder = os.path.join(target, f"{number // 1000:02}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{number:05}.png"), "wb") as image:
            image.write(png(data[16 + number * 784:16 + (number + 1) * 784], 28))


if __name__ == "__main__":
    main()
