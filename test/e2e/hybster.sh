#!/usr/bin/env bash
# Hybster with real processes: three replicas, each with a trusted counter. Right answers with all of them, with the leader killed, with one
# that lies; none, rather than a wrong one, from fewer than f+1 honest replicas; and nobody votes with a counter that the manifest does not list.
. "$(dirname "$0")/lib_cluster.sh"

# --- what it is
init_cluster one --protocol hybster --front off
sed -i 's/^request_timeout_ms: .*/request_timeout_ms: 500/' "$dir/cluster.yaml"
echo "restart: never" >>"$dir/cluster.yaml" # hybster_rejoin.sh is about replicas that come back
expect 3 grep -c '^  - id:' "$dir/cluster.yaml"
grep -q '^durability: memory' "$dir/cluster.yaml" || fail "hybster keeps nothing on disks, and cluster.yaml does not say so"
up_cluster --allow-faults
expect ok call put a 1
expect 1 call get a
for n in 1 2 3; do expect $n call incr n; done
expect "('hybster', 3)" status 's["protocol"], len(s["replicas"])'
expect "['orderer', 'counter', 'execution']" status '[c["kind"] for c in s["replicas"][1]["compartments"]]'
expect "(True, True, True)" status '(lambda r: (r["compartments"][0]["pid"] == r["pid"], "seccomp" in r["compartments"][1]["sandbox"], "seccomp" in r["compartments"][2]["sandbox"]))(s["replicas"][0])'
expect 0 status 'sum(r["counter"]["forged"] + r["counter"]["refused"] for r in s["replicas"])'
expect True status 'all(r["counter"]["certified"] > 3 and r["counter"]["verified"] > 3 for r in s["replicas"])'
"$redoubt" status "$dir" >"$tmp/status"
grep -q "^trusted: the counter compartments" "$tmp/status" || fail "status does not say what is trusted"
grep -q "what the service holds" "$tmp/status" || fail "status does not say that hosts read secrets"
curl -s "http://127.0.0.1:$((base + 6))/metrics" >"$tmp/metrics"
grep -qE '^redoubt_counter_certified_total [1-9]' "$tmp/metrics" || fail "no metrics of the counter"
grep -qx 'redoubt_host_reads_secrets 1' "$tmp/metrics" || fail "metrics do not say that hosts read secrets"

# --- what is not built is refused, and changes nothing
cp -r "$dir/cluster.yaml" "$tmp/before.yaml"
refuses 1 "hybster: how many replicas there are cannot be changed yet" "$redoubt" add "$dir" --host 127.0.0.1
cmp -s "$dir/cluster.yaml" "$tmp/before.yaml" || fail "what was refused changed cluster.yaml"
"$redoubt" backup "$dir" "$tmp/backup" 2>/dev/null && "$redoubt" verify "$tmp/backup" --key "$dir/backup.key" >/dev/null || fail "backup"
refuses 2 "protocol hybster: it cannot begin with a backup" "$redoubt" restore "$tmp/backup" "$tmp/restored" --key "$dir/backup.key" --protocol hybster

# --- one that lies, or shows different proposals; as a follower and as the leader
n=3
for kind in lie equivocate corrupt-replies; do
    for id in 1 0; do
        "$redoubt" fault "$dir" --id $id --kind $kind || fail "fault $kind"
        n=$((n + 1))
        expect $n call incr n
        expect $n call get n
        "$redoubt" fault "$dir" --id $id --kind none || fail "fault none"
    done
done
# A forged vote that comes when the slot is settled is not looked at, so several.
forged() { status 'sum(s["replicas"][i]["counter"]["forged"] for i in (0, 2))'; }
"$redoubt" fault "$dir" --id 1 --kind lie || fail "fault lie"
for _ in $(seq 40); do
    [ "$(forged)" -eq 0 ] || break
    n=$((n + 1))
    expect $n call incr n
done
"$redoubt" fault "$dir" --id 1 --kind none || fail "fault none"
[ "$(forged)" -gt 0 ] || fail "lies were not counted"

# --- one that says nothing
"$redoubt" fault "$dir" --id 2 --kind silent || fail "fault"
n=$((n + 1))
expect $n call incr n
"$redoubt" fault "$dir" --id 2 --kind none || fail "fault none"

# --- two of three lie to clients: no answer, not a wrong one
for id in 0 1; do "$redoubt" fault "$dir" --id $id --kind corrupt-replies || fail "fault"; done
timeout 20 "$redoubt" call "$dir" --timeout 1500 get n >"$tmp/out" 2>/dev/null && fail "an answer from one honest replica: $(cat "$tmp/out")"
[ ! -s "$tmp/out" ] || fail "something was said: $(cat "$tmp/out")"
for id in 0 1; do "$redoubt" fault "$dir" --id $id --kind none || fail "fault none"; done
expect $n call get n

