#!/bin/sh
# Formats every C++ file in place; with --check, names those that are not formatted and changes nothing.
set -eu
cd "$(dirname "$0")/.."
mode=-i
[ "${1:-}" = --check ] && mode="--dry-run -Werror"
# shellcheck disable=SC2086
find runtime storage gpu hpo actors client docs/examples tests \( -name '*.hpp' -o -name '*.cpp' \) -print0 |
  xargs -0 -r -n 20 -P "$(nproc)" clang-format $mode
