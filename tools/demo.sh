#!/usr/bin/env bash
# A story in six acts, told with curl and redis-cli: a service on four replicas stays right while one is killed and another lies, and is all
# there after a power loss. Ends by itself, in about fifteen seconds, and leaves nothing behind. `make demo` builds what it needs.
. "$(dirname "$0")/demo-lib.sh"

port() { # HTTPS or Redis port of a replica: port 2 https
    echo $((base + 10 * $1 + $([ "$2" = https ] && echo 2 || echo 3)))
}

answer() { # WANT GOT COMMAND: shows it, and ends the story when it is wrong
    printf '  $ %s\n  %s\n' "$3" "$2"
    [ "$2" = "$1" ] || { echo "demo: \"$2\", but \"$1\" is right" >&2; exit 1; }
}

# redis WANT REPLICA COMMAND...: a stock client, connected to that replica alone.
redis() {
    local want=$1 at got
    at=$(port "$2" rediss)
    shift 2
    got=$(timeout 30 redis-cli --tls --cacert "$dir/ca.pem" -p "$at" "$@" 2>&1) || true
    answer "$want" "$got" "redis-cli --tls --cacert DIR/ca.pem -p $at $*"
}

# web WANT REPLICA KEY [OPTION...]
web() {
    local want=$1 at got key=$3
    at=$(port "$2" https)
    shift 3
    got=$(timeout 30 curl -sS --cacert "$dir/ca.pem" "$@" "https://127.0.0.1:$at/kv/$key" 2>&1) || true
    answer "$want" "$got" "curl --cacert DIR/ca.pem${*:+ $*} https://127.0.0.1:$at/kv/$key"
}

lies="sum(v for r in s['replicas'] for k, v in r['verdicts'].items() if k in ('bad-mac', 'bad-signature', 'unknown-sender', 'equivocation', 'mismatch'))"


base=$(free_base)
say "1. A cluster of four replicas, which survives one faulty one"
echo "   Each replica is a host process and four sandboxed compartments. One of them, the Troxy, talks TLS to stock clients and votes for them."
show init "$dir" --base-port "$base" --clients 8
bring_up

say "2. Write and read: with curl and redis-cli, at any replica"
web "" 0 greeting -X PUT --data-binary "hello, world"
redis "hello, world" 3 get greeting
redis 1 0 incr visits
redis 2 3 incr visits
web 2 2 visits
echo "   Or with the native client, which votes by itself:"
expect 2 get visits

say "3. Replica 2 is killed"
victim=$(ask 's["replicas"][2]["pid"]')
echo "  \$ kill -9 $victim"
kill -9 "$victim"
redis "hello, world" 0 get greeting
redis 3 3 incr visits
echo "   Three of four replicas order and execute; nothing that was acknowledged is lost."
for _ in $(seq 600); do
    [ "$(ask 's["replicas"][2].get("full") and s["replicas"][2]["pid"] != '"$victim")" = True ] && break
    sleep 0.1
done
for _ in $(seq 100); do
    curl -sf --cacert "$dir/ca.pem" "https://127.0.0.1:$(port 2 https)/readyz" >/dev/null && break
    sleep 0.1
done
redis 4 2 incr visits
echo "   It was started again, drew fresh keys and was admitted under a new epoch: the cluster survives one fault again."

say "4. And replica 1 lies: forged votes to its peers, false answers to clients"
before=$(ask "$lies")
show fault "$dir" --id 1 --kind lie
echo "   Its own clients are told the truth all the same: their TLS ends in its Troxy, which believes three replicas and not its host."
redis "hello, world" 1 get greeting
redis 5 1 incr visits
web "" 1 greeting -X PUT --data-binary "still right"
redis "still right" 0 get greeting
web "still right" 3 greeting
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
redis "still right" 1 get greeting
web 5 0 visits
redis 6 2 incr visits
echo "   Votes were on the disks before they left (durability: sync), so whatever was acknowledged is there."

the_end "redoubt init demo && redoubt up demo"
echo "   The other protocol, with three replicas and trusted counters: make demo PROTOCOL=hybster"
