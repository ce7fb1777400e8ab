#!/usr/bin/env bash
# redis-cli and redis-benchmark over TLS: their checks fault-free, and while f replicas lie, die, and die under them.
. "$(dirname "$0")/lib_cluster.sh"
. "$(dirname "$0")/lib_clients.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

redis() { timeout 30 stdbuf -oL redis-cli --tls --cacert "$(ca "$1")" -h localhost -p "$(at "$1" rediss)" "${@:2}"; }
stone=$(head -c 600 /dev/urandom | base64 -w 0)

# What is asked in one connection under keys of one's own, and the answers as redis-server gives them.
questions() { # KEY
    printf '%s\n' "get stone" "set $1 first" "get $1" "append $1 -second" "getrange $1 0 9" "set $1:n 40" "incrby $1:n 2" "rpush $1:l a b c" \
        "lpop $1:l" "lrange $1:l 0 -1" "hset $1:h x 1 y 2" "hgetall $1:h" "zadd $1:z 2 b 1 a" "zpopmin $1:z" multi "incr $1:n" "get $1" exec "setex $1:e 100 gone" "persist $1:e" "ttl $1:e" "incr $1" "nosuch" "del $1"
}
answers() {
    printf '%s\n' "$stone" OK first 12 first-seco OK 42 3 a b c 2 x 1 y 2 2 a 1 OK QUEUED QUEUED 43 first-second OK 1 -1 \
        "ERR value is not an integer or out of range" "" "ERR unknown command 'nosuch', with args beginning with: " "" 1
}
LOST='^(Error|Could not connect|I.O error|SSL_connect failed)'

# One pass at the first of these replicas that gives all answers. What one said before it was lost must be right, too; from there on
# redis-cli tries again by itself, and may reach it when it is back. (Line by line, so that its errors stand where they came.)
redis_pass() {
    local replica key
    for replica; do
        key=k$BASHPID-$((++passes))
        questions "$key" | redis "$replica" >"$tmp/$key.got" 2>&1
        answers >"$tmp/$key.want"
        cmp -s "$tmp/$key.want" "$tmp/$key.got" && return
        [ $# -gt 1 ] || { wrong "$(diff "$tmp/$key.want" "$tmp/$key.got" | head -4 | tr '\n' ' ' | cut -c 1-300)"; return; }
        sed -E "/$LOST/,\$d; /^\$/d" "$tmp/$key.got" >"$tmp/$key.said"
        grep -v '^$' "$tmp/$key.want" | head -"$(wc -l <"$tmp/$key.said")" >"$tmp/$key.begin"
        cmp -s "$tmp/$key.begin" "$tmp/$key.said" || { wrong "$(diff "$tmp/$key.begin" "$tmp/$key.said" | cut -c 1-100 | head -6 | tr '\n' ' ')"; return; }
        shift
    done
}
redis_cli() {
    local until=$((SECONDS + $1))
    while redis_pass "${@:2}"; do [ $SECONDS -gt $until ] && return; done
    return 1
}

# redis-benchmark's default suite; what it wrote is counted afterwards. At a replica that is lost it stops; then the next one has to do.
ROUNDS=200
counts() { redis "$1" mget counter:__rand_int__ 2>/dev/null; redis "$1" llen mylist 2>/dev/null; }
# redis-benchmark takes an error when it writes over TLS for "try again", at a redis-server as well, and never stops by itself then. So it is
# ended when it has had no connection for two seconds; else after sixty.
connected() { ss -Htnp state established 2>/dev/null | grep -q "pid=$1,"; }
run_benchmark() { # PORT OPTION...
    local port=$1 pid lost=0
    stdbuf -oL redis-benchmark --tls -h localhost -p "$port" "${@:2}" &
    pid=$!
    for _ in $(seq 300); do
        kill -0 $pid 2>/dev/null || break
        sleep 0.2
        if connected $pid; then lost=0; else lost=$((lost + 1)); fi
        [ $lost -lt 10 ] || break
    done
    kill $pid 2>/dev/null && echo "Error: ended, without a connection" >&2
    wait $pid
}
benchmark_pass() {
    local replica=$1 before after out=$tmp/benchmark.$BASHPID
    before=$(counts "${!#}" | awk '{ s = s " " $1 + 0 } END { print s }')
    run_benchmark "$(at "$replica" rediss)" --cacert "$(ca "$replica")" -n $ROUNDS --csv -q >"$out" 2>&1 || {
        grep -qE 'Error from server|WRONGTYPE' "$out" && { wrong "$(tail -n 1 "$out")"; return; }
        [ $# -gt 1 ] || { wrong "$(tail -n 2 "$out" | tr '\n' ' ')"; return; }
        benchmark_pass "${@:2}"
        return
    }
    grep -qiE 'error|WARNING' "$out" && { wrong "$(grep -iE 'error|WARNING' "$out" | head -1)"; return; }
    [ "$(grep -c '^"' "$out")" -eq 21 ] || { wrong "not its 20 tests and a head: $(cat "$out")"; return; }
    after=$(counts "${!#}" | awk '{ s = s " " $1 + 0 } END { print s }')
    awk -v n=$ROUNDS -v was="$before" -v is="$after" 'BEGIN { split(was, a); split(is, b); exit !(b[1] == a[1] + n && b[2] == a[2] + n) }' ||
        wrong "counter and list were$before and are$after after $ROUNDS rounds"
}
redis_benchmark() {
    local until=$((SECONDS + $1))
    while benchmark_pass "${@:2}"; do [ $SECONDS -gt $until ] && return; done
    return 1
}

passes=0
clients_cluster kv
expect OK redis 0 set stone "$stone"
story redis_cli redis_benchmark

# The same checks see what is wrong.
start_alone kv
redis alone set stone "$stone" >/dev/null
redis_cli 0 alone || fail "redis_cli: a right server is called wrong"
redis_benchmark 0 alone || fail "redis_benchmark: a right server is called wrong"
redis alone set stone "${stone%????}AAAA" >/dev/null
sees redis_cli 0 alone
redis alone set myset "not a set" >/dev/null
sees redis_benchmark 0 alone
redis alone del myset >/dev/null
(for _ in $(seq 200); do redis alone incr counter:__rand_int__; done) >/dev/null 2>&1 & # somebody else counts
meddler=$!
pids+=($meddler)
sees redis_benchmark 0 alone
down_cluster
echo ok
