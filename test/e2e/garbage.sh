#!/usr/bin/env bash
# Garbage on every port of every replica, while clients work: one log line per port, and nothing that was acknowledged is lost.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
up_cluster
for i in 1 2 3 4 5; do expect ok call put "key$i" "value$i"; done

frame_head() { # LENGTH: u32, little-endian
    printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x$(printf %02x $(($1 >> 16 & 255)))\\x$(printf %02x $(($1 >> 24 & 255)))"
}
for replica in 0 1 2 3; do
    for offset in 0 1 6; do
        port=$((base + 10 * replica + offset))
        head -c 3000 /dev/urandom | send_bytes $port >/dev/null
        printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' | send_bytes $port >/dev/null
        { frame_head 4294967295; head -c 100 /dev/zero; } | send_bytes $port >/dev/null
        { frame_head 3; printf abc; } | send_bytes $port >/dev/null
        # A frame of the right version, and nothing in it that makes sense.
        { frame_head 64; printf '\x01'; head -c 63 /dev/urandom; } | send_bytes $port >/dev/null
        printf '' | send_bytes $port >/dev/null
    done
done
port=$((base + 6))
expect "HTTP/1.1 404 Not Found" bash -c "curl -si http://127.0.0.1:$port/nothing | tr -d '\r' | head -1"
expect "HTTP/1.1 405 Method Not Allowed" bash -c "curl -si -d x http://127.0.0.1:$port/status | tr -d '\r' | head -1"
{ printf 'GET /'; head -c 20000 /dev/zero | tr '\0' a; } | send_bytes $port >/dev/null

for replica in 0 1 2 3; do
    grep -q "replica $replica: garbage on the peer port $((base + 10 * replica)) from 127.0.0.1" "$tmp/up.log" || fail "peer port"
    grep -q "replica $replica: .*client port $((base + 10 * replica + 1)).* 127.0.0.1" "$tmp/up.log" || fail "client port"
    grep -q "replica $replica: garbage on the metrics port $((base + 10 * replica + 6)) from 127.0.0.1" "$tmp/up.log" ||
        fail "metrics port"
done
grep -q "ended" "$tmp/up.log" && fail "a replica ended"

for i in 1 2 3 4 5; do expect "value$i" call get "key$i"; done
expect ok call put after garbage
expect "[True, True, True, True]" status '[r["voting"] for r in s["replicas"]]'
down_cluster
echo ok
