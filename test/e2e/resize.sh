#!/usr/bin/env bash
# redoubt add and redoubt remove: while a client writes, run twice, broken off by force after each step; what was acknowledged is there; a
# client that was open goes on; a CLOSE that somebody else signed closes nothing.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster() { # with room for five replicas
    dir=$tmp/$1
    base=$(free_base 6)
    "$redoubt" init "$dir" --base-port "$base" --clients 16 2>"$tmp/init.log" || fail "init $dir"
}
add() { timeout 150 "$redoubt" add "$dir" --wait 120 "$@" >"$tmp/add.out" 2>"$tmp/add.log"; }
remove() { timeout 150 "$redoubt" remove "$dir" --wait 120 "$@" >"$tmp/remove.out" 2>"$tmp/remove.log"; }
said() { grep -q "$1" "$tmp/add.log"; }
all_full() { [ "$(status "all(r.get('full') for r in s['replicas']) and len(s['replicas'])")" = "$1" ]; }
unchanged() { [ "$(grep -c '^  - id:' "$dir/cluster.yaml")" = "$1" ]; }

# Writes w$1.0, w$1.1, ... and names every acknowledged one, until the file says to stop.
writer() {
    local n=0
    until [ -e "$tmp/stop" ]; do
        [ "$("$redoubt" call "$dir" --timeout 3000 put "w$1.$n" "value-$1-$n" 2>/dev/null)" = ok ] &&
            echo "w$1.$n value-$1-$n" >>"$tmp/acknowledged"
        n=$((n + 1))
    done
}
start_writers() {
    rm -f "$tmp/stop"
    for w in a b; do
        writer "$1$w" &
        writers+=($!)
        pids+=($!)
    done
}
stop_writers() {
    touch "$tmp/stop"
    wait "${writers[@]}"
    writers=()
}
writers=()
: >"$tmp/acknowledged"
init_cluster one
up_cluster --seconds 500
expect ok call put first word

# A client that is open before, and stays open.
cp -a "$dir" "$tmp/old"
rm "$tmp"/old/clients/00[0-7].key
"$redoubt" bench "$dir" --workload set --clients 3 --seconds 25 --json >"$tmp/bench.out" 2>"$tmp/bench.log" &
bench=$!
pids+=("$bench")
start_writers one
sleep 1
add --json || fail "add: $(cat "$tmp/add.log")"
said "replica 4: added; 5 replicas tolerate f=1; 7 replicas tolerate 2" || fail "it does not say what five are worth"
expect '{"added":4,"replicas":5,"faults":1,"quorum":4}' cat "$tmp/add.out"
all_full 5 || fail "not five full replicas"
sleep 1
stop_writers
wait $bench || fail "bench: $(cat "$tmp/bench.log")"
[ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["errors"])' "$tmp/bench.out" 2>/dev/null || echo 0)" = 0 ] ||
    fail "a client that was open saw errors: $(cat "$tmp/bench.out")"
[ "$(wc -l <"$tmp/acknowledged")" -gt 5 ] || fail "hardly anything was acknowledged"
acknowledged_is_there
expect word call get first

# The second time there is nothing to do.
add || fail "the second time: $(cat "$tmp/add.log")"
said "replica 4 was added, as asked for at 20.*; --again for another one" || fail "it does not say so: $(cat "$tmp/add.log")"
unchanged 5 || fail "something was added"

# One may be out, with five as with four; two may not.
victim=$(status 's["replicas"][1]["pid"]')
kill -STOP "$victim"
expect ok call put one out
kill -CONT "$victim"
wait_for 30 all_full 5 || fail "not five full ones again"

# What cannot be.
refuses 1 "only the last replica, which is 4" "$redoubt" remove "$dir" --id 1
refuses 1 "there are 5 replicas, numbered from 0" "$redoubt" remove "$dir" --id 7
refuses 2 "exactly one DIR and --id" "$redoubt" remove "$dir"
refuses 2 "not a name or an address" "$redoubt" add "$dir" --host 'a b'

# Out again, and not below four.
start_writers two
sleep 0.5
remove --id 4 --json || fail "remove: $(cat "$tmp/remove.log")"
expect '{"removed":4,"replicas":4,"faults":1,"quorum":3}' cat "$tmp/remove.out"
all_full 4 || fail "not four full replicas"
stop_writers
acknowledged_is_there
ls -d "$dir"/replica-4.before-1 >/dev/null || fail "its folder is gone"
[ ! -e "$dir/replica-4" ] || fail "its folder is still in place"
remove --id 4 || fail "remove, the second time: $(cat "$tmp/remove.log")"
grep -q "replica 4 was taken out, as asked for at" "$tmp/remove.log" || fail "it does not say that it is done"
refuses 1 "4 replicas, which is the least" "$redoubt" remove "$dir" --id 3

