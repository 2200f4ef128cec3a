#!/bin/bash
# Explores every run of views.pml in one configuration; README.md says what they are.
#   check.sh holds FLAG...             no property may be violated, in no state
#   check.sh breaks PROPERTY FLAG...   the flags are a mistake, which PROPERTY must reveal
set -uo pipefail

model=$(readlink -f "$(dirname "$0")/views.pml")
memory_mb=3500
most_steps=5000

for tool in spin gcc; do
  command -v "$tool" > /dev/null || { echo "SKIPPED: there is no $tool here"; exit 0; }
done

expect=holds
if [[ $1 == breaks ]]; then
  expect=$2
  shift
fi
shift

cd "${TEST_TMPDIR:-$(mktemp -d)}" || exit 1
spin -a "$@" "$model" > spin.log || { cat spin.log; exit 1; }
# Everything is shared, so there is nothing for partial-order reduction to reduce. A mistake is
# found in moments: compile for that rather than for speed.
[[ $expect == holds ]] && optimize=-O1 || optimize=-O0
gcc $optimize -w -DSAFETY -DNOREDUCE -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=$memory_mb \
  -o pan pan.c || exit 1
./pan -m$most_steps -w24 > pan.log 2>&1

states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\) seconds/\1/p' pan.log)
broken=$(sed -n 's/^pan:1: \(.*\) (at depth [0-9]*)$/\1/p' pan.log)
broken=${broken#assertion violated }
echo "$expect: ${states:-?} states, ${seconds:-?} s: $*"

if [[ -z $states ]] || grep -q 'Search not completed\|search depth too small' pan.log &&
   [[ -z $broken ]]; then
  echo "The search was not completed:"
  cat pan.log
  exit 1
fi
if [[ $expect == holds && -n $broken ]]; then
  echo "Violated: $broken. The run that shows it:"
  spin -t -p -g "$@" -k views.pml.trail "$model" | grep -v '<valid end state>'
  exit 1
fi
if [[ $expect != holds && $broken != "$expect" ]]; then
  echo "The mistake should show as a violation of $expect, but here it showed as: ${broken:-nothing}"
  exit 1
fi
