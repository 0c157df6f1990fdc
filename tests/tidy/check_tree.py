#!/usr/bin/env python3
"""Checks every C++ file of the tree against rules.py. Warnings are printed, errors fail."""
import pathlib
import sys

import rules
from source import Source

FOLDERS = ("runtime", "storage", "gpu", "hpo", "actors", "client", "docs/examples", "tests")


def files(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp"):
                yield path


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    root = root if root.is_dir() else root.parents[2]
    count = errors = warnings = 0
    for path in files(root):
        count += 1
        name = path.relative_to(root).as_posix()
        for number, rule, message, fatal in rules.check(Source(name, path.read_text(encoding="utf-8"))):
            errors += fatal
            warnings += not fatal
            print(f"{name}:{number}: {'error' if fatal else 'warning'}: {message} [{rule}]")
    print(f"{count} files, {errors} errors, {warnings} warnings")
    if count == 0:
        print(f"no file found below {root}")
    return 1 if errors or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
