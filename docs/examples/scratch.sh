# shellcheck shell=sh
# For the run.sh of examples that train on MNIST: a scratch Troupe with the dataset in it, which is stopped and removed at
# the end. They source it and call, in this order: build TARGET..., start_troupe, push_mnist [FOLDER], train N ... .
LC_ALL=C.UTF-8
export LC_ALL
root=$(cd "$(dirname "$0")/../../.." && pwd)
troupe=$root/build/release/client/cli/troupe
accuracy_wanted=0.97

say() { printf '%s\n' "$*" >&2; }
fail() { # WHAT HINT
  say "error: $1"
  say "hint: $2"
  exit 1
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/troupe-example.XXXXXX")
up=""
clean_up() {
  code=$?
  trap - EXIT INT TERM HUP
  if [ -n "$up" ]; then
    kill -INT "$up" 2>/dev/null || true
    wait "$up" 2>/dev/null || true
  fi
  rm -rf "$scratch"
  exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

build() {
  say "building (the first time takes minutes)"
  mkdir -p "$root/build"
  "$root/scripts/build.sh" release "$@" >"$root/build/example-build.log" 2>&1 || {
    tail -30 "$root/build/example-build.log" >&2
    fail "the build failed" "scripts/install-packages.sh installs what it needs; all of its output is in build/example-build.log"
  }
}

start_troupe() {
  # A context of its own: one that stands in ~/.config stays as it is.
  XDG_CONFIG_HOME=$scratch/config XDG_STATE_HOME=$scratch/state XDG_CACHE_HOME=$scratch/cache
  export XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME
  unset TROUPE_URL TROUPE_TOKEN TROUPE_TOKEN_FILE TROUPE_CONTEXT TROUPE_CONFIG_DIR TROUPE_PROJECT 2>/dev/null || true
  # Four ranks find a place on smaller machines, too.
  "$troupe" up --port 0 --dir "$scratch/troupe" --cpus 4 >"$scratch/up.log" 2>&1 &
  up=$!
  tries=0
  until "$troupe" node ls >/dev/null 2>&1; do
    tries=$((tries + 1))
    if ! kill -0 "$up" 2>/dev/null || [ $tries -gt 600 ]; then
      cat "$scratch/up.log" >&2
      fail "troupe up does not serve" "its output is above"
    fi
    sleep 0.1
  done
}

push_mnist() { # [FOLDER]
  folder=${1:-}
  if [ -z "$folder" ]; then
    folder=$scratch/mnist
    mkdir "$folder"
    for name in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
      curl -fsSL -o "$folder/$name.gz" "https://ossci-datasets.s3.amazonaws.com/mnist/$name.gz" ||
        fail "MNIST cannot be fetched" "give the folder with its four IDX files: $0 FOLDER"
    done
  fi
  "$troupe" data push mnist "$folder" --unpack >/dev/null
}

# Trains on so many ranks, one a worker, and leaves the last loss and accuracy in $loss and $accuracy.
train() { # N [OPTION...]
  ranks=$1
  shift
  say "$ranks ranks:"
  "$troupe" run --workers "$ranks" "$@" >"$scratch/run.log" 2>"$scratch/run.err" || {
    cat "$scratch/run.log" "$scratch/run.err" >&2
    fail "the training failed" "its output is above"
  }
  sed 's/^/    /' "$scratch/run.log" >&2
  loss=$(last_of loss)
  accuracy=$(last_of accuracy)
  awk -v is="$accuracy" -v wanted="$accuracy_wanted" 'BEGIN { exit !(is >= wanted) }' ||
    fail "the accuracy is $accuracy, below $accuracy_wanted" "the training's output is above"
}

last_of() { # METRIC
  grep "\"metric\": \"$1\"" "$scratch/run.log" | tail -1 | sed 's/.*"value": \([^,}]*\).*/\1/'
}

is_near() { # A B PART
  awk -v a="$1" -v b="$2" -v part="$3" 'BEGIN { apart = (b - a) / a; exit !(apart < part && -apart < part) }'
}
