#!/usr/bin/env bash
# redoubt gateway --mode prophecy: stock clients over TLS; what is known of a request is answered on one replica's word, which may be
# stale and is never made up; replicas that lie or do not answer; what it refuses.
. "$(dirname "$0")/lib_cluster.sh"

"$redoubt" gateway --help | grep -q "WARNING: reads are delay-once" || fail "no warning in the help"
refuses 2 "has --https and --rediss" "$redoubt" gateway x --mode prophecy --http 1
refuses 2 "no port" "$redoubt" gateway x --mode prophecy
refuses 2 "go together" "$redoubt" gateway x --mode prophecy --https 1 --cert x
refuses 2 "neither TLS nor metrics" "$redoubt" gateway x --mode client --https 1
init_cluster ordered --durability memory
sed -i 's/^fast_reads: on.*/fast_reads: off/' "$dir/cluster.yaml"
up_cluster
port=$(free_base 1)
refuses 1 "fast_reads: off" "$redoubt" gateway "$dir" --mode prophecy --https "$port"
down_cluster

init_cluster one --durability memory
up_cluster --allow-faults
"$redoubt" gateway "$dir" --mode prophecy --https "$port" --rediss $((port + 1)) --metrics $((port + 2)) --timeout 15000 >"$tmp/gateway.out" 2>"$tmp/gateway.log" &
gateway=$!
pids+=("$gateway")
wait_for 20 grep -qx ready "$tmp/gateway.out" || fail "not ready"
grep -q "delay-once, not linearizable" "$tmp/gateway.log" || fail "no warning in its log"
[ "$(stat -c %a "$dir/gateway.key")" = 600 ] || fail "gateway.key is readable by others"

http() { timeout 40 curl -s -S --cacert "$dir/ca.pem" "$@"; }
redis() { timeout 40 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p $((port + 1)) "$@"; }
url=https://localhost:$port/kv
# reads COUNT: of the key, in one go over one connection, a line each: reads that lie far apart are ordered to keep the session.
reads() {
    local urls=() i
    for i in $(seq "$1"); do urls+=("$url/key"); done
    http -w '\n' "${urls[@]}"
}
all_read() { [ "$(reads "$1" | sort | uniq -c | awk '{ print $1, $2 }')" = "$1 $2" ] || fail "not all reads gave $2"; }
metric() { curl -s "http://127.0.0.1:$((port + 2))/metrics" | awk -v name="redoubt_prophecy_$1" '$1 == name { print $2 }'; }
grows() { [ "$(metric "$1")" -gt "$2" ]; }

wait_for 20 redis ping || fail "it does not serve"
expect 201 http -o "$tmp/body" -w '%{http_code}' -X PUT --data-binary one "$url/key"
expect one http "$url/key"
expect 0 metric answered_total
all_read 30 one
grows answered_total 0 || fail "no read was answered on one replica's word: $(curl -s "http://127.0.0.1:$((port + 2))/metrics")"
grows sketch_entries 0 || fail "no sketches"
expect one redis get key

# Somebody else writes: stale at times, never anything else, and never the old one again after the new one.
before=one
for value in two three four; do
    call put key "$value" >/dev/null || fail "call put"
    seen=
    for got in $(reads 30); do
        if [ "$got" = "$value" ]; then
            seen=1
        elif [ -n "$seen" ] || [ "$got" != "$before" ]; then
            fail "\"$got\" after ${seen:+the new value }$value"
        fi
    done
    [ -n "$seen" ] || fail "$value was never seen"
    before=$value
done
# Each of them was learned by ordering a read: since the replica said so, or was late, or (on a slow machine) to keep the session.
[ $(($(metric mismatches_total) + $(metric timeouts_total) + $(metric refreshed_total))) -ge 3 ] || fail "sketches changed by themselves"

# A replica that lies, and one that is gone: answers all the same, and right ones.
"$redoubt" fault "$dir" --id 1 --kind lie || fail "fault"
all_read 12 four
"$redoubt" fault "$dir" --id 1 --kind none || fail "fault"
stopped=$(status 's["replicas"][3]["pid"]')
kill -STOP "$stopped"
answered=$(metric answered_total)
all_read 30 four
grows answered_total "$answered" || fail "it does not leave out who does not answer"
expect OK redis set key five
for _ in $(seq 10); do redis get key; done | grep -vxE 'four|five' && fail "it read what was never written"

kill "$gateway" && wait "$gateway" || fail "it did not end well"
kill -CONT "$stopped"
down_cluster
echo ok
