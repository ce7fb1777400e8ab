#!/usr/bin/env bash
# Hybster: replicas that are killed come back by themselves, each with a fresh counter, and vote again; one is replaced, one gets another link key.
# Nothing that was acknowledged is lost. And a counter without the administrator's key, or that no RECONFIG admitted, counts for nothing.
. "$(dirname "$0")/lib_cluster.sh"

# full_again ID EPOCH: it has other keys than then, and all of them count.
full_again() {
    [ "$(status "str(s['replicas'][$1].get('full')) + str(s['replicas'][$1].get('epoch') != $2)")" = TrueTrue ]
}

# acknowledge: one put after the other, each noted once it is acknowledged; until somebody ends it.
acknowledge() {
    local n=0
    while :; do
        n=$((n + 1))
        [ "$(call put "key$n" "$n" 2>/dev/null)" = ok ] && echo "key$n $n" >>"$tmp/acknowledged"
    done
}

# --- five times the leader is killed under load: so each of the three at least once, and the others need those that came back
init_cluster one --protocol hybster --front off
sed -i "s/^request_timeout_ms: .*/request_timeout_ms: 600/" "$dir/cluster.yaml"
up_cluster --seconds 600
expect ok call put a 1
"$redoubt" bench "$dir" --workload set --clients 2 --seconds 300 --json >"$tmp/bench.out" 2>"$tmp/bench.log" &
bench=$!
acknowledge &
acknowledging=$!
pids+=($bench $acknowledging)
for round in 1 2 3 4 5; do
    leader=$(status 'sorted(r["view"] for r in s["replicas"])[1] % 3')
    epoch=$(status "s['replicas'][$leader]['epoch']")
    kill -9 "$(status "s['replicas'][$leader]['pid']")"
    wait_for 60 full_again "$leader" "$epoch" || fail "replica $leader did not come back"
    expect 1 call get a
    expect $((round + 1)) status 's["configuration"]'
done

# --- another link key, another machine; and no other number of replicas
"$redoubt" rotate "$dir" --id 1 2>"$tmp/rotate.log" || fail "rotate: $(cat "$tmp/rotate.log")"
grep -q "goes on with it" "$tmp/rotate.log" || fail "rotate: $(cat "$tmp/rotate.log")"
epoch=$(status 's["replicas"][2]["epoch"]')
"$redoubt" replace "$dir" --id 2 --wait 60 2>"$tmp/replace.log" || fail "replace: $(cat "$tmp/replace.log")"
wait_for 20 full_again 2 "$epoch" || fail "the machine that was put in its place is none"
test -d "$dir/replica-2.before-1" || fail "the folder of before is gone"
refuses 1 "hybster: how many replicas there are cannot be changed yet" "$redoubt" add "$dir" --host 127.0.0.1

# --- without the one whose counter is the oldest, the other two go on
kill -9 "$(status 's["replicas"][0]["pid"]')"
expect ok call put a 2
kill $bench $acknowledging
wait $bench $acknowledging 2>/dev/null
expect 2 call get a
acknowledged_is_there
expect 0 status 'sum(r["counter"]["refused"] for r in s["replicas"] if "counter" in r)'

# --- more than f at once: what they knew is gone, and it is said, once
all_full() { [ "$(status 'sum(r.get("full", False) for r in s["replicas"])')" = 3 ]; }
wait_for 30 all_full || fail "not all are full"
for r in 1 2; do kill -9 "$(status "s['replicas'][$r]['pid']")"; done
wait_for 40 grep -q "more than 1 replicas are out, .* the state is gone; end this and start anew" "$tmp/up.log" || fail "nothing is said of the state that is gone"
sleep 2
expect 1 grep -c "the state is gone" "$tmp/up.log"
down_cluster

