# What the scripts of both explorers share: a line for each piece, and the checks of what comes from outside. Sourced, not run:
#
#   . test/lib_explorer.sh redoubt-explorer 30     # the program, and the default of EXPLORER_SECONDS
#
# Sets explorer, seconds, seed and failures. EXPLORER_SEED (1) is the first seed.

explorer=${REDOUBT_BIN:?is the folder of $1}/$1
seconds=${EXPLORER_SECONDS:-$2}
seed=${EXPLORER_SEED:-1}
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

# red <mutant> <arguments...>: must be found.
red()
{
    local mutant=$1 output status
    shift
    output=$("$explorer" --mutant "$mutant" --seed "$seed" "$@" 2>&1)
    status=$?
    output=${output%%$'\n'*}
    if [[ $status -eq 0 ]]; then
        report ok "mutant $mutant found: ${output#*: }"
    else
        report FAIL "mutant $mutant (exit $status): ${output#*: }"
    fi
}

# mutants <at least so many>: their names. A list that is empty would pass for "all found".
mutants()
{
    local names
    names=$("$explorer" --mutant list)
    [[ $(wc -w <<<"$names") -ge $1 ]] || names="--mutant-list-names-too-few"
    echo "$names"
}

# finish: the exit status
finish()
{
    ((failures == 0)) && exit 0
    echo "$failures pieces failed"
    exit 1
}
