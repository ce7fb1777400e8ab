#!/usr/bin/env bash
# A replica is killed, then on another a compartment: both are reported, once, and as long as a quorum votes answers stay right.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
echo "restart: never" >>"$dir/cluster.yaml"
up_cluster
expect ok call put a 1
victim=$(status 's["replicas"][3]["pid"]')
children=$(pgrep -P "$victim")
kill -9 "$victim"
wait_for 10 grep -q "replica 3 ended: signal 9" "$tmp/up.log" || fail "up does not report the death"
expect ok call put a 2
expect 2 call get a
expect down status '"down" if "down" in s["replicas"][3] else "up"'
for child in $children; do
    wait_for 5 bash -c "! kill -0 $child" || fail "compartment $child outlives its host"
done
[ "$(grep -c 'replica 3 ended' "$tmp/up.log")" -eq 1 ] || fail "reported more than once"
down_cluster

init_cluster two
echo "restart: never" >>"$dir/cluster.yaml"
up_cluster
expect ok call put a 1
for kind in 0 1 2; do
    [ $kind -eq 0 ] || { init_cluster "c$kind"; echo "restart: never" >>"$dir/cluster.yaml"; up_cluster; expect ok call put a 1; }
    victim=$(status "s['replicas'][2]['compartments'][$kind]['pid']")
    kill -9 "$victim"
    wait_for 10 grep -q "replica 2: .* died: .*: this replica stops voting" "$tmp/up.log" || fail "no word of compartment $kind"
    expect ok call put a 2
    expect 2 call get a
    expect False status 's["replicas"][2]["voting"]'
    status "s['replicas'][2]['compartments'][$kind]['died']" | grep -q . || fail "status does not say that it died"
    expect 503 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$((base + 26))/healthz"
    down_cluster
done
echo ok
