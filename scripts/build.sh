#!/bin/sh
# Configures and builds one preset of CMakePresets.json into build/PRESET.
#   scripts/build.sh PRESET [TARGET...]     PRESET: dev release asan tsan
#   JOBS=N                                  parallel compilers; otherwise by cores and memory
#   CMAKE_ARGS="-DX=Y"                      more for the configure step
set -eu
cd "$(dirname "$0")/.."

preset=${1:-}
case "$preset" in
  dev | release | asan | tsan) shift ;;
  *)
    echo "error: \"$preset\" is no preset" >&2
    echo "hint: scripts/build.sh dev|release|asan|tsan [TARGET...]" >&2
    exit 2
    ;;
esac

# A compiler on CAF's or Cap'n Proto's headers takes up to about 1.5 GB: more of them at once than memory holds
# would be slower, or be killed.
if [ -z "${JOBS:-}" ]; then
  JOBS=$(nproc)
  memory_gib=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || echo 0)
  fit=$((memory_gib * 2 / 3))
  if [ "$fit" -ge 1 ] && [ "$fit" -lt "$JOBS" ]; then JOBS=$fit; fi
fi

# Without a home that can be written (build users, bare root filesystems) ccache would fail every compilation.
if [ -z "${CCACHE_DIR:-}" ] && ! { [ -n "${HOME:-}" ] && [ -w "${HOME:-/nonexistent}" ]; }; then
  CCACHE_DIR=$PWD/build/ccache
  export CCACHE_DIR
fi

# A folder configured elsewhere (a copied tree) is configured anew rather than refused by CMake.
cache=build/$preset/CMakeCache.txt
if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
  rm -rf "build/$preset/CMakeCache.txt" "build/$preset/CMakeFiles"
fi
# shellcheck disable=SC2086
cmake --preset "$preset" ${CMAKE_ARGS:-} >"/tmp/troupe-configure.$$" 2>&1 ||
  { cat "/tmp/troupe-configure.$$" >&2; rm -f "/tmp/troupe-configure.$$"; exit 1; }
rm -f "/tmp/troupe-configure.$$"
if [ $# -eq 0 ]; then set -- all; fi
cmake --build "build/$preset" --parallel "$JOBS" --target "$@"
