#!/usr/bin/env bash
# The front of a machine that comes later than the founding: replace gives it certificate and key, and closes the key of the machine of
# before for good; so do add and remove.
. "$(dirname "$0")/lib_cluster.sh"
. "$(dirname "$0")/lib_thief.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

dir=$tmp/one
base=$(free_base 6)
"$redoubt" init "$dir" --base-port "$base" --clients 16 --plain 2>"$tmp/init.log" || fail init
expect 16 bash -c "ls '$dir/fronts' | wc -l"
echo 18000000000000000000 >"$dir/replica-0/troxy.key.epoch" # as if its clock had been ahead, and was set back
up_cluster --seconds 300
expect 18000000000001048576 cat "$dir/replica-0/troxy.key.epoch" # beyond all that it may have used since it wrote that down
rediss() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h "${3:-localhost}" -p $((base + 10 * $1 + 3)) get "$2"; }
https() { timeout 20 curl -sf --cacert "$dir/ca.pem" "https://localhost:$((base + 10 * $1 + 2))/kv/$2"; }
serves() { [ "$(rediss "$1" key)" = "$2" ] && [ "$(https "$1" key)" = "$2" ]; }
descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}
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
thief 018 "$tmp/before.key" && fail "the key of before still writes" # 16 clients, then replicas 0, 1 and 2
expect two call get key
# The same with a key that was not closed does write: what is refused is this one.
thief 035 "$dir/fronts/035.key" 10000 || fail "not even a key that was not closed writes: $(cat "$tmp/thief.out")"
expect stolen call get key
expect ok call put key three

# One more, and one less.
timeout 150 "$redoubt" add "$dir" --host 127.0.0.1 --wait 120 2>"$tmp/add.log" || fail "add: $(cat "$tmp/add.log")"
expect 14 spares
wait_for 30 serves 4 three || fail "the front of the one that was added serves nobody: $(cat "$tmp/add.log")"
wait_for 30 serves 0 three || fail "the others serve nobody any more"
grep -q "\"id\": 4.*\"https\": \"127.0.0.1:$((base + 42))\"" "$dir/endpoints.json" || fail "its door is not in endpoints.json"
# A key that an earlier run did not get to is closed now; one that a replica of now has, too, is not.
mkdir "$dir"/replica-4.before-{8,9,10,11}
cp -p "$dir/replica-0/troxy.key" "$dir/replica-4.before-8/troxy.key"
mv "$dir/fronts/022.key" "$dir/replica-4.before-9/troxy.key"
cp -p "$dir/replica-4.before-9/troxy.key" "$dir/replica-4.before-10/troxy.key" # twice: it is closed once
cp "$dir/replica-4/troxy.key" "$tmp/021.key"
cp "$dir/replica-4.before-9/troxy.key" "$tmp/022.key"
timeout 150 "$redoubt" remove "$dir" --id 4 --wait 120 2>"$tmp/remove.log" || fail "remove: $(cat "$tmp/remove.log")"
expect 3 grep -c "replica 4: the key of the front of before is closed for good" "$tmp/remove.log"
grep -q "replica 4: .* could not be closed: .*before-8/troxy.key: another folder has it, too" "$tmp/remove.log" || fail "replica 0's key was closed, or nothing said"
expect "$dir/replica-4.before-8/troxy.key" bash -c "ls $dir/replica-4.before-*/troxy.key"
wait_for 30 serves 0 three || fail "the others serve nobody after remove"
thief 021 "$tmp/021.key" && fail "the key of the replica that was taken out still writes"
thief 022 "$tmp/022.key" && fail "the key that was left over still writes"
expect three call get key

# Replicas that answer when nobody waits any more have closed it all the same; who runs the command again learns so.
mv "$dir/fronts/023.key" "$dir/replica-4.before-11/troxy.key"
cp "$dir/replica-4.before-11/troxy.key" "$tmp/023.key"
all=$(descendants "$up_pid")
kill -STOP $all
timeout 60 "$redoubt" remove "$dir" --id 4 2>"$tmp/remove.log" || fail "remove again: $(cat "$tmp/remove.log")"
kill -CONT $all
grep -q "replica 4: .* could not be closed: no quorum of replicas answered: run this again" "$tmp/remove.log" || fail "not said: $(cat "$tmp/remove.log")"
wait_for 30 serves 0 three || fail "the others do not go on"
timeout 60 "$redoubt" remove "$dir" --id 4 2>"$tmp/remove.log" || fail "remove once more: $(cat "$tmp/remove.log")"
expect 1 grep -c "replica 4: the key of the front of before is closed for good" "$tmp/remove.log"
thief 023 "$tmp/023.key" && fail "the key that was closed late still writes"
expect "" find "$dir/clients" -name '*.closing'

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
