#!/usr/bin/env bash
# redoubt add and redoubt remove where every replica has a folder of its own, as on several machines: what OPERATE.md says, step by step.
. "$(dirname "$0")/lib_cluster.sh"

dir=$tmp/admin
base=$(free_base 6)
"$redoubt" init "$dir" --base-port "$base" --clients 16 2>"$tmp/init.log" || fail init
declare -A running

host_starts() { # ID
    "$redoubt" replica "$tmp/host$1" --id "$1" --wait 60 2>>"$tmp/replica$1.log" &
    running[$1]=$!
    pids+=($!)
}
all_start() { # ID...
    for host in "$@"; do host_starts "$host"; done
    for host in "$@"; do
        wait_for 20 test -s "$tmp/host$host/replica-$host/hello" || fail "host $host draws no keys"
        cp "$tmp/host$host/replica-$host/hello" "$dir/replica-$host/"
    done
    "$redoubt" start "$dir" 2>"$tmp/start.log" || fail "start: $(cat "$tmp/start.log")"
    for host in "$@"; do cp "$dir/replica-$host/manifest" "$tmp/host$host/replica-$host/"; done
    rm -f "$dir"/replica-*/hello
}
all_stop() {
    for host in "$@"; do kill "${running[$host]}" && wait "${running[$host]}"; done
}

for host in 0 1 2 3; do
    mkdir "$tmp/host$host"
    cp "$dir/cluster.yaml" "$dir/admin.pub" "$tmp/host$host/"
    cp -a "$dir/replica-$host" "$tmp/host$host/"
done
all_start 0 1 2 3
wait_for 20 expect ok call put key before

timeout 100 "$redoubt" add "$dir" --wait 90 2>"$tmp/add.log" || fail "add: $(cat "$tmp/add.log")"
grep -q "now: stop all replicas; copy .*cluster.yaml to every host, and .*replica-4 to 127.0.0.1" "$tmp/add.log" || fail "it does not say what to do: $(cat "$tmp/add.log")"
refuses 1 "was begun at" "$redoubt" remove "$dir" --id 3
# All start again, by the new list, with one more.
all_stop 0 1 2 3

for host in 0 1 2 3; do cp "$dir/cluster.yaml" "$tmp/host$host/cluster.yaml"; done
mkdir "$tmp/host4"
cp -a "$dir/cluster.yaml" "$dir/admin.pub" "$dir/replica-4" "$tmp/host4/"
all_start 0 1 2 3 4
wait_for 20 expect before call get key
expect ok call put key five
timeout 100 "$redoubt" add "$dir" --wait 90 2>"$tmp/add.log" || fail "add, again: $(cat "$tmp/add.log")"
grep -q "replica 4: added; 5 replicas tolerate f=1" "$tmp/add.log" || fail "it is not done: $(cat "$tmp/add.log")"
timeout 100 "$redoubt" add "$dir" --wait 90 2>"$tmp/add.log" || fail "add, a third time"
grep -q "replica 4 was added, as asked for" "$tmp/add.log" || fail "it does not say that it is done"

# Without one of the old ones the new one is needed.
wait_for 30 bash -c "curl -s http://127.0.0.1:$((base + 46))/status | grep -q '\"lag\":0'" || fail "the new one lags"
all_stop 1
expect ok call put key without
all_stop 0 2 3 4
all_start 0 1 2 3 4
wait_for 20 expect without call get key

timeout 100 "$redoubt" remove "$dir" --id 4 --wait 90 2>"$tmp/remove.log" || fail "remove: $(cat "$tmp/remove.log")"
all_stop 0 1 2 3 # the one that goes is not even told
for host in 0 1 2 3; do cp "$dir/cluster.yaml" "$tmp/host$host/"; done
all_start 0 1 2 3
timeout 100 "$redoubt" remove "$dir" --id 4 --wait 90 2>"$tmp/remove.log" || fail "remove, again: $(cat "$tmp/remove.log")"
grep -q "replica 4: taken out; 4 replicas tolerate f=1" "$tmp/remove.log" || fail "it is not done: $(cat "$tmp/remove.log")"
wait_for 20 expect without call get key
expect ok call put key four
[ "$(curl -s "http://127.0.0.1:$((base + 6))/metrics" | awk '$1 == "redoubt_links" { print $2 }')" = 3 ] || fail "the one that was taken out is still linked"
echo ok