# Broken off by force after each step, then run again; a different change in between is refused.
break_off() { # PATTERN COMMAND...: starts, kills once the pattern was said or the file is there
    local pattern=$1
    shift
    "$redoubt" "$@" --wait 100 2>"$tmp/broken.log" &
    local pid=$!
    for _ in $(seq 6000); do
        if [ "${pattern:0:1}" = / ]; then [ -e "$pattern" ] && break; else grep -q "$pattern" "$tmp/broken.log" && break; fi
        kill -0 $pid 2>/dev/null || break
        sleep 0.01
    done
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
}
start_writers three
break_off "$dir/resize" add "$dir"
refuses 1 "redoubt add. of replica 4 on host 127.0.0.1 was begun at" "$redoubt" remove "$dir" --id 3
break_off "$dir/replica-4" add "$dir"
break_off "the cluster closes after slot" add "$dir"
refuses 1 "was begun at" "$redoubt" add "$dir" --host 10.1.2.3
break_off "$dir/closing" add "$dir"
refuses 1 "run the .redoubt add." "$redoubt" rotate "$dir" --id 1 || true
break_off "nothing is said like this" add "$dir" & # killed at some moment while all start again
half=$!
sleep 1.5
kill -9 "$(pgrep -P "$half" redoubt)" 2>/dev/null
wait $half 2>/dev/null
add || fail "add, broken off at each step: $(cat "$tmp/add.log")"
all_full 5 || fail "not five full replicas after it was broken off"
stop_writers
acknowledged_is_there
add || fail "add, once more"
said "replica 4 was added, as asked for" || fail "it was added twice: $(cat "$tmp/add.log")"

# All are killed while it is closed: they start again, and the command goes on.
start_writers four
break_off "the cluster closes after slot" remove "$dir" --id 4
kill -9 $(pgrep -P "$up_pid") "$up_pid" 2>/dev/null
wait "$up_pid" 2>/dev/null
sleep 1
up_cluster --seconds 500
remove --id 4 || fail "remove, after all were killed: $(cat "$tmp/remove.log")"
all_full 4 || fail "not four full ones at the end"
stop_writers
acknowledged_is_there

# A list that somebody edited is not taken for a change.
down_cluster
cp "$dir/cluster.yaml" "$tmp/cluster.yaml"
sed -i '/^  - id: 3/,$d' "$dir/cluster.yaml"
refuses 1 "too few replicas" "$redoubt" up "$dir" --seconds 1
cp "$tmp/cluster.yaml" "$dir/cluster.yaml"
cat >>"$dir/cluster.yaml" <<EOF
  - id: 4
    host: 127.0.0.1
    peer: $((base + 40))
    client: $((base + 41))
    metrics: $((base + 46))
EOF
mkdir -m 700 "$dir/replica-4"
cp "$dir"/replica-4.before-1/host.* "$dir/replica-4/"
refuses 1 "it lists 5 replicas, and the manifest 4: how many there are is changed by .redoubt add." "$redoubt" up "$dir" --seconds 30
cp "$tmp/cluster.yaml" "$dir/cluster.yaml"
rm -r "$dir/replica-4"
up_cluster
expect word call get first
acknowledged_is_there
down_cluster

# While one is away for good nothing is begun that all must finish.
sed -i 's/^spin:/restart: never\nspin:/' "$dir/cluster.yaml"
up_cluster
kill -9 "$(status 's["replicas"][1]["pid"]')"
wait_for 10 grep -q "replica 1 ended" "$tmp/up.log"
add --wait 4 && fail "it adds one while one is away"
said "redoubt: replica 1 cannot be reached, and all start again" || fail "it does not say who is away: $(cat "$tmp/add.log")"
expect ok call put still serving
down_cluster
rm "$dir/resize"

# Without disks the state would be lost: refused.
init_cluster memory
sed -i 's/^durability: sync/durability: memory/' "$dir/cluster.yaml"
up_cluster
refuses 1 "durability is memory" "$redoubt" add "$dir"
down_cluster
echo ok
