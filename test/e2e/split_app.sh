#!/usr/bin/env bash
# `split_app`: the service in a process of its own. Operations of every kind, checkpoints, a replica that lags and catches up, a
# power loss under both durabilities, an application that is killed or stopped, a user's own service, and what is refused.
. "$(dirname "$0")/lib_cluster.sh"

# application REPLICA FIELD: of its line in `status`.
application() {
    status "[c['$2'] for c in s['replicas'][$1]['compartments'] if c['kind'] == 'application'][0]"
}
execution() {
    status "[c['$2'] for c in s['replicas'][$1]['compartments'] if c['kind'] == 'execution'][0]"
}
pids_of() {
    status "' '.join(str(p) for p in [s['replicas'][$1]['pid']] + [c['pid'] for c in s['replicas'][$1]['compartments']])"
}
load() {
    "$redoubt" bench "$dir" --workload set --value-bytes 200 --clients 32 --warmup 0 --json "$@" >"$tmp/bench.json" 2>"$tmp/bench.log" ||
        fail "bench $*"
    expect 0 python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["errors"])' "$tmp/bench.json"
}
caught_up() {
    [ "$(status 's["replicas"][3]["catching_up"]["phase"] == "none" and s["replicas"][3]["lag"] == 0 and s["replicas"][3]["slot"] >= max(r["slot"] for r in s["replicas"])')" = True ]
}
large_is_there() {
    call get large >"$tmp/got" || fail "get of 1 MiB"
    cmp -n 1048576 "$tmp/got" "$tmp/value" || fail "a value of 1 MiB came back as another"
}
some_operations() {
    expect ok call put greeting hello
    expect hello call get greeting
    expect ok call put greetings hellos
    expect 41 call incr number 41
    expect 42 call incr number 1
    [ "$(call list greet | grep -c '^greeting')" -eq 2 ] || fail "list: $(call list greet)"
    printf 'put b1 one\nincr number 8\ndel greetings\n' | call batch >/dev/null || fail "batch"
    expect 50 call get number
    expect one call get b1
    head -c 786432 /dev/urandom | base64 -w0 >"$tmp/value"
    call put large - <"$tmp/value" >/dev/null || fail "a value of 1 MiB"
    large_is_there
}

# What is refused.
refuses 2 'split-app: needs --isolation process, which pbft does not know' \
    "$redoubt" init "$tmp/no" --protocol pbft --split-app
init_cluster pbft --protocol pbft
sed -i 's/^split_app: off/split_app: on/' "$dir/cluster.yaml"
refuses 1 'cluster.yaml:[0-9]*:[0-9]*: `split_app` is on, but isolation is inline' "$redoubt" up "$dir" --seconds 5

# memory: operations, status, catching up.
init_cluster one --split-app
grep -q '^split_app: on ' "$dir/cluster.yaml" || fail "init --split-app does not write it"
sed -i 's/^request_timeout_ms: 1000 /request_timeout_ms: 2000 /' "$dir/cluster.yaml"
echo "restart: never" >>"$dir/cluster.yaml"
up_cluster
expect 5 status 'len(s["replicas"][0]["compartments"])'
some_operations
for id in 0 1 2 3; do
    [ "$(application $id pid)" != "$(execution $id pid)" ] || fail "replica $id: one process"
    application $id sandbox | grep -q 'seccomp' || fail "the application of replica $id is in no sandbox"
    [ "$(application $id measurement)" != "$(execution $id measurement)" ] || fail "one measurement"
done
[ "$(application 0 measurement)" = "$(application 3 measurement)" ] || fail "different measurements of one binary"
"$redoubt" status "$dir" >"$tmp/status"
grep -q "application  pid" "$tmp/status" || fail "status does not show the application"
# The binary of Execution has no service in it, and the application's none of Execution's code.
nm "$bin/redoubt-execution" | grep -q ' kv_store' && fail "redoubt-execution has the service in it"
nm "$bin/redoubt-application-kv" | grep -q ' execution_' && fail "redoubt-application-kv has Execution in it"