# --- the leader is killed: the other two go on in another view
view=$(status 's["replicas"][1]["view"]')
leader=$((view % 3))
kill -9 "$(status "s['replicas'][$leader]['pid']")"
started=$(date +%s%N)
n=$((n + 1))
expect $n call incr n
took=$((($(date +%s%N) - started) / 1000000))
[ $took -lt 3000 ] || fail "$took ms until there was a leader again"
wait_for 5 grep -q "replica $leader ended: signal 9" "$tmp/up.log" || fail "not reported"
[ "$(status "s['replicas'][$(((leader + 1) % 3))]['view']")" -gt "$view" ] || fail "no other view"
for _ in 1 2 3; do n=$((n + 1)); expect $n call incr n; done

# --- started again without --rejoin it draws another counter, which nobody lists: it does not serve, and says so
timeout 20 "$redoubt" replica "$dir" --id $leader --wait 2 >"$tmp/again.log" 2>&1 && fail "a replica that starts again serves"
grep -q "no manifest with its keys" "$tmp/again.log" || fail "it does not say why"
n=$((n + 1))
expect $n call incr n

# --- of the two that are left one loses its counter: it stops voting, and one is too few. No answer
last=$(((leader + 1) % 3))
kill -9 "$(status "s['replicas'][$last]['compartments'][1]['pid']")"
wait_for 10 grep -q "replica $last: counter died: .*: this replica stops voting" "$tmp/up.log" || fail "no word of the counter"
expect False status "s['replicas'][$last]['voting']"
timeout 20 "$redoubt" call "$dir" --timeout 1500 get n >"$tmp/out" 2>/dev/null && fail "an answer from one replica: $(cat "$tmp/out")"
[ ! -s "$tmp/out" ] || fail "something was said: $(cat "$tmp/out")"
kill "$up_pid"
wait "$up_pid"

# --- two pillars, the leader killed: what was decided in both stays, and both go on
init_cluster pillars --protocol hybster --pillars 2 --front off
grep -q '^pillars: 2 ' "$dir/cluster.yaml" || fail "init --pillars does not write it"
sed -i 's/^request_timeout_ms: .*/request_timeout_ms: 500/' "$dir/cluster.yaml"
echo "restart: never" >>"$dir/cluster.yaml"
up_cluster
"$redoubt" status "$dir" | grep -q '^hybster with 2 pillars, 3 replicas' || fail "status does not say how many pillars"
expect 2 status 's["replicas"][2]["counter"]["pillars"]'
for n in 1 2 3 4 5; do expect $n call incr n; done
leader=$(($(status 's["replicas"][1]["view"]') % 3))
kill -9 "$(status "s['replicas'][$leader]['pid']")"
for n in 6 7 8 9; do expect $n call incr n; done
expect 0 status 'sum(r["counter"]["forged"] + r["counter"]["refused"] for r in s["replicas"] if "counter" in r)'
kill "$up_pid"
wait "$up_pid"

# --- as on two machines: the key of another's counter begins nothing, the right one does
init_cluster two --protocol hybster --service counter
cp -r "$dir" "$tmp/far"
run_replica() { # ID DIR
    "$redoubt" replica "$2" --id "$1" --wait 60 >"$tmp/replica-$1.log" 2>&1 &
    pids+=($!)
}
run_replica 0 "$dir"
run_replica 1 "$tmp/far"
run_replica 2 "$dir"
wait_for 20 test -e "$tmp/far/replica-1/hello" || fail "no hello"
cp "$tmp/far/replica-1/hello" "$dir/replica-1/"
"$redoubt" start "$dir" || fail "start"
cp "$dir/replica-0/counter-key" "$tmp/far/replica-1/counter-key"
cp "$dir/replica-1/manifest" "$tmp/far/replica-1/"
wait_for 10 grep -q "replica-1/counter-key is not there, not whole or of another start" "$tmp/replica-1.log" || fail "another's counter key is taken"
expect 503 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$((base + 16))/healthz"
count() { call "$@" | sed "s/ .*//"; }
expect 1 count incr # two of three do
cp "$dir/replica-1/counter-key" "$tmp/far/replica-1/"
wait_for 10 curl -sf "http://127.0.0.1:$((base + 16))/healthz" || fail "with its own key it does not serve either"
expect 2 count incr
echo ok
