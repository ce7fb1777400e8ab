#!/usr/bin/env bash
# A port that another program uses: one clear error that names port, purpose and replica.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
for offset in 0:peer 1:client 6:metrics; do
    port=$((base + 20 + ${offset%:*}))
    python3 -c "import socket,time; s = socket.socket(); s.bind(('127.0.0.1', $port)); s.listen(); print(1, flush=True); time.sleep(60)" \
        >"$tmp/busy" &
    busy=$!
    pids+=("$busy")
    wait_for 10 test -s "$tmp/busy" || fail "cannot use port $port"
    refuses 1 "127.0.0.1:$port \(${offset#*:} port of replica 2\): the port is in use" "$redoubt" replica "$dir" --id 2
    refuses 1 "127.0.0.1:$port \(${offset#*:} port of replica 2\): the port is in use" "$redoubt" up "$dir"
    kill "$busy"
    wait "$busy" 2>/dev/null
    : >"$tmp/busy"
done

up_cluster
refuses 1 "another .redoubt up. runs this cluster" "$redoubt" up "$dir"
expect ok call put a 1
expect 1 call get a
down_cluster
echo ok