victims=$(pids_of 3)
kill -STOP $victims
load --keys 20000 --seconds 2 --batching off
kill -CONT $victims
wait_for 30 caught_up || fail "not caught up: $(status 's["replicas"][3]')"
[ "$(status 's["replicas"][3]["catching_up"]["transfers"]')" -ge 1 ] || fail "it caught up without fetching state"
load --keys 20000 --seconds 2
wait_for 20 test "$(status 'min(r["stable"] for r in s["replicas"])')" -gt 0 || fail "no checkpoint became stable"
expect "[0, 0, 0, 0]" status '[r["catching_up"]["wrong"] for r in s["replicas"]]'

# The application of replica 2 is killed: a clear line, no vote from there, and the others go on.
kill -9 "$(application 2 pid)"
wait_for 10 grep -q 'replica 2: execution died: its application ended: killed by signal 9.*: this replica stops voting' "$tmp/up.log" ||
    fail "no word of the application's end"
expect False status 's["replicas"][2]["voting"]'
expect ok call put greeting "hello again"
expect "hello again" call get greeting
wait_for 5 bash -c "! kill -0 $(execution 2 pid)" || fail "Execution outlives its application"
down_cluster

# One that says nothing is given up; the others have gone on meanwhile.
init_cluster silent --split-app
echo "restart: never" >>"$dir/cluster.yaml"
up_cluster
expect ok call put a 1
silent=$(application 1 pid)
# A pause is no silence, and Execution may be stopped itself while it waits.
kill -STOP "$silent"
expect ok call put a 1
sleep 0.5
kill -STOP "$(execution 1 pid)"
sleep 0.2
kill -CONT "$(execution 1 pid)"
sleep 0.2
kill -CONT "$silent"
on_time() { [ "$(status 's["replicas"][1]["lag"] == 0 and s["replicas"][1]["slot"] >= max(r["slot"] for r in s["replicas"])')" = True ]; }
wait_for 20 on_time || fail "it does not go on after a pause: $(status 's["replicas"][1]')"
expect True status 's["replicas"][1]["voting"]'
kill -STOP "$silent"
expect ok call put a 2
expect 2 call get a
wait_for 25 grep -q 'replica 1: execution died: .*the application does not answer: this replica stops voting' "$tmp/up.log" ||
    fail "no word of a silent application"
wait_for 5 bash -c "! kill -0 $silent" || fail "the silent application is still there"
expect ok call put a 3
down_cluster

# Power loss under durability sync; another replica has a new service process each time.
lose_power() {
    local hosts host all
    hosts=$(pgrep -P "$up_pid")
    all="$up_pid $hosts"
    for host in $hosts; do all="$all $(pgrep -P "$host")"; done
    kill -9 $all 2>/dev/null
    wait "$up_pid" 2>/dev/null
    for host in $all; do wait_for 5 bash -c "! kill -0 $host" || fail "process $host is still there"; done
}
init_cluster power --split-app --durability sync
up_cluster
some_operations
load --keys 3000 --seconds 3 --batching off
expect ok call put last word
lose_power
up_cluster
expect word call get last
expect hello call get greeting
expect 50 call get number
large_is_there
lose_power
up_cluster
expect word call get last
down_cluster
# ... and under durability memory what was there is gone, and says so.
init_cluster gone --split-app --durability memory
up_cluster
expect ok call put a 1
lose_power
up_cluster
call get a >/dev/null 2>&1 && fail "it came back from nowhere"
expect ok call put a 2
down_cluster

# Wrong options of the service are named.
init_cluster wrong --split-app
sed -i 's/^service_options: ""/service_options: "memory_mb=nonsense"/' "$dir/cluster.yaml"
"$redoubt" up "$dir" --seconds 20 >"$tmp/wrong.out" 2>"$tmp/wrong.log" && fail "wrong options are accepted"
grep -q 'execution' "$tmp/wrong.log" || fail "wrong options are not named"

# The counter, and a program of a user's own.
init_cluster counter --service counter --split-app
up_cluster
count() { call "$@" | sed "s/ .*//"; } # the total; how much of it is ours follows
expect 5 count incr 5
expect 5 count get
down_cluster
cc -O2 -I"$root/include" "$root/examples/service.c" "$REDOUBT_BUILD/libredoubt-service.a" -lsodium -lseccomp -o "$tmp/locks" ||
    fail "examples/service.c does not build"
init_cluster own --split-app --front off
sed -i "s#^service: kv #service: $tmp/locks #" "$dir/cluster.yaml"
up_cluster
expect application status 's["replicas"][0]["compartments"][3]["kind"]'
down_cluster
echo ok
