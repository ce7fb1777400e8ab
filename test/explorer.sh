#!/usr/bin/env bash
# Explores the SplitBFT view change: the tiny bound to its end, random runs beyond it, and every mutant.
#
#   REDOUBT_BIN=build/bin test/explorer.sh
#
# EXPLORER_SECONDS (30) is shared by the random runs of n = 4 and n = 7; half as long again for n = 5 and n = 6. EXPLORER_SEED (1) is the first seed.
# One line a piece; the exit status is 1 if any of them failed. See docs/EXPLORER.md.
set -u

. "$(dirname "$0")/lib_explorer.sh" redoubt-explorer 30

green "bound exhausted" --mode exhaustive --slots 2 --views 1
green "bound exhausted" --mode exhaustive --slots 1 --views 2
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 1 --seed "$seed" --seconds $((seconds / 2))
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 1 --replicas 5 --seed "$seed" --seconds $((seconds / 4 + 1))
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 1 --replicas 6 --seed "$seed" --seconds $((seconds / 4 + 1))
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 2 --seed "$seed" --seconds $((seconds - seconds / 2))

for mutant in $(mutants 10); do
    red "$mutant" --seconds 20
done
finish
