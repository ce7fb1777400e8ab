# For sourcing by the demos in this folder: a cluster in a temporary folder that ends with the story, and how its lines are shown.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
redoubt=${REDOUBT_BIN:-$root/build/release/bin}/redoubt
tmp=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-demo.XXXXXX")
dir=$tmp/cluster
up_pid=

finish() {
    local code=$?
    if [ -n "$up_pid" ] && kill "$up_pid" 2>/dev/null; then
        wait "$up_pid" 2>/dev/null || true
    fi
    if [ $code -ne 0 ]; then
        echo "demo: that should not have happened (exit $code)" >&2
        [ -s "$tmp/up.log" ] && tail -30 "$tmp/up.log" >&2
    fi
    rm -rf "$tmp"
    exit $code
}
trap finish EXIT

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Shows a command, runs it, indents what it prints.
show() {
    echo "  \$ redoubt $*" | sed "s|$dir|DIR|g"
    timeout 60 "$redoubt" "$@" 2>&1 | sed "s|$dir|DIR|g; s/^/  /"
}

# expect VALUE OP...: a call whose answer must be VALUE.
expect() {
    local want=$1 got
    shift
    got=$(timeout 60 "$redoubt" call "$dir" --timeout 20000 "$@")
    printf '  $ redoubt call DIR %s\n  %s\n' "$*" "$got"
    [ "$got" = "$want" ] || { echo "demo: \"$got\", but \"$want\" is right" >&2; exit 1; }
}

ask() { # Python expression over the status document `s`
    "$redoubt" status "$dir" --json | python3 -c 'import json,sys; s = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

free_base() {
    local base used port
    for _ in $(seq 100); do
        base=$((20000 + RANDOM % 1100 * 10))
        used=$(ss -Htan | awk '{ sub(/.*:/, "", $4); print $4 }')
        for port in $(seq $base $((base + 39))); do
            grep -qx "$port" <<<"$used" && continue 2
        done
        echo $base
        return
    done
    echo "demo: no free ports" >&2
    exit 1
}

bring_up() {
    echo "  \$ redoubt up DIR --allow-faults &"
    : >"$tmp/up.out"
    "$redoubt" up "$dir" --allow-faults --seconds 120 >"$tmp/up.out" 2>"$tmp/up.log" &
    up_pid=$!
    for _ in $(seq 600); do
        grep -qx ready "$tmp/up.out" && break
        kill -0 "$up_pid" 2>/dev/null || { cat "$tmp/up.log" >&2; exit 1; }
        sleep 0.05
    done
    grep -qx ready "$tmp/up.out"
    echo "  ready"
}

the_end() { # WHAT TO TRY
    say "The end"
    kill "$up_pid"
    wait "$up_pid" || { echo "demo: the cluster did not end well" >&2; exit 1; }
    up_pid=
    echo "   All processes have ended. To try it yourself: $1"
}
