#!/usr/bin/env bash
# redoubt standalone: the front without a cluster, with TLS and without; a CA of its own; certificates of others.
. "$(dirname "$0")/lib_cluster.sh"

"$redoubt" standalone --help | grep -q -- --rediss || fail "no help"
refuses 2 "service is missing" "$redoubt" standalone --rediss 1
refuses 2 "no such service" "$redoubt" standalone --service counter --rediss 1
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }
refuses 2 "no port" "$redoubt" standalone --service kv
refuses 2 "go together" "$redoubt" standalone --service kv --rediss 1 --cert x
base=$(free_base 1)

start() {
    : >"$tmp/alone.out"
    "$redoubt" standalone --service kv --rediss "$base" --redis $((base + 1)) "$@" >"$tmp/alone.out" 2>"$tmp/alone.log" &
    alone=$!
    pids+=("$alone")
    wait_for 20 grep -qx ready "$tmp/alone.out" || fail "standalone $*: not ready"
}

tls() { timeout 10 redis-cli --tls --cacert "$1" -h localhost -p "$base" "${@:2}"; }

start --dir "$tmp/own"
expect OK tls "$tmp/own/ca.pem" set greeting hello
expect hello timeout 10 redis-cli -p $((base + 1)) get greeting
[ "$(stat -c %a "$tmp/own/tls.key")" = 600 ] || fail "tls.key is readable by others"
ss -Htln | awk '{ print $4 }' | grep -qx "127.0.0.1:$((base + 1))" || fail "without TLS it listens on more than loopback"
timeout 10 openssl s_client -connect "127.0.0.1:$base" -CAfile "$tmp/own/ca.pem" -verify_return_error </dev/null >"$tmp/s_client" 2>&1 ||
    fail "openssl does not believe it"
grep -q "TLSv1.3" "$tmp/s_client" || fail "not TLS 1.3"
timeout 10 openssl s_client -tls1_2 -connect "127.0.0.1:$base" </dev/null >/dev/null 2>&1 && fail "TLS 1.2 was taken"
kill "$alone"; wait "$alone" || fail "it did not end well"

# Somebody else's certificate; clients must show one; another one without a restart.
openssl req -x509 -newkey ed25519 -nodes -keyout "$tmp/one.key" -out "$tmp/one.pem" -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/two.key" -out "$tmp/two.pem" -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2>/dev/null
openssl req -x509 -newkey ed25519 -nodes -keyout "$tmp/client.key" -out "$tmp/client.pem" -days 2 -subj /CN=client 2>/dev/null
cp "$tmp/one.key" "$tmp/shown.key"; cp "$tmp/one.pem" "$tmp/shown.pem"; chmod 600 "$tmp/shown.key"
start --cert "$tmp/shown.pem" --key "$tmp/shown.key" --client-ca "$tmp/client.pem"
shown="--cert $tmp/client.pem --key $tmp/client.key"
tls "$tmp/one.pem" ping 2>/dev/null | grep -q PONG && fail "a client without a certificate was served"
expect PONG tls "$tmp/one.pem" $shown ping
cp "$tmp/two.pem" "$tmp/shown.pem"; kill -HUP "$alone"
wait_for 5 grep -q "certificate was refused" "$tmp/alone.log" || fail "a key that is not the certificate's was taken"
expect PONG tls "$tmp/one.pem" $shown ping
cp "$tmp/two.key" "$tmp/shown.key"; kill -HUP "$alone"
wait_for 5 grep -q "another certificate is in use" "$tmp/alone.log" || fail "the new certificate is not in use"
expect PONG tls "$tmp/two.pem" $shown ping
kill "$alone"; wait "$alone" || fail "it did not end well"
echo ok
