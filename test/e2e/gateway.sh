#!/usr/bin/env bash
# redoubt gateway: stock clients through the client library; a replica that lies, one that is gone, no quorum; ends well.
. "$(dirname "$0")/lib_cluster.sh"

"$redoubt" gateway --help | grep -q -- "--mode client" || fail "no help"
refuses 2 "DIR and --mode" "$redoubt" gateway --mode client --resp 1
refuses 2 "must be client" "$redoubt" gateway x --mode server --resp 1
refuses 2 "no port" "$redoubt" gateway x --mode client
refuses 2 "from 1 to 65535" "$redoubt" gateway x --mode client --http 0
refuses 2 "jitter" "$redoubt" gateway x --mode client --http 1 --delay-ms 1 --jitter-ms 2
refuses 1 "nowhere" "$redoubt" gateway "$tmp/nowhere" --mode client --resp 1
init_cluster counting --service counter
refuses 1 "no front" "$redoubt" gateway "$dir" --mode client --resp 1

init_cluster one --durability memory
refuses 1 "start the cluster" "$redoubt" gateway "$dir" --mode client --resp 1
up_cluster --allow-faults
port=$(free_base 1)

# gateway NAME [OPTION...]: in the background, until it is ready; sets gateway_pid.
gateway() {
    local name=$1
    shift
    : >"$tmp/$name.out"
    "$redoubt" gateway "$dir" --mode client "$@" >"$tmp/$name.out" 2>"$tmp/$name.log" &
    gateway_pid=$!
    pids+=("$gateway_pid")
    wait_for 20 grep -qx ready "$tmp/$name.out" || fail "gateway $*: not ready"
}
redis() { timeout 20 redis-cli -p $((port + 1)) "$@"; }
http() { timeout 20 curl -s -S "$@"; }

gateway one --http "$port" --resp $((port + 1)) --timeout 15000 # a machine may be busy with more than this
first=$gateway_pid
ss -Htln | awk '{ print $4 }' | grep -E ":($port|$((port + 1)))\$" | grep -qv '^127\.0\.0\.1:' && fail "it listens on more than loopback"
refuses 1 "in use|redis" "$redoubt" gateway "$dir" --mode client --resp $((port + 1))
gateway two --resp $((port + 2)) --origin 5 --timeout 15000 # a second one beside it, with a key of its own
second=$gateway_pid

# Every stock client sees what the others wrote.
expect PONG redis ping
expect OK redis set greeting hello
expect hello redis get greeting
expect hello http "http://127.0.0.1:$port/kv/greeting"
expect 201 http -o "$tmp/body" -w '%{http_code}' -X PUT --data-binary world "http://127.0.0.1:$port/kv/place"
expect world redis get place
expect world timeout 20 redis-cli -p $((port + 2)) get place
expect world call get place
expect 404 http -o "$tmp/body" -w '%{http_code}' "http://127.0.0.1:$port/kv/nothing"
head -c 300000 /dev/urandom >"$tmp/large"
http -X PUT --data-binary @"$tmp/large" "http://127.0.0.1:$port/kv/large" >"$tmp/body" || fail "a large value was not taken"
http "http://127.0.0.1:$port/kv/large" | cmp -s - "$tmp/large" || fail "a large value came back as another one"

# Many in one go, executed and answered in order: each GET gives what the SET before it wrote.
for i in $(seq 2000); do
    printf '*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$%d\r\n%d\r\n*2\r\n$3\r\nGET\r\n$1\r\nn\r\n' "${#i}" "$i"
done >"$tmp/pipelined"
printf '*1\r\n$4\r\nQUIT\r\n' >>"$tmp/pipelined"
exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))"
cat "$tmp/pipelined" >&3 &
timeout 20 cat <&3 | tr -d '\r' | grep -v '^[$+]' >"$tmp/answers"
exec 3>&-
seq 2000 | cmp -s - "$tmp/answers" || fail "answers are not in order, or some are missing"
if command -v redis-benchmark >/dev/null; then
    timeout 60 redis-benchmark -p $((port + 1)) -n 4800 -c 50 -P 16 -q -t incr,set,get >"$tmp/benchmark" 2>&1 ||
        fail "redis-benchmark: $(cat "$tmp/benchmark")"
    expect 4800 redis get counter:__rand_int__
fi

# A replica lies: answers stay right.
"$redoubt" fault "$dir" --id 2 --kind lie || fail "fault"
for i in 1 2 3 4 5 6 7 8; do
    expect OK redis set "key$i" "value$i"
    expect "value$i" http "http://127.0.0.1:$port/kv/key$i"
done
[ "$(curl -s "http://127.0.0.1:$((base + 26))/metrics" | awk '$1 == "redoubt_faults_done_total" { print ($2 > 0) }')" = 1 ] || fail "it did not lie"
"$redoubt" fault "$dir" --id 2 --kind none || fail "fault"

# Garbage ends its own connection only.
printf 'GET / HTTP/9.9\r\n\r\n' | send_bytes "$port" >"$tmp/garbage"
printf '*999999999\r\n' | send_bytes $((port + 1)) >>"$tmp/garbage"
expect hello redis get greeting

# Without a quorum nobody is left hanging, and nothing is made up.
kill "$second" && wait "$second" || fail "the second one did not end well"
kill "$first" && wait "$first" || fail "it did not end well"
gateway three --http "$port" --resp $((port + 1)) --timeout 1500
stopped=$(status '" ".join(str(r["pid"]) for r in s["replicas"][1:3])')
kill -STOP $stopped
expect 504 http -m 10 -o "$tmp/body" -w '%{http_code}' "http://127.0.0.1:$port/kv/greeting"
timeout 10 redis-cli -p $((port + 1)) set lost 1 >"$tmp/lost" 2>&1
[ $? -ne 124 ] || fail "a client was left hanging without a quorum"
grep -qx OK "$tmp/lost" && fail "a write without a quorum"
kill -CONT $stopped
wait_for 20 redis get greeting || fail "it does not serve again"
expect hello redis get greeting

# It ends well with operations under way, too.
kill -STOP $stopped
timeout 10 redis-cli -p $((port + 1)) set lost 2 >"$tmp/lost" 2>&1 &
sleep 0.3
kill "$gateway_pid" && wait "$gateway_pid" || fail "it did not end well with an operation under way"
kill -CONT $stopped
down_cluster
echo ok
