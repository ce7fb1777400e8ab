#!/usr/bin/env bash
# The baseline: PBFT in one process per replica, with the counter; and JSON logs; and --seconds.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one --protocol pbft --service counter
sed -i 's/^log: text/log: json/' "$dir/cluster.yaml"
up_cluster --allow-faults
count() { call "$@" | sed "s/ .*//"; } # the total; how much of it is ours follows
expect 1 count incr
expect 6 count incr 5
expect "['inline']" status 'sorted({r["isolation"] for r in s["replicas"]})'
expect True status 'all(c["pid"] == r["pid"] for r in s["replicas"] for c in r["compartments"])'
"$redoubt" status "$dir" >"$tmp/status"
grep -q "a replica is one fault domain" "$tmp/status" || fail "status does not say what is trusted"
"$redoubt" fault "$dir" --id 2 --kind lie || fail "fault"
expect 7 count incr
"$redoubt" fault "$dir" --id 2 --kind none || fail "fault none"
kill -9 "$(status 's["replicas"][0]["pid"]')" # the primary of the first view
expect 8 count incr
wait_for 5 grep -q "replica 0 ended: signal 9" "$tmp/up.log" || fail "not reported"
python3 - "$tmp/up.log" <<'P' || fail "the log is not JSON"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1]) if not l.startswith("redoubt: ")]
assert lines and all(set(l) == {"time", "level", "replica", "text"} for l in lines), lines
P
down_cluster

started=$(date +%s)
timeout 30 "$redoubt" up "$dir" --seconds 1 >"$tmp/up.out" 2>"$tmp/up.log" || fail "up --seconds"
[ $(($(date +%s) - started)) -lt 10 ] || fail "up --seconds 1 took too long"
grep -qx ready "$tmp/up.out" || fail "no ready"

# What ends `up` ends its replicas, even when it has no time to say so.
up_cluster
children=$(pgrep -P "$up_pid")
kill -9 "$up_pid"
for child in $children; do
    wait_for 5 bash -c "! kill -0 $child" || fail "replica $child outlives up"
done
echo ok
