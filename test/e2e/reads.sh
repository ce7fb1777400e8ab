#!/usr/bin/env bash
# The client library's reads without an order, with real processes: they are answered so in both modes and protocols, go on as ordered ones where
# replicas are missing or lie, and `sound` is refused where a write is complete too early for it.
. "$(dirname "$0")/lib_cluster.sh"

# bench_reads MODE WORKLOAD: no errors; sets unordered and ordered.
bench_reads() {
    timeout 60 "$redoubt" bench "$dir" --workload "$2" --read-mode "$1" --clients 8 --keys 50 --seconds 2 --json >"$tmp/bench.json" 2>"$tmp/bench.log" ||
        fail "bench $*: $(cat "$tmp/bench.log")"
    read -r mode errors ops unordered ordered < <(python3 -c '
import json, sys
b = json.load(open(sys.argv[1]))
print(b["read_mode"], b["errors"], b["ops"], b["unordered_reads"], b["ordered_reads"])' "$tmp/bench.json")
    [ "$mode" = "$1" ] || fail "bench says it read $mode, not $1"
    [ "$errors" = 0 ] || fail "bench $*: $errors errors: $(cat "$tmp/bench.log")"
    [ "$ops" -gt 0 ] || fail "bench $*: nothing done"
}

# --- hybster: all of three
init_cluster three --protocol hybster
up_cluster --allow-faults
for mode in sound published; do
    bench_reads $mode ycsb-b
    [ "$unordered" -gt 0 ] || fail "hybster: no $mode read went without an order"
done
# One is silent: three do not say the same any more, two do.
"$redoubt" fault "$dir" --id 2 --kind silent || fail "fault"
bench_reads sound ycsb-c
[ "$unordered" = 0 ] || fail "hybster: $unordered sound reads without the third replica"
[ "$ordered" -gt 0 ] || fail "hybster: no read was ordered"
bench_reads published ycsb-c
[ "$unordered" -gt 0 ] || fail "hybster: f+1 answers do not complete a published read"
"$redoubt" fault "$dir" --id 2 --kind none || fail "fault none"
# One lies to clients: what it says does not verify.
"$redoubt" fault "$dir" --id 1 --kind corrupt-replies || fail "fault"
bench_reads sound ycsb-b
"$redoubt" fault "$dir" --id 1 --kind none || fail "fault none"
refuses 2 "read-mode: must be ordered, published or sound|--read-mode some: must be" "$redoubt" bench "$dir" --workload get --read-mode some
refuses 2 "is the library's" "$redoubt" bench "$dir" --workload get --read-mode sound --via redis
down_cluster

# --- splitbft: 2f+1, where the manifest says so; else a clear word
init_cluster four --durability memory
sed -i 's/^fast_reads: .*/fast_reads: off/; s/^front: .*/front: off/' "$dir/cluster.yaml"
up_cluster
refuses 1 "read mode sound: this cluster was founded with fast_reads off" "$redoubt" bench "$dir" --workload get --read-mode sound
bench_reads published get
[ "$unordered" -gt 0 ] || fail "splitbft: no published read went without an order"
down_cluster
init_cluster fast --durability memory
sed -i 's/^fast_reads: .*/fast_reads: on/' "$dir/cluster.yaml"
up_cluster
bench_reads sound ycsb-b
[ "$unordered" -gt 0 ] || fail "splitbft: no sound read went without an order"
echo ok
