#!/usr/bin/env bash
# Explores the SplitBFT view change: the tiny bound to its end, random runs beyond it, and every mutant.
#
#   REDOUBT_BIN=build/bin test/explorer.sh
#
# EXPLORER_SECONDS (30) is shared by the random runs of n = 4 and n = 7; half as long again for n = 5 and n = 6. EXPLORER_SEED (1) is the first seed.
# One line a piece; the exit status is 1 if any of them failed. See docs/EXPLORER.md.
set -u

explorer=${REDOUBT_BIN:?is the folder of redoubt-explorer}/redoubt-explorer
seconds=${EXPLORER_SECONDS:-30}
seed=${EXPLORER_SEED:-1}
mutant_seconds=20
failures=0

if [[ ! -x $explorer ]]; then
    echo "no $explorer" >&2
    exit 2
fi
if ! [[ $seconds =~ ^[0-9]+$ && $seconds -ge 2 && $seed =~ ^[0-9]+$ ]]; then
    echo "EXPLORER_SECONDS must be a whole number of at least 2, EXPLORER_SEED a whole number" >&2
    exit 2
fi

# report <ok|FAIL> <text>
report()
{
    printf '%-4s  %s\n' "$1" "$2"
    [[ $1 == ok ]] || failures=$((failures + 1))
}

# green <text that must be in the output> <arguments...>: nothing may be found.
green()
{
    local wanted=$1 output status verdict=ok
    shift
    output=$("$explorer" "$@" 2>&1)
    status=$?
    [[ $status -eq 0 && $output == *"$wanted"* ]] || verdict=FAIL
    # The violations stand in the first line, the way to replay them in the second.
    report $verdict "$output"
}

# red <mutant>: must be found with the default settings.
red()
{
    local output status
    output=$("$explorer" --mutant "$1" --seconds $mutant_seconds --seed "$seed" 2>&1)
    status=$?
    output=${output%%$'\n'*}
    if [[ $status -eq 0 ]]; then
        report ok "mutant $1 found: ${output#*: }"
    else
        report FAIL "mutant $1 (exit $status): ${output#*: }"
    fi
}

green "bound exhausted" --mode exhaustive --slots 2 --views 1
green "bound exhausted" --mode exhaustive --slots 1 --views 2
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 1 --seed "$seed" --seconds $((seconds / 2))
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 1 --replicas 5 --seed "$seed" --seconds $((seconds / 4 + 1))
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 1 --replicas 6 --seed "$seed" --seconds $((seconds / 4 + 1))
green "0 violations, 0 stuck selections, 0 stuck claims" --faults 2 --seed "$seed" --seconds $((seconds - seconds / 2))

mutants=$("$explorer" --mutant list)
# An empty list would pass for "all found".
[[ $(wc -w <<<"$mutants") -ge 10 ]] || report FAIL "--mutant list names too few mutants"
for mutant in $mutants; do
    red "$mutant"
done

if ((failures > 0)); then
    echo "$failures pieces failed"
    exit 1
fi
