#!/usr/bin/env bash
# Stock clients of a cluster: any replica serves them; a Troxy or a replica that dies; no quorum; haproxy in front of all.
. "$(dirname "$0")/lib_cluster.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

init_cluster one --plain
up_cluster
port() { echo $((base + 10 * $1 + 3)); }
tls() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p "$(port "$1")" "${@:2}"; }
plain() { timeout 20 redis-cli -p $((base + 10 * $1 + 5)) "${@:2}"; }

[ "$(stat -c %a "$dir/replica-0/tls.key" "$dir/replica-0/troxy.key" | tr '\n' ' ')" = "600 600 " ] || fail "keys are readable by others"
for r in 0 1 2 3; do expect OK tls $r set "key$r" "value$r"; done
for r in 0 1 2 3; do expect "value$r" plain $(((r + 1) % 4)) get "key$r"; done
expect "['serving', 'serving', 'serving', 'serving']" status '[r["front"]["state"] for r in s["replicas"]]'
expect True status 'all(any(c["kind"] == "troxy" and "seccomp" in c["sandbox"] for c in r["compartments"]) for r in s["replicas"])'
metrics() { curl -s "http://127.0.0.1:$((base + 6))/metrics" >"$tmp/metrics"; grep -q "$1" "$tmp/metrics"; }
wait_for 5 metrics '^redoubt_front_operations_total [1-9]' || fail "no metrics of the front"
for _ in 1 2 3; do expect value0 tls 0 get key0; done
wait_for 5 metrics '^redoubt_reads_fast_total [1-9]' || fail "no read was fast"

# Many in one go, answered in order.
for i in $(seq 2000); do
    printf '*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$%d\r\n%d\r\n*2\r\n$3\r\nGET\r\n$1\r\nn\r\n' "${#i}" "$i"
done >"$tmp/pipelined"
{ cat "$tmp/pipelined"; sleep 5; } | timeout 20 openssl s_client -quiet -connect "127.0.0.1:$(port 1)" 2>/dev/null |
    tr -d '\r' | grep -v '^[+$]' | head -2000 >"$tmp/answers"
seq 2000 | cmp -s - "$tmp/answers" || fail "answers are not in order, or some are missing"

# A Troxy dies: its connections end, it comes back, and the replica has voted on.
pid=$(status '[c["pid"] for c in s["replicas"][2]["compartments"] if c["kind"] == "troxy"][0]')
view=$(status 's["replicas"][0]["view"]')
kill -9 "$pid"
wait_for 20 grep -q "replica 2: the troxy was started again" "$tmp/up.log" || fail "the troxy was not started again"
wait_for 20 tls 2 get key2 || fail "it does not serve again"
expect value2 tls 2 get key2
expect "[True, $view]" status '[s["replicas"][2]["voting"], s["replicas"][0]["view"]]'

# haproxy as in docs/OPERATE.md: a replica is killed under its connection, the client connects again and goes on.
if command -v haproxy >/dev/null; then
    public=$(free_base 1)
    {
        printf 'defaults\n mode tcp\n timeout connect 2s\n timeout client 60s\n timeout server 60s\n'
        printf 'listen redis\n bind 127.0.0.1:%s\n balance leastconn\n option redispatch\n' "$public"
        for r in 0 1 2 3; do printf ' server r%s 127.0.0.1:%s check inter 300 fall 1 on-marked-down shutdown-sessions\n' $r "$(port $r)"; done
    } >"$tmp/haproxy.cfg"
    haproxy -db -f "$tmp/haproxy.cfg" >"$tmp/haproxy.log" 2>&1 &
    pids+=($!)
    through() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p "$public" "$@"; }
    wait_for 10 through ping || fail "nothing comes through haproxy"
    for i in $(seq 60); do
        [ "$i" -eq 20 ] && kill -9 "$(status 's["replicas"][3]["pid"]')"
        wait_for 20 through set "h$i" "$i" || fail "operation $i never came through"
    done
    for i in 1 19 20 21 60; do expect "$i" through get "h$i"; done
fi

# No quorum: a client is told nothing rather than kept waiting for ever.
wait_for 60 tls 3 ping || fail "the replica that was killed does not serve again"
stopped=$(status '" ".join(str(r["pid"]) for r in s["replicas"][1:3])')
kill -STOP $stopped
began=$SECONDS
timeout 30 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p "$(port 0)" set lost 1 >"$tmp/lost" 2>&1
[ $((SECONDS - began)) -lt 15 ] || fail "a client was left hanging without a quorum"
grep -qx OK "$tmp/lost" && fail "a write without a quorum"
kill -CONT $stopped
wait_for 60 tls 0 get key0 || fail "it does not serve again"
expect value0 tls 0 get key0
down_cluster
echo ok
