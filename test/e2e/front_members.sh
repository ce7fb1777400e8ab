#!/usr/bin/env bash
# The front of a machine that comes later than the founding: replace gives it certificate and key, and closes the key of the machine of
# before for good; so do add and remove.
. "$(dirname "$0")/lib_cluster.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

dir=$tmp/one
base=$(free_base 6)
"$redoubt" init "$dir" --base-port "$base" --clients 16 --plain 2>"$tmp/init.log" || fail init
expect 16 bash -c "ls '$dir/fronts' | wc -l"
up_cluster --seconds 300
rediss() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h "${3:-localhost}" -p $((base + 10 * $1 + 3)) get "$2"; }
https() { timeout 20 curl -sf --cacert "$dir/ca.pem" "https://localhost:$((base + 10 * $1 + 2))/kv/$2"; }
serves() { [ "$(rediss "$1" key)" = "$2" ] && [ "$(https "$1" key)" = "$2" ]; }
spares() { find "$dir/fronts" -name '*.key' | wc -l; }
expect ok call put key one
wait_for 10 serves 2 one || fail "replica 2 serves nobody before"

# Another machine in the place of 2, at another address: its doors are open, with a key of their own.
cp "$dir/replica-2/troxy.key" "$tmp/before.key"
timeout 120 "$redoubt" replace "$dir" --id 2 --host 127.0.0.3 --wait 100 2>"$tmp/replace.log" || fail "replace: $(cat "$tmp/replace.log")"
expect 15 spares
cmp -s "$dir/replica-2/troxy.key" "$tmp/before.key" && fail "the front has the key of before"
expect "600 600" bash -c "stat -c %a '$dir/replica-2/tls.key' '$dir/replica-2/troxy.key' | xargs"
openssl verify -CAfile "$dir/ca.pem" -verify_ip 127.0.0.3 "$dir/replica-2/tls.crt" >/dev/null || fail "no certificate for the new address"
expect ok call put key two
wait_for 30 expect two rediss 2 key 127.0.0.3 || fail "the new front serves nobody: $(tail -5 "$tmp/up.log")"
expect "serving" status 's["replicas"][2]["front"]["state"]'

# The key of the machine of before is worth nothing any more, under whatever epoch.
grep -q "replica 2: the key of the front of before is closed for good" "$tmp/replace.log" || fail "it was not closed: $(cat "$tmp/replace.log")"
[ ! -e "$dir"/replica-2.before-1/troxy.key ] || fail "its key is still there"
cp -a "$dir" "$tmp/thief"
rm -f "$tmp"/thief/clients/*
cp "$tmp/before.key" "$tmp/thief/clients/018.key" # 16 clients, then replicas 0, 1 and 2
for epoch in "" 18446744073709551614; do
    [ -z "$epoch" ] || echo "$epoch" >"$tmp/thief/clients/018.epoch"
    timeout 20 "$redoubt" call "$tmp/thief" --timeout 3000 put key stolen >"$tmp/thief.out" 2>&1 && fail "the key of before still writes"
done
expect two call get key
# The same with a key that was not closed does write: what is refused is this one.
rm -f "$tmp"/thief/clients/*
cp "$(find "$dir/fronts" -name '*.key' | sort | tail -1)" "$tmp/thief/clients/"
expect ok timeout 20 "$redoubt" call "$tmp/thief" --timeout 10000 put key three

# One more, and one less.
timeout 150 "$redoubt" add "$dir" --host 127.0.0.1 --wait 120 2>"$tmp/add.log" || fail "add: $(cat "$tmp/add.log")"
expect 14 spares
wait_for 30 serves 4 three || fail "the front of the one that was added serves nobody: $(cat "$tmp/add.log")"
wait_for 30 serves 0 three || fail "the others serve nobody any more"
grep -q "\"id\": 4.*\"https\": \"127.0.0.1:$((base + 42))\"" "$dir/endpoints.json" || fail "its door is not in endpoints.json"
timeout 150 "$redoubt" remove "$dir" --id 4 --wait 120 2>"$tmp/remove.log" || fail "remove: $(cat "$tmp/remove.log")"
grep -q "replica 4: the key of the front of before is closed for good" "$tmp/remove.log" || fail "its key was not closed: $(cat "$tmp/remove.log")"
wait_for 30 serves 0 three || fail "the others serve nobody after remove"

# None left, or no authority to sign: the replica comes in without a front, and it is said.
mv "$dir/fronts" "$tmp/fronts"
timeout 120 "$redoubt" replace "$dir" --id 1 --wait 100 2>"$tmp/replace.log" || fail "replace without a key: $(cat "$tmp/replace.log")"
grep -q "replica 1: it gets no front: .*fronts: no key is left in it" "$tmp/replace.log" || fail "it does not say so"
expect three call get key
# Once there are some again, the next replacement has one.
mv "$tmp/fronts" "$dir/fronts"
timeout 120 "$redoubt" replace "$dir" --id 1 --again --wait 100 2>"$tmp/replace.log" || fail "replace again: $(cat "$tmp/replace.log")"
wait_for 30 serves 1 three || fail "the front of 1 serves nobody"
down_cluster
echo ok
