#!/bin/sh
# Installs, builds and runs every test: once as users get it (release), once under the address and
# undefined-behaviour sanitizers. The last line is "N passed, N failed[, N skipped]"; the exit code says the same.
#   scripts/test.sh                all of it: what CI runs
#   scripts/test.sh --no-sanitizers          the first half alone
#   JOBS=N                         parallel compilers and tests; otherwise by cores and memory
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C.UTF-8
export LC_ALL

sanitizers=yes
case "${1:-}" in
  "") ;;
  --no-sanitizers) sanitizers=no ;;
  *) echo "error: unknown option $1" >&2; echo "hint: scripts/test.sh [--no-sanitizers]" >&2; exit 2 ;;
esac

# The suite must find its own clusters, not one that the person is logged in to.
unset TROUPE_URL TROUPE_TOKEN TROUPE_TOKEN_FILE TROUPE_CONTEXT TROUPE_PROJECT TROUPE_LOG 2>/dev/null || true

reports=$(mktemp -d "${TMPDIR:-/tmp}/troupe-test.XXXXXX")
trap 'rm -rf "$reports"' EXIT
failed_steps=0
began=$(date +%s)

# step NAME COMMAND...: runs it, says how long it took, remembers a failure.
step() {
  step_name=$1
  shift
  step_began=$(date +%s)
  echo "==> $step_name"
  step_code=0
  "$@" || step_code=$?
  echo "==> $step_name: $(($(date +%s) - step_began)) s$([ $step_code -eq 0 ] || echo ", FAILED ($step_code)")"
  return $step_code
}

# Tests mostly wait for processes and disks, but a flood of them would make their deadlines meaningless.
cores=$(nproc)
test_jobs=${JOBS:-$((cores < 3 ? 3 : cores))}

run_tests() { # PRESET LABELS_LEFT_OUT
  # A failing test is counted from the report, so ctest's own code does not matter; a report without tests does.
  (cd "build/$1" && ctest -j "$test_jobs" --output-on-failure --no-tests=error \
    ${2:+-LE "$2"} --output-junit "$reports/$1.xml" --test-output-size-passed 8192 >"$reports/$1.log" 2>&1) || true
  [ -s "$reports/$1.xml" ] || { tail -50 "$reports/$1.log"; return 1; }
  # Four at a time on few cores, a deadline inside a test may pass for want of a processor alone. A few that failed
  # get a second, lonely turn, and the summary names them; more than a few are no accident.
  failed_tests=$(scripts/summarize_tests.py --count-failed "$reports/$1.xml")
  if [ "$failed_tests" -ge 1 ] && [ "$failed_tests" -le 3 ]; then
    (cd "build/$1" && ctest --rerun-failed --output-on-failure ${2:+-LE "$2"} --output-junit "$reports/$1.again.xml" \
      >>"$reports/$1.log" 2>&1) || true
  fi
  scripts/summarize_tests.py --details "$reports/$1.xml"
}

finish() {
  echo "==> all: $(($(date +%s) - began)) s"
  scripts/summarize_tests.py --also-failed "$failed_steps" "$reports"/*.xml
}

step "install packages" scripts/install-packages.sh --tests || { echo "0 passed, 1 failed"; exit 1; }

if step "build release" scripts/build.sh release; then
  step "test release" run_tests release "" || failed_steps=$((failed_steps + 1))
else
  failed_steps=$((failed_steps + 1))
fi

if [ $sanitizers = yes ] && [ $failed_steps -eq 0 ]; then
  ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:strict_string_checks=1}
  UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
  LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/lsan.supp:print_suppressions=0}
  export ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS
  if step "build with sanitizers" scripts/build.sh asan; then
    # Tidy looks at the same text again. Figures, and tests of many processes, are not in this preset at all
    # (TROUPE_LONG_TESTS): the two halves would take longer than people wait.
    step "test with sanitizers" run_tests asan '^(tidy|bench)$' || failed_steps=$((failed_steps + 1))
  else
    failed_steps=$((failed_steps + 1))
  fi
fi

finish
