#!/usr/bin/env bash
# A story in six acts: a service on four replicas stays right while one is killed and another lies, and is all there after a
# power loss. Ends by itself, in about fifteen seconds, and leaves nothing behind. `make demo` builds what it needs.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
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
lies="sum(v for r in s['replicas'] for k, v in r['verdicts'].items() if k in ('bad-mac', 'bad-signature', 'unknown-sender', 'equivocation', 'mismatch'))"

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

say "1. A cluster of four replicas, which survives one faulty one"
echo "   Each replica is a host process and three sandboxed compartments, with keys of their own."
show init "$dir" --base-port "$(free_base)" --clients 8
bring_up

say "2. Write and read"
expect ok put greeting "hello, world"
expect "hello, world" get greeting
expect 1 incr visits
expect 2 incr visits

say "3. Replica 2 is killed"
victim=$(ask 's["replicas"][2]["pid"]')
echo "  \$ kill -9 $victim"
kill -9 "$victim"
expect "hello, world" get greeting
expect 3 incr visits
echo "   Three of four replicas order and execute; nothing that was acknowledged is lost."
for _ in $(seq 600); do
    [ "$(ask 's["replicas"][2].get("full") and s["replicas"][2]["pid"] != '"$victim")" = True ] && break
    sleep 0.1
done
expect 4 incr visits
echo "   It was started again, drew fresh keys and was admitted under a new epoch: the cluster survives one fault again."
say "4. And replica 1 lies: forged votes to its peers, false answers to clients"
before=$(ask "$lies")
show fault "$dir" --id 1 --kind lie
expect "hello, world" get greeting
expect 5 incr visits
expect ok put greeting "still right"
expect "still right" get greeting
after=$(ask "$lies")
echo "   Its host has no compartment's keys: what it forges is refused by whoever gets it, and counted."
echo "   Frames refused for that on all replicas: $before before, $after now."
[ "$after" -gt "$before" ] || { echo "demo: the lies were not counted" >&2; exit 1; }

say "5. What the cluster says of itself"
show status "$dir"

say "6. Power loss: everything is killed at once"
victims=$(ask '" ".join(str(r["pid"]) for r in s["replicas"] if r.get("pid"))')
echo "  \$ kill -9 $up_pid $victims"
kill -9 "$up_pid" $victims
wait "$up_pid" 2>/dev/null || true
sleep 0.5 # compartments end when their hosts are gone
bring_up
expect "still right" get greeting
expect 6 incr visits
echo "   Votes were on the disks before they left (durability: sync), so whatever was acknowledged is there."

say "The end"
kill "$up_pid"
wait "$up_pid" || { echo "demo: the cluster did not end well" >&2; exit 1; }
up_pid=
echo "   All processes have ended. To try it yourself: redoubt init demo && redoubt up demo"
