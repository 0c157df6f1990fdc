#!/bin/sh
# Trains the example on 1, 2 and 4 ranks in a scratch Troupe, which is removed at the end. Needs Debian's python3-torch.
#   docs/examples/ddp/run.sh [FOLDER]     FOLDER has the four IDX files of MNIST, packed (.gz) or not;
#                                         without it they are fetched
set -eu
# shellcheck source=docs/examples/scratch.sh
. "$(dirname "$0")/../scratch.sh"
/usr/bin/python3 -c 'import torch.distributed' 2>/dev/null ||
  fail "/usr/bin/python3 has no torch" "apt-get install python3-torch"
build troupe_cli
start_troupe
push_mnist "$@"
cp -r "$root/docs/examples/ddp" "$scratch/project"
cd "$scratch/project"
train 1
first=$loss
for count in 2 4; do
  train $count
  is_near "$first" "$loss" 0.005 || fail "the loss on $count ranks is $loss, on one $first" "they should be within 0.5 %"
done
say "the same loss on 1, 2 and 4 ranks, within 0.5 %; the last accuracy is $accuracy"