# --- as on several machines: the administrator is asked, and his key is good for one counter
init_cluster two --protocol hybster --service counter
cp -r "$dir" "$tmp/far"
run_replica() { # ID DIR [OPTION...]
    "$redoubt" replica "$2" --id "$1" --wait 60 "${@:3}" >"$tmp/replica-$1.log" 2>&1 &
    pid[$1]=$!
    pids+=($!)
}
pid=()
count() { call "$@" | sed "s/ .*//"; }
lost() { # ID: killed, and gone
    kill -9 "${pid[$1]}"
    wait "${pid[$1]}" 2>/dev/null
}
leader() { status "s['replicas'][0]['view'] % 3"; }
serves_not() { ! grep -q " serving: " "$tmp/replica-1.log" || fail "it serves"; }
waits() { curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$((base + 16))/healthz"; }
for r in 0 2; do run_replica $r "$dir"; done
run_replica 1 "$tmp/far"
wait_for 20 test -e "$tmp/far/replica-1/hello" || fail "no hello"
cp "$tmp/far/replica-1/hello" "$tmp/hello-1.start"
cp "$tmp/hello-1.start" "$dir/replica-1/hello"
"$redoubt" start "$dir" || fail "start"
[ ! -e "$dir/replica-1/hello" ] || fail "a hello that a manifest was made for stayed behind"
cp "$dir/replica-1/counter-key" "$tmp/far/replica-1/"
head -c 700 "$dir/replica-1/manifest" >"$tmp/far/replica-1/manifest" # as copied so far
wait_for 10 grep -q "or not all of it" "$tmp/replica-1.log" || fail "no word of a part of a manifest"
serves_not
cat "$dir/replica-1/manifest" >"$tmp/far/replica-1/manifest"
wait_for 10 curl -sf "http://127.0.0.1:$((base + 16))/healthz" || fail "it does not serve"
expect 1 count incr
expect 0 leader
lost 1
run_replica 1 "$tmp/far" --rejoin
wait_for 10 grep -q "its counter waits for the administrator's key" "$tmp/replica-1.log" || fail "it does not say what it waits for"
expect 2 count incr
cp "$tmp/hello-1.start" "$dir/replica-1/hello"
refuses 1 "it is of a start of the whole cluster" "$redoubt" start "$dir" --id 1
cp "$tmp/far/replica-1/hello" "$dir/replica-1/hello"
cp "$dir/replica-0/counter-key" "$tmp/far/replica-1/" # another's
sleep 0.5
expect 503 waits
serves_not
cp "$dir/replica-1/counter-key" "$tmp/far/replica-1/" # that of the counter that ended
sleep 0.5
expect 503 waits
serves_not
refuses 1 "replica 0 did not show its keys" "$redoubt" start "$dir" --wait 1 # a forgotten --id makes no other cluster
"$redoubt" start "$dir" --id 1 >"$tmp/made" || fail "start --id"
shown=$(sed -n 's/.*waits for .*; \(epoch .*\)/\1/p' "$tmp/replica-1.log")
[ -n "$shown" ] && grep -q "^key made for the counter of replica 1, $shown\$" "$tmp/made" || fail "made: $(cat "$tmp/made"), but shown: $shown"
[ ! -e "$dir/replica-1/hello" ] || fail "a hello that a key was made for stayed behind"
python3 - "$dir/replica-1/counter-key" "$tmp/far/replica-1/forged" <<'PY'
import sys
key = bytearray(open(sys.argv[1], "rb").read())
key[-1] ^= 1  # of the signature
open(sys.argv[2], "wb").write(key)
PY
mv "$tmp/far/replica-1/forged" "$tmp/far/replica-1/counter-key"
wait_for 10 grep -q "forged: not signed by the administrator" "$tmp/replica-1.log" || fail "a forged key is taken"
wait "${pid[1]}" && fail "with a forged key it does not end"
rm "$tmp/far/replica-1/counter-key"
run_replica 1 "$tmp/far" --rejoin
wait_for 10 test -e "$tmp/far/replica-1/hello" || fail "no hello"
cp "$tmp/far/replica-1/hello" "$dir/replica-1/hello"
"$redoubt" start "$dir" --id 1 >"$tmp/made" || fail "start --id"
cp "$dir/replica-1/counter-key" "$tmp/far/replica-1/"
wait_for 20 grep -q "full again" "$tmp/replica-1.log" || fail "it does not come back"
expect 0 leader # as before: it was a follower that came back
lost 2
expect 3 count incr # so the one that came back votes

# --- the key alone makes no voter: with the two others gone nobody admits it, and nothing is answered
lost 0
run_replica 0 "$dir" --rejoin
wait_for 10 test -e "$dir/replica-0/hello" || fail "no hello"
"$redoubt" start "$dir" --id 0 >"$tmp/made" || fail "start --id"
wait_for 10 grep -q "asks to be admitted" "$tmp/replica-0.log" || fail "it does not ask"
timeout 20 "$redoubt" call "$dir" --timeout 1500 incr >"$tmp/out" 2>/dev/null && fail "an answer of a counter that nobody admitted: $(cat "$tmp/out")"
[ ! -s "$tmp/out" ] || fail "something was said: $(cat "$tmp/out")"
grep -q "full again" "$tmp/replica-0.log" && fail "one replica admitted it"

# --- so the whole cluster starts anew, with who waits for a key
lost 0
lost 1
rm -f "$dir"/replica-*/hello "$tmp/far/replica-1/hello"
for r in 0 2; do run_replica $r "$dir" --rejoin; done
run_replica 1 "$tmp/far" --rejoin
wait_for 10 test -e "$tmp/far/replica-1/hello" || fail "no hello"
cp "$tmp/far/replica-1/hello" "$dir/replica-1/hello"
"$redoubt" start "$dir" || fail "start"
cp "$dir/replica-1/"{counter-key,manifest} "$tmp/far/replica-1/"
expect 1 count incr
wait_for 10 curl -sf "http://127.0.0.1:$((base + 16))/healthz" || fail "replica 1 does not serve"
echo ok
