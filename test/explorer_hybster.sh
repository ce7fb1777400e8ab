#!/usr/bin/env bash
# Explores Hybster's view change: small bounds to their end, random runs beyond them, and every mutant.
#
#   REDOUBT_BIN=build/bin test/explorer_hybster.sh
#
# EXPLORER_SECONDS (10) is shared by the random runs of n = 3 and n = 5; half as long again with a RECONFIG. EXPLORER_SEED (1) is the first seed.
# EXPLORER_DEEP=1 adds bounds that take minutes. One line a piece; the exit status is 1 if any of them failed. See docs/EXPLORER.md.
set -u

explorer=${REDOUBT_BIN:?is the folder of redoubt-explorer-hybster}/redoubt-explorer-hybster
seconds=${EXPLORER_SECONDS:-10}
seed=${EXPLORER_SEED:-1}
mutant_seconds=30
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
    [[ $status -eq 0 && $output == *"$wanted"* && $output == *": nothing found"* ]] || verdict=FAIL
    report $verdict "$output"
}

# red <mutant>: must be found with the default settings; those about fresh counters with a RECONFIG.
red()
{
    local output status
    local -a renewal=()
    case $1 in
    fresh-* | old-epoch-*) renewal=(--renewal 1 --window 1 --pillars 1) ;;
    esac
    output=$("$explorer" --mutant "$1" "${renewal[@]}" --seconds $mutant_seconds --seed "$seed" 2>&1)
    status=$?
    output=${output%%$'\n'*}
    if [[ $status -eq 0 ]]; then
        report ok "mutant $1 found: ${output#*: }"
    else
        report FAIL "mutant $1 (exit $status): ${output#*: }"
    fi
}

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
green "mutant=none" --faults 1 --seed "$seed" --seconds $((seconds - seconds / 2))
green "mutant=none" --faults 2 --seed "$seed" --seconds $((seconds / 2))
green "mutant=none" --renewal 1 --window 1 --pillars 1 --seed "$seed" --seconds $((seconds / 2))

mutants=$("$explorer" --mutant list)
# An empty list would pass for "all found".
[[ $(wc -w <<<"$mutants") -ge 20 ]] || report FAIL "--mutant list names too few mutants"
for mutant in $mutants; do
    red "$mutant"
done

if ((failures > 0)); then
    echo "$failures pieces failed"
    exit 1
fi
