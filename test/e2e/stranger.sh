#!/usr/bin/env bash
# A peer with a key that is not in the manifest: refused, counted, said once; the cluster goes on.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
openssl req -x509 -newkey ed25519 -nodes -keyout "$tmp/stranger.key" -out "$tmp/stranger.crt" -days 2 \
    -subj "/CN=Redoubt replica 1" 2>/dev/null || fail "openssl req"
up_cluster
expect ok call put a 1

port=$base
knock() { # with openssl's own options
    timeout 5 openssl s_client -connect "127.0.0.1:$port" "$@" </dev/null >"$tmp/knock.out" 2>&1
}
knock -cert "$tmp/stranger.crt" -key "$tmp/stranger.key"
wait_for 5 grep -q "peer port $port: 127.0.0.1:[0-9]* refused: it has a key that is not in the manifest" "$tmp/up.log" ||
    fail "no word of the stranger"
for _ in 1 2 3 4 5 6 7 8 9 10; do knock -cert "$tmp/stranger.crt" -key "$tmp/stranger.key"; done
expect 11 bash -c "curl -s http://127.0.0.1:$((base + 6))/metrics | sed -n 's/^redoubt_strangers_total //p'"
[ "$(grep -c 'refused: it has a key' "$tmp/up.log")" -le 8 ] || fail "a stranger can fill the log"

knock # no certificate at all
knock -tls1_2 -cert "$tmp/stranger.crt" -key "$tmp/stranger.key"
# A member's key does for that member only where it belongs: replica 0 does not talk to itself.
knock -cert "$dir/replica-0/host.crt" -key "$dir/replica-0/host.key"
expect 12 bash -c "curl -s http://127.0.0.1:$((base + 6))/metrics | sed -n 's/^redoubt_strangers_total //p'"

expect 1 call get a
expect ok call put a 2
expect 2 call get a
expect "[3, 3, 3, 3]" status '[r["links"] for r in s["replicas"]]'
down_cluster
echo ok
