#!/bin/sh
# clang-tidy with the checks of .clang-tidy, as errors. Too slow for every run of the tests (CAF's headers alone take
# seconds a file), so it is asked for.
#   scripts/tidy.sh             .cpp files changed since main's last published state, or the last commit
#   scripts/tidy.sh --pure      the libraries without actors
#   scripts/tidy.sh FILE...     these
set -eu
cd "$(dirname "$0")/.."
command -v clang-tidy >/dev/null 2>&1 || {
  echo "error: clang-tidy is not installed" >&2
  echo "hint: apt-get install clang-tidy" >&2
  exit 1
}
[ -f build/dev/compile_commands.json ] || cmake --preset dev >/dev/null
# shellcheck disable=SC2046
case "${1:-}" in
  "")
    base=$(git rev-parse -q --verify '@{upstream}' || git rev-parse HEAD~1)
    set -- $({ git diff --name-only --diff-filter=d "$base"; git ls-files -o --exclude-standard; } | grep '\.cpp$' | sort -u)
    ;;
  --pure)
    set -- $(git ls-files 'runtime/core/*.cpp' 'runtime/config/*.cpp' 'runtime/schedule/*.cpp' 'hpo/*.cpp' 'gpu/*.cpp')
    ;;
esac
[ $# -gt 0 ] || { echo "nothing to look at"; exit 0; }
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -n 2 clang-tidy -p build/dev --quiet
