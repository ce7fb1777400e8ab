#!/usr/bin/env bash
# Under load a compartment is killed, each kind in turn: its replica ends, is started again and is a member again, by itself; and
# then another replica is killed: without the first one there would be no quorum.
. "$(dirname "$0")/lib_cluster.sh"

# full_again ID EPOCH: it has other keys than then, and all of them count.
full_again() {
    [ "$(status "str(s['replicas'][$1].get('full')) + str(s['replicas'][$1].get('epoch') != $2)")" = TrueTrue ]
}

# back ID PID: kills that process of replica ID, and waits until the replica is a member again.
back() {
    local epoch
    epoch=$(status "s['replicas'][$1]['epoch']")
    kill -9 "$2"
    wait_for 60 full_again "$1" "$epoch" || fail "replica $1 did not come back"
}

for durability in sync memory; do
    init_cluster "$durability" --durability $durability
    up_cluster
    expect ok call put a 1
    "$redoubt" bench "$dir" --workload set --clients 8 --seconds 60 --json >"$tmp/bench.out" 2>"$tmp/bench.log" &
    bench=$!
    pids+=("$bench")
    for kind in 0 1 2; do
        back 2 "$(status "s['replicas'][2]['compartments'][$kind]['pid']")"
        expect ok call put "k$kind" "$kind"
    done
    [ "$(grep -c 'replica 2: .* died: killed by signal 9' "$tmp/up.log")" -ge 3 ] || fail "the log does not say what died"
    back 1 "$(status "s['replicas'][1]['pid']")"
    for kind in 0 1 2; do expect $kind call get "k$kind"; done
    kill "$bench" 2>/dev/null
    wait "$bench"
    down_cluster
done
echo ok
