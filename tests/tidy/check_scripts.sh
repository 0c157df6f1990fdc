#!/bin/sh
# Every shell script parses as plain sh, and can be run; with shellcheck at hand, it finds nothing.
set -eu
cd "$1"
for script in scripts/*.sh docs/examples/*/*.sh .ci/run; do
  sh -n "$script"
  [ -x "$script" ] || { echo "$script is not executable"; exit 1; }
done
if command -v shellcheck >/dev/null 2>&1; then shellcheck -x scripts/*.sh docs/examples/*/*.sh .ci/run; fi
