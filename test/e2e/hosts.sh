#!/usr/bin/env bash
# Four hosts, each in a network namespace of its own, one more for administrator and clients: started as OPERATE.md says for several
# machines. The primary's host is cut off and the others go on; it comes back and catches up by itself; then another one is
# lost, so that nothing goes on without the one that was away.
. "$(dirname "$0")/lib_cluster.sh"

if [ "$(id -u)" -ne 0 ] || ! ip netns add "rdb$$probe" 2>/dev/null; then
    echo "skipped: network namespaces need root"
    exit 0
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
for host in 0 1 2 3; do
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
value() { on_host "$1" curl -s --max-time 5 "http://127.0.0.1:77${1}6/metrics" | awk -v name="redoubt_$2" '$1 == name { print $2 }'; }
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
echo ok
