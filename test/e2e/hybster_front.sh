#!/usr/bin/env bash
# Stock clients of a Hybster cluster, three replicas: curl and redis-cli over TLS at any of them. Right answers while one replica lies and
# when the leader is killed; an error, rather than a wrong answer, when two of three lie or one is left.
. "$(dirname "$0")/lib_cluster.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

init_cluster one --protocol hybster --front on
sed -i 's/^request_timeout_ms: .*/request_timeout_ms: 500/; s/^front: on.*/front: on\nfront_operation_ms: 3000/' "$dir/cluster.yaml"
echo "restart: never" >>"$dir/cluster.yaml"
grep -q '^fast_reads: off' "$dir/cluster.yaml" || fail "hybster has no fast reads, and cluster.yaml does not say so"
up_cluster --allow-faults --seconds 600
rediss() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p $((base + 10 * $1 + 3)) "${@:2}"; }
https() { timeout 20 curl -sf --cacert "$dir/ca.pem" "https://localhost:$((base + 10 * $1 + 2))/kv/$2" "${@:3}"; }
sets() { [ "$(rediss "$1" set n "$2")" = OK ]; }
serves() { [ "$(rediss "$1" get key)" = "$2" ] && [ "$(https "$1" key)" = "$2" ]; }

# --- any replica, both protocols, and the native client sees the same
for r in 0 1 2; do wait_for 10 rediss $r ping || fail "replica $r serves nobody"; done
for r in 0 1 2; do
    expect OK rediss $r set key "of $r"
    for other in 0 1 2; do expect "of $r" rediss $other get key; done
    https $r page -X PUT --data-binary "page $r" || fail "PUT at replica $r"
    for other in 0 1 2; do expect "page $r" https $other page; done
done
expect "of 2" call get key
expect "['serving', 'serving', 'serving']" status '[r["front"]["state"] for r in s["replicas"]]'
expect True status 'all(any(c["kind"] == "troxy" and "seccomp" in c["sandbox"] for c in r["compartments"]) for r in s["replicas"])'

# --- one that lies, to peers and to Troxies, or says nothing; as a follower and as the leader. Clients are at its own Troxy, and at another
n=0
for kind in lie corrupt-replies silent; do
    for id in 1 0; do
        "$redoubt" fault "$dir" --id $id --kind $kind || fail "fault $kind"
        for r in $id 2; do
            n=$((n + 1))
            wait_for 20 sets $r "$n" || fail "$kind at replica $id: no write at $r"
            expect "$n" rediss $r get n
        done
        "$redoubt" fault "$dir" --id $id --kind none || fail "fault none"
    done
done

# --- two of three lie to clients: an error, not a wrong answer
for id in 0 1; do "$redoubt" fault "$dir" --id $id --kind corrupt-replies || fail "fault"; done
rediss 2 get key >"$tmp/wrong" 2>&1
grep -q "of 2" "$tmp/wrong" && fail "an answer from one honest replica"
grep -qE '^(ERR|UNKNOWN|Error|TIMEOUT|TRYAGAIN|\(error\))' "$tmp/wrong" || fail "what is this: $(cat "$tmp/wrong")"
[ "$(timeout 20 curl -s -o "$tmp/page" -w '%{http_code}' --cacert "$dir/ca.pem" "https://localhost:$((base + 22))/kv/page")" -ge 500 ] || fail "an answer by HTTP: $(cat "$tmp/page")"
for id in 0 1; do "$redoubt" fault "$dir" --id $id --kind none || fail "fault none"; done
wait_for 10 serves 2 "of 2" || fail "it does not serve again"

# --- the leader is killed, with its Troxy: clients go to another, which serves on
view=$(status 's["replicas"][1]["view"]')
leader=$((view % 3))
next=$(((leader + 1) % 3))
kill -9 "$(status "s['replicas'][$leader]['pid']")"
n=$((n + 1))
wait_for 20 sets $next "$n" || fail "no write without the leader"
expect "$n" rediss $next get n
rediss $leader ping >/dev/null 2>&1 && fail "the front of a replica that is dead still serves"
expect "page 2" https $next page

# --- one is left: no answer
other=$(((leader + 2) % 3))
kill -9 "$(status "s['replicas'][$other]['pid']")"
rediss $next set key lost >"$tmp/lost" 2>&1
grep -qx OK "$tmp/lost" && fail "a write on the word of one replica"
kill "$up_pid"
wait "$up_pid"
echo ok
