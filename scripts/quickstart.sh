#!/bin/sh
# From a fresh Debian 12 to a result: installs the packages, builds, starts a scratch Troupe on a free port, searches
# for the best small network on 1,797 handwritten digits, shows the table, and cleans up. Can be run again at any time;
# it touches nothing outside build/ and a temporary folder.
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C.UTF-8
export LC_ALL
root=$PWD
troupe=$root/build/release/client/cli/troupe
accuracy_wanted=0.96

say() { printf '%s\n' "$*" >&2; }
seconds() { echo "$(($(date +%s) - $1)) s"; }
fail() { # WHAT HINT
  say "error: $1"
  say "hint: $2"
  exit 1
}

scratch=""
progress=""
up=""
clean_up() {
  code=$?
  trap - EXIT INT TERM HUP
  [ -z "$progress" ] || kill "$progress" 2>/dev/null || true
  if [ -n "$up" ] && kill -0 "$up" 2>/dev/null; then
    kill -INT "$up" 2>/dev/null || true
    tries=0
    while kill -0 "$up" 2>/dev/null && [ $tries -lt 150 ]; do
      tries=$((tries + 1))
      sleep 0.1
    done
    kill -KILL "$up" 2>/dev/null || true
    wait "$up" 2>/dev/null || true
  fi
  [ -z "$scratch" ] || rm -rf "$scratch"
  exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

began=$(date +%s)
say "1/4 packages"
scripts/install-packages.sh
say "    $(seconds "$began")"

built=$(date +%s)
say "2/4 build (the first time takes minutes)"
mkdir -p build
build_log=$root/build/quickstart-build.log
: >"$build_log"
while sleep 1; do # the build stays in the foreground, where Ctrl-C ends it
  looks=$((${looks:-0} + 1))
  [ $((looks % 20)) -ne 0 ] || say "    step $(grep -o '^\[[0-9]*/[0-9]*\]' "$build_log" | tail -1 | tr -d '[]') after $(seconds "$built")"
done &
progress=$!
scripts/build.sh release troupe_cli >"$build_log" 2>&1 || {
  tail -30 "$build_log" >&2
  fail "the build failed" "the whole output is in build/quickstart-build.log"
}
kill "$progress"
progress=""
say "    $(seconds "$built")"

say "3/4 troupe up, on a free port, with a scratch directory"
started=$(date +%s)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/troupe-quickstart.XXXXXX")
# A context of its own: one that stands in ~/.config stays as it is.
XDG_CONFIG_HOME=$scratch/config
XDG_STATE_HOME=$scratch/state
XDG_CACHE_HOME=$scratch/cache
export XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME
unset TROUPE_URL TROUPE_TOKEN TROUPE_TOKEN_FILE TROUPE_CONTEXT TROUPE_CONFIG_DIR TROUPE_PROJECT 2>/dev/null || true
cores=$(nproc)
[ "$cores" -ge 2 ] || cores=2 # members run side by side on the smallest machine, too
"$troupe" up --port 0 --dir "$scratch/troupe" --cpus "$cores" >"$scratch/up.log" 2>&1 &
up=$!
until "$troupe" node ls >/dev/null 2>&1; do
  kill -0 "$up" 2>/dev/null || { cat "$scratch/up.log" >&2; fail "troupe up ended at once" "its output is above"; }
  [ $(($(date +%s) - started)) -lt 60 ] || { cat "$scratch/up.log" >&2; fail "troupe up is not ready after 60 s" "its output is above"; }
  sleep 0.1
done
say "    ready: $(grep -o 'http://[^ ]*' "$scratch/up.log" | head -1)"

say "4/4 random search: small networks on handwritten digits"
cd "$root/docs/examples/digits"
searched=$(date +%s)
set_id=$("$troupe" sweep -d 2>"$scratch/sweep.log") || { cat "$scratch/sweep.log" >&2; fail "the search was not accepted" "the reason is above"; }
sed 's/^/    /' "$scratch/sweep.log" >&2
say "    it is set $set_id"
last_line=""
while :; do
  "$troupe" show "$set_id" -o json >"$scratch/set.json" || fail "the search cannot be read" "run this script again"
  line=$(jq -r '[.members[].state] as $s
    | "    \($s | map(select(. == "FINISHED")) | length) of \($s | length) finished, \($s | map(select(. == "RUNNING")) | length) running"
      + (if .best.value then ", best accuracy so far \(.best.value)" else "" end)' "$scratch/set.json")
  if [ "$line" != "$last_line" ]; then
    say "$line"
    last_line=$line
  fi
  case $(jq -r .state "$scratch/set.json") in
    FINISHED) break ;;
    FAILED | KILLED)
      "$troupe" logs --tail 20 "$set_id" >&2 || true
      fail "the search ended as $(jq -r .state "$scratch/set.json")" "the end of its logs is above"
      ;;
  esac
  [ $(($(date +%s) - searched)) -lt 900 ] || fail "the search is not over after 15 minutes" "is the machine busy?"
  sleep 1
done
say "    $(seconds "$searched")"
say ""

# Constants are left out; a member's accuracy is its last, the best one's its highest.
jq -r '.best as $best
  | ([.members[].params | to_entries[]] | group_by(.key) | map(select(map(.value) | unique | length > 1) | .[0].key)) as $names
  | (["MEMBER", "STATE"] + ($names | map(ascii_upcase)) + ["LAST ACCURACY"]),
    (.members | sort_by(-(.value // -1))[]
      | [.id, .state] + [.params[$names[]]] + [.value // "-"]
        + (if .id == $best.id then ["<- best: \($best.value)"] else [] end))
  | map(tostring) | @tsv' "$scratch/set.json" |
  awk -F '\t' '
    { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (i <= 7 && length($i) > width[i]) width[i] = length($i) }; count[NR] = NF }
    END { for (n = 1; n <= NR; n++) { line = ""; for (i = 1; i <= count[n]; i++) line = line sprintf("%-*s  ", width[i], cell[n, i])
          sub(/ +$/, "", line); print line } }'
echo
"$troupe" best "$set_id"
echo
jq -e --argjson wanted "$accuracy_wanted" '.best.value >= $wanted' "$scratch/set.json" >/dev/null ||
  fail "the best member is below $accuracy_wanted" "run this script again"

say "Done in $(seconds "$began"). The scratch Troupe is stopped and its directory removed. To start one for good:"
say ""
say "    $troupe up"
say ""
say "and in another terminal:  cd docs/examples/digits && $troupe sweep"
