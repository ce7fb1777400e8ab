#!/usr/bin/env bash
# Explores Hybster's view change: small bounds to their end, random runs beyond them, and every mutant.
#
#   REDOUBT_BIN=build/bin test/explorer_hybster.sh
#
# EXPLORER_SECONDS (10) is shared by the random runs of n = 3 and n = 5; half as long again with a RECONFIG. EXPLORER_SEED (1) is the first seed.
# EXPLORER_DEEP=1 adds bounds that take minutes. One line a piece; the exit status is 1 if any of them failed. See docs/EXPLORER.md.
set -u

. "$(dirname "$0")/lib_explorer.sh" redoubt-explorer-hybster 10

exhausted()
{
    green "bound exhausted" --mode exhaustive "$@"
}

exhausted --orders 1 --views 3
exhausted --orders 1 --views 3 --suspects 1
exhausted --orders 2 --views 2 --nulls 1
exhausted --orders 2 --views 2 --window 1
exhausted --orders 2 --views 2 --pillars 2 --suspects 1
exhausted --orders 3 --views 2 --pillars 2
exhausted --orders 4 --views 2 --renewal 1 --window 1
exhausted --orders 2 --views 3 --renewal 1 --window 1
if [[ ${EXPLORER_DEEP:-0} == 1 ]]; then
    exhausted --orders 1 --views 4
    exhausted --orders 2 --views 3
    exhausted --orders 2 --views 3 --window 1
    exhausted --orders 3 --views 3 --renewal 1 --window 1
fi
green ": nothing found" --faults 1 --seed "$seed" --seconds $((seconds - seconds / 2))
green ": nothing found" --faults 2 --seed "$seed" --seconds $((seconds / 2))
green ": nothing found" --renewal 1 --window 1 --pillars 1 --seed "$seed" --seconds $((seconds / 2))

for mutant in $(mutants 20); do
    # Those about fresh counters need a RECONFIG.
    case $mutant in
    fresh-* | old-epoch-*) red "$mutant" --seconds 30 --renewal 1 --window 1 --pillars 1 ;;
    *) red "$mutant" --seconds 30 ;;
    esac
done
finish
