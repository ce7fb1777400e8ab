#!/usr/bin/env bash
# Four hosts, each in a network namespace of its own, one more for administrator and clients: started as OPERATE.md says for several
# machines. The primary's host is cut off and the others go on; it comes back and catches up by itself; then another one is
# lost, so that nothing goes on without the one that was away.
. "$(dirname "$0")/lib_cluster.sh"

if [ "$(id -u)" -ne 0 ] || ! ip netns add "rdb$$probe" 2>/dev/null; then
    echo "SKIP: network namespaces need root"
    exit 77
fi
ip netns del "rdb$$probe"

net=rdb$$n
spaces=("$net")
remove_spaces() {
    local code=$?
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for space in "${spaces[@]}"; do ip netns del "$space" 2>/dev/null; done
    (exit $code)
    finish
}
trap remove_spaces EXIT

# One bridge, in the administrator's namespace; nothing of the machine's own network is touched.
ip netns add "$net"
ip -n "$net" link set lo up
ip -n "$net" link add bridge type bridge
ip -n "$net" addr add 10.77.0.100/24 dev bridge
ip -n "$net" link set bridge up
for host in 0 1 2 3 4; do
    space=rdb$$h$host
    spaces+=("$space")
    ip netns add "$space"
    ip -n "$space" link set lo up
    ip link add eth0 netns "$space" type veth peer name "port$host" netns "$net" || fail "no virtual network"
    ip -n "$space" addr add "10.77.0.1$host/24" dev eth0
    ip -n "$space" link set eth0 up
    ip -n "$net" link set "port$host" master bridge up
done

on_host() { ip netns exec "rdb$$h$1" "${@:2}"; }
administrator() { ip netns exec "$net" "$@"; }
call() { administrator timeout 30 "$redoubt" call "$dir" --timeout 10000 "$@"; }
# value HOST NAME: a metric of that host.
value() { on_host "$1" curl -s --max-time 5 "http://127.0.0.1:77${3:-$1}6/metrics" | awk -v name="redoubt_$2" '$1 == name { print $2 }'; }
is() { [ "$(value "$1" "$2")" = "$3" ]; }
at_least() { [ "$(value "$1" "$2")" -ge "$3" ]; }

dir=$tmp/admin
"$redoubt" init "$dir" --hosts 10.77.0.10,10.77.0.11,10.77.0.12,10.77.0.13 --clients 16 2>"$tmp/init.log" || fail init
replicas=()
for host in 0 1 2 3; do
    mkdir "$tmp/host$host"
    cp "$dir/cluster.yaml" "$dir/admin.pub" "$tmp/host$host/"
    cp -a "$dir/replica-$host" "$tmp/host$host/"
    # Not by a function: the process to be ended later must be the replica, and not a shell around it.
    ip netns exec "rdb$$h$host" "$redoubt" replica "$tmp/host$host" --id $host --wait 60 2>"$tmp/replica$host.log" &
    replicas+=($!)
    pids+=($!)
done
for host in 0 1 2 3; do
    wait_for 20 test -s "$tmp/host$host/replica-$host/hello" || fail "host $host draws no keys"
    cp "$tmp/host$host/replica-$host/hello" "$dir/replica-$host/"
done
administrator "$redoubt" start "$dir" 2>"$tmp/start.log" || fail start
for host in 0 1 2 3; do
    cp "$dir/replica-$host/manifest" "$tmp/host$host/replica-$host/"
done
for host in 0 1 2 3; do
    wait_for 20 is $host links 3 || fail "host $host has $(value $host links) links"
done
expect ok call put key before

ip -n "$net" link set port0 down # the primary's
expect ok call put key while
expect while call get key
for i in $(seq 20); do
    call incr n >/dev/null || fail "operation $i without host 0"
done
slot=$(value 1 slot_executed)
expect 0 value 0 view
at_least 1 view 1 || fail "no view change without the primary"

ip -n "$net" link set port0 up
call incr n >/dev/null
wait_for 60 at_least 0 slot_executed "$slot" || fail "host 0 stays behind: $(value 0 slot_executed) of $slot slots"
wait_for 60 is 0 in_view 1 || fail "host 0 enters no view"

kill "${replicas[2]}"
wait "${replicas[2]}"
expect ok call put key after
expect after call get key
expect 22 call incr n
wait_for 20 is 0 lag_slots 0 || fail "host 0 lags"

# Replica 2 moves to host 4. The administrator's command is broken off first, and run a second time after.
cp -a "$dir" "$tmp/old"
rm "$tmp"/old/clients/00[0-7].key "$tmp"/old/{admin,ca}.key
administrator timeout 2 "$redoubt" replace "$dir" --id 2 --host 10.77.0.14 2>"$tmp/replace.log"
administrator timeout 100 "$redoubt" replace "$dir" --id 2 2>"$tmp/replace.log" || fail "replace: $(cat "$tmp/replace.log")"
grep -q "copy .* to 10.77.0.14, and run there: redoubt replica DIR --id 2 --rejoin" "$tmp/replace.log" || fail "it does not say what to copy"
grep -q '"id": 2, "peer": "10.77.0.14:7720"' "$dir/endpoints.json" || fail "endpoints.json"
expect after call get key
mkdir "$tmp/host4"
cp -a "$dir/cluster.yaml" "$dir/admin.pub" "$dir/replica-2" "$tmp/host4/"
ip netns exec "rdb$$h4" "$redoubt" replica "$tmp/host4" --id 2 --rejoin 2>"$tmp/replica4.log" &
pids+=($!)
is_in() { [ "$(on_host 4 curl -s http://127.0.0.1:7726/status | grep -c '"full":true')" = 1 ]; }
wait_for 60 is_in || fail "the new host does not come in"
administrator "$redoubt" replace "$dir" --id 2 2>"$tmp/replace.log" || fail "replace, the second time"
grep -q "is done" "$tmp/replace.log" || fail "it is not done: $(cat "$tmp/replace.log")"

# The machine of before comes back: with what it has, nobody talks to it.
ip netns exec "rdb$$h2" "$redoubt" replica "$tmp/host2" --id 2 --rejoin 2>"$tmp/replica2b.log" &
pids+=($!)
wait_for 20 is 2 up 1 || fail "the old host does not even start"
sleep 3
expect 0 value 2 links
at_least 3 strangers_total 1 || fail "nobody was refused"
expect 3 value 0 links

# Without host 3 the new one is needed; an old folder finds it, too.
kill "${replicas[3]}"
wait "${replicas[3]}"
expect ok call put key moved
dir=$tmp/old expect moved call get key
echo ok
