#!/bin/sh
# Builds the example and trains it on 1, 2 and 4 ranks in a scratch Troupe, which is removed at the end.
#   docs/examples/native/run.sh [FOLDER]     FOLDER has the four IDX files of MNIST, packed (.gz) or not;
#                                            without it they are fetched
set -eu
# shellcheck source=docs/examples/scratch.sh
. "$(dirname "$0")/../scratch.sh"
build troupe_cli train_native
start_troupe
push_mnist "$@"
cp -r "$root/docs/examples/native" "$scratch/project"
cp "$root/build/release/docs/examples/native/train_native" "$scratch/project"
cd "$scratch/project"
train 1
first=$loss
for count in 2 4; do
  train $count
  is_near "$first" "$loss" 0.005 ||
    fail "the loss on $count ranks is $loss, on one $first" "they should be within 0.5 %"
done
train 1 --param exact=1
first=$loss
for count in 2 4; do
  train $count --param exact=1
  [ "$loss" = "$first" ] || fail "the loss on $count ranks is $loss, on one $first" "with exact=1 they should be the same"
done
say "the same loss on 1, 2 and 4 ranks; the last accuracy is $accuracy"
