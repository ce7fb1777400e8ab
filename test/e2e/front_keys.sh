#!/usr/bin/env bash
# The keys of fronts that went, where replicas keep nothing on disks: closed while they run, and no later start of all lists them. That
# holds, too, for a key whose last session somebody else took first, so that it cannot be closed before.
. "$(dirname "$0")/lib_cluster.sh"
. "$(dirname "$0")/lib_thief.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

init_cluster one --protocol hybster --front on
grep -q '^durability: memory' "$dir/cluster.yaml" || fail "it keeps its state"
up_cluster --seconds 600
rediss() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p $((base + 10 * $1 + 3)) "${@:2}"; }
closed() { grep -c "replica 2: the key of the front of before is closed for good" "$tmp/replace.log"; }
# again WANTED: another run, which closes so many keys
again() {
    timeout 100 "$redoubt" replace "$dir" --id 2 2>"$tmp/replace.log" || fail "replace: $(cat "$tmp/replace.log")"
    [ "$(closed)" = "$1" ] || fail "not $1 closed: $(cat "$tmp/replace.log")"
}
left_over() { # NNN FOLDER: a key that an earlier run did not get to
    mkdir "$dir/replica-2.before-$2"
    mv "$dir/fronts/$1.key" "$dir/replica-2.before-$2/troxy.key"
    cp "$dir/replica-2.before-$2/troxy.key" "$tmp/$1.key"
}
expect ok call put key one

# --- replaced: its key opens nothing while the others run
cp "$dir/replica-2/troxy.key" "$tmp/018.key"
cp "$dir/clients.pub" "$tmp/clients.pub"
timeout 100 "$redoubt" replace "$dir" --id 2 --wait 80 2>"$tmp/replace.log" || fail "replace: $(cat "$tmp/replace.log")"
expect 1 closed
thief 018 "$tmp/018.key" && fail "the key of before still writes"
expect "$(stat -c %s "$tmp/clients.pub")" stat -c %s "$dir/clients.pub" # every entry is where it was
expect 1 bash -c "cmp -l '$tmp/clients.pub' '$dir/clients.pub' | wc -l"
expect 16 stat -c %s "$dir/clients/018.closed"

# --- an epoch alone says nothing of whether a key is closed
left_over 033 7
echo 18446744073709551615 >"$dir/clients/033.epoch"
again 1
thief 033 "$tmp/033.key" && fail "it was said to be closed, and still writes"
# Nor does the word of the replicas of another founding.
left_over 032 8
head -c 16 /dev/urandom >"$dir/clients/032.closed"
again 1
thief 032 "$tmp/032.key" && fail "it was said to be closed, and still writes"
expect "" find "$dir/clients" -name '*.closing'

# --- broken off before the list was written: the next run finds the key, and writes it
cp "$dir/clients.pub" "$tmp/withdrawn.pub"
mkdir "$dir/replica-2.before-9"
install -m 600 "$tmp/018.key" "$dir/replica-2.before-9/troxy.key"
python3 - "$dir/clients.pub" "$tmp/clients.pub" <<'PY'
import sys
now, before = (bytearray(open(p, "rb").read()) for p in sys.argv[1:])
entry = len(now) // 35  # 16 clients, 3 replicas, 16 spares
now[18 * entry : 19 * entry] = before[18 * entry : 19 * entry]
open(sys.argv[1], "wb").write(now)
PY
cmp -s "$tmp/withdrawn.pub" "$dir/clients.pub" && fail "the list is as it was"
again 1
cmp "$tmp/withdrawn.pub" "$dir/clients.pub" || fail "the list has it still"

# --- the last session is somebody else's already: it cannot be closed, and what helps is said
left_over 031 10
thief 031 "$tmp/031.key" 10000 18446744073709551614 || fail "not even a key that was not closed writes: $(cat "$tmp/thief.out")"
again 0
grep -q "could not be closed: no quorum of replicas answered: .*somebody else.*stopping and starting all replicas" "$tmp/replace.log" ||
    fail "what helps is not said: $(cat "$tmp/replace.log")"
[ -e "$dir/replica-2.before-10/troxy.key" ] || fail "the key that is open is gone"

# --- all anew: none of them opens anything; a key that was never closed does
down_cluster
up_cluster --seconds 600
expect ok call put key two
for key in 018 031 032 033; do
    thief $key "$tmp/$key.key" && fail "the key $key writes after a start of all"
    grep -q "no key of a client that the manifest lists" "$tmp/thief.out" || fail "the manifest has $key: $(cat "$tmp/thief.out")"
done
expect two call get key
thief 034 "$dir/fronts/034.key" 10000 || fail "not even a key that was not closed writes: $(cat "$tmp/thief.out")"
expect stolen call get key
again 1 # the one that could not be closed
expect "" find "$dir" -path '*before*' -name troxy.key

# --- another machine gets another key, and serves
timeout 100 "$redoubt" replace "$dir" --id 1 --wait 80 2>"$tmp/replace.log" || fail "replace: $(cat "$tmp/replace.log")"
wait_for 30 expect stolen rediss 1 get key || fail "the front of 1 serves nobody"
wait_for 30 expect stolen rediss 2 get key || fail "the front of 2 serves nobody"
down_cluster
echo ok
