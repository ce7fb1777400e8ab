#!/usr/bin/env bash
# `durability: sync`: every process is killed under load, several times; `up` again, and everything that was acknowledged is there.
# Then the directory is tampered with: a damaged log, logs that are gone, a platform key that is gone.
. "$(dirname "$0")/lib_cluster.sh"

# All of them, at once, as a power loss does.
lose_power() {
    local host hosts all
    hosts=$(pgrep -P "$up_pid")
    all="$up_pid $hosts"
    for host in $hosts; do all="$all $(pgrep -P "$host")"; done
    kill -9 $all 2>/dev/null
    wait "$up_pid" 2>/dev/null
    for host in $all; do wait_for 5 bash -c "! kill -0 $host" || fail "process $host is still there"; done
}

# Writes under keys w$1.0, w$1.1, ... until a write fails; names every acknowledged one in $tmp/acknowledged.
writer() {
    local n=0
    while [ "$("$redoubt" call "$dir" --timeout 8000 put "w$1.$n" "value-$1-$n" 2>/dev/null)" = ok ]; do
        echo "w$1.$n value-$1-$n" >>"$tmp/acknowledged"
        n=$((n + 1))
    done
}

init_cluster power --durability sync
: >"$tmp/acknowledged"
for round in 1 2 3; do
    up_cluster
    writers=()
    for w in 1 2 3; do
        writer "$round-$w" &
        writers+=($!)
        pids+=($!)
    done
    "$redoubt" bench "$dir" --workload set --clients 20 --keys 200 --seconds 30 >/dev/null 2>&1 &
    bench=$!
    pids+=($bench)
    sleep 2.$((RANDOM % 9))
    lose_power
    kill "$bench" 2>/dev/null
    kill "${writers[@]}" 2>/dev/null
    wait "$bench" "${writers[@]}" 2>/dev/null
done
[ "$(wc -l <"$tmp/acknowledged")" -gt 30 ] || fail "hardly anything was acknowledged"
up_cluster
grep -q "resumed: executed up to slot" "$tmp/up.log" || fail "nobody says that it resumed"
acknowledged_is_there
expect good status 's["replicas"][0]["disk"]["state"]'
expect sync status 's["replicas"][0]["durability"]'
curl -s "http://127.0.0.1:$((base + 6))/metrics" >"$tmp/metrics"
grep -q '^redoubt_log_bytes [1-9]' "$tmp/metrics" || fail "no size of the log in /metrics"
expect ok call put last word
down_cluster

# A replica that rejoined, and then all lose power: before it is a member again, while it becomes one, and afterwards.
for pause in 0.6 1.6 2.4 5; do
    up_cluster
    expect ok call put "before.$pause" "$pause"
    writer "rejoin-$pause" &
    writer_pid=$!
    pids+=($writer_pid)
    kill -9 "$(status 's["replicas"][2]["pid"]')"
    sleep $pause
    lose_power
    kill $writer_pid 2>/dev/null
    wait $writer_pid 2>/dev/null
done
up_cluster
acknowledged_is_there wrejoin
echo "wrejoin.never never" >>"$tmp/acknowledged"
(acknowledged_is_there wrejoin) >/dev/null 2>&1 && fail "what was never written passes for acknowledged"
expect 5 call get before.5

# More than f are killed at once, and `up` is not: it starts all of them again, from their disks.
expect ok call put many killed
kill -9 $(pgrep -P "$up_pid")
wait_for 60 grep -q "all start again, from their disks" "$tmp/up.log" || fail "up does not start over"
wait_for 60 "$redoubt" call "$dir" get many || fail "nobody answers after all were killed"
expect killed call get many
expect word call get last
down_cluster

# One replica's log is gone: the others go on from theirs.
rm -rf "$dir/replica-2/log" "$dir/replica-2/checkpoint"
up_cluster
expect word call get last
expect ok call put last words
lose_power

# A log that is damaged where it had been synced is named, with the place.
first=$(ls "$dir/replica-1/log" | grep '^0' | head -1)
old=$(dd if="$dir/replica-1/log/$first" bs=1 skip=200 count=1 2>/dev/null | od -An -tu1)
printf "\\$(printf %o $((old ^ 1)))" | dd of="$dir/replica-1/log/$first" bs=1 seek=200 conv=notrunc 2>/dev/null
refuses 1 "replica-1/log/$first: damaged at offset [0-9]*" "$redoubt" up "$dir" --seconds 20

# Two logs are gone: more than may be.
rm -rf "$dir"/replica-{1,2}/{log,checkpoint}
refuses 1 '2 of 4 replicas have lost their log' "$redoubt" up "$dir" --seconds 20

# Without the platform key a log cannot be read.
rm "$dir/replica-0/platform.key"
refuses 1 'replica-0/platform.key: it is gone' "$redoubt" up "$dir" --seconds 20
echo ok
