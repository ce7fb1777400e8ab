#!/usr/bin/env bash
# A replica is paused until the others no longer remember what it missed: it fetches the leaves that differ, and no others,
# while clients are served; then it is needed for the quorum, and answers are right.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one --durability memory # how much is missed in two seconds must not hang on the disk
sed -i 's/^request_timeout_ms: 1000 /request_timeout_ms: 2000 /' "$dir/cluster.yaml"
up_cluster

# pids ID: of a replica and its compartments.
pids_of() {
    status "' '.join(str(p) for p in [s['replicas'][$1]['pid']] + [c['pid'] for c in s['replicas'][$1]['compartments']])"
}
load() {
    "$redoubt" bench "$dir" --workload set --value-bytes 200 --clients 32 --warmup 0 --json "$@" >"$tmp/bench.json" 2>"$tmp/bench.log" ||
        fail "bench $*"
}
caught_up() {
    [ "$(status 's["replicas"][3]["catching_up"]["phase"] == "none" and s["replicas"][3]["lag"] == 0 and s["replicas"][3]["slot"] >= max(r["slot"] for r in s["replicas"])')" = True ]
}
transfers() {
    status 's["replicas"][3]["catching_up"]["transfers"]'
}

expect ok call put a 1
expect none status 's["replicas"][3]["catching_up"]["phase"]'
victims=$(pids_of 3)
kill -STOP $victims
load --keys 20000 --seconds 2 --batching off
kill -CONT $victims
wait_for 30 caught_up || fail "not caught up: $(status 's["replicas"][3]')"
[ "$(transfers)" -ge 1 ] || fail "it caught up without fetching state"
whole=$(status 's["replicas"][3]["catching_up"]["leaves_total"]')
bytes=$(status 's["replicas"][3]["catching_up"]["bytes_moved"]')

# A few keys only, but many slots; and clients go on while it catches up.
before=$(transfers)
kill -STOP $victims
load --keys 50 --seconds 2 --batching off
"$redoubt" bench "$dir" --workload ycsb-a --keys 50 --clients 16 --seconds 3 --warmup 0 --json >"$tmp/during.json" 2>"$tmp/during.log" &
during=$!
sleep 0.5
kill -CONT $victims
wait "$during" || fail "clients were not served: $(cat "$tmp/during.log")"
expect 0 python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["errors"])' "$tmp/during.json"
wait_for 30 caught_up || fail "not caught up again: $(status 's["replicas"][3]')"
[ "$(transfers)" -gt "$before" ] || fail "it caught up without fetching state"
[ "$(status 's["replicas"][3]["catching_up"]["leaves_moved"]')" -le 60 ] || fail "more leaves than differ were moved"
more=$(($(status 's["replicas"][3]["catching_up"]["bytes_moved"]') - bytes))
[ $((3 * more)) -lt "$bytes" ] || fail "$more bytes moved for 50 keys, $bytes for all $whole leaves"
expect "[0, 0]" status '[s["replicas"][3]["catching_up"]["late"] // 100, s["replicas"][3]["catching_up"]["wrong"]]'
grep -q "replica 3: caught up: the state after slot [1-9]" "$tmp/up.log" || fail "nothing in the log"
curl -s "http://127.0.0.1:$((base + 36))/metrics" >"$tmp/metrics"
grep -q '^redoubt_state_bytes_fetched_total [1-9]' "$tmp/metrics" || fail "no metric of bytes fetched"
grep -q '^redoubt_state_leaves_total [1-9]' "$tmp/metrics" || fail "no metric of leaves"

# Now nothing is done without it.
kill -9 "$(status 's["replicas"][2]["pid"]')"
expect 1 call get a
expect ok call put a 2
expect 2 call get a
echo ok
