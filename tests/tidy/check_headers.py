#!/usr/bin/env python3
"""Compiles every header by itself: whoever includes one needs to know nothing else.

A header whose own .cpp includes it before anything else has been compiled alone by the build; those are left out, which
saves minutes where CAF or Cap'n Proto stand behind it.

usage: check_headers.py COMPILER ROOT BUILD [HEADER...]
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

FOLDERS = ("runtime", "storage", "gpu", "hpo", "actors", "client")  # helpers of tests may need their target's definitions
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-DCAF_ENABLE_TYPE_ID_CHECKS", "-fsyntax-only"]


def build_compiles_it(root, header):
    source = header.with_suffix(".cpp")
    if not source.exists():
        return False
    first = next((line for line in source.read_text().splitlines() if line.startswith("#include")), "")
    return first == f'#include "{header.relative_to(root).as_posix()}"'


def compile_alone(compiler, root, build, header):
    command = [compiler, *FLAGS, f"-I{root}", f"-I{build}", "-include", str(header), "-x", "c++", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True)
    return header, done.returncode, done.stderr


def main():
    compiler, root, build = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    headers = [pathlib.Path(name) for name in sys.argv[4:]] or [
        path for folder in FOLDERS for path in sorted((root / folder).rglob("*.hpp"))
        if not build_compiles_it(root, path)
    ]
    failed = 0
    # Threads that wait for compilers: multiprocessing would need /dev/shm, which bare systems lack.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, code, text in pool.map(lambda h: compile_alone(compiler, root, build, h), headers):
            if code != 0:
                failed += 1
                print(f"{header} does not compile alone:\n{text}")
    print(f"{len(headers)} headers, {failed} failed")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
