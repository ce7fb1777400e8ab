#!/usr/bin/env bash
# A replica is killed under load and comes back by itself, with fresh keys (with durability memory: and without its state); then another is killed: the
# cluster goes on, so the first one votes again. And back again, until every replica has been through it.
. "$(dirname "$0")/lib_cluster.sh"

# full_again ID EPOCH: it has other keys than then, and all of them count.
full_again() {
    [ "$(status "str(s['replicas'][$1].get('full')) + str(s['replicas'][$1].get('epoch') != $2)")" = TrueTrue ]
}

# one_round ID: kills it under load, waits until it is full again.
one_round() {
    local epoch victim
    epoch=$(status "s['replicas'][$1]['epoch']")
    victim=$(status "s['replicas'][$1]['pid']")
    kill -9 "$victim"
    wait_for 60 full_again "$1" "$epoch" || fail "replica $1 did not come back"
}

for options in "--durability sync" "--durability memory" "--durability sync --protocol pbft --isolation inline"; do
    # shellcheck disable=SC2086
    init_cluster "c${#options}" $options
    up_cluster
    expect ok call put a 1
    "$redoubt" bench "$dir" --workload set --clients 8 --seconds 45 --json >"$tmp/bench.out" 2>"$tmp/bench.log" &
    bench=$!
    pids+=("$bench")
    for id in 3 2 0 1; do
        one_round $id
        expect ok call put "k$id" "$id"
        expect 1 call get a
    done
    kill "$bench" 2>/dev/null
    wait "$bench"
    expect 5 status 's["configuration"]'
    down_cluster
done
echo ok
