# For sourcing by clients_*.sh, after lib_cluster.sh: one story that every stock client goes through.
#
# A client is a function: NAME SECONDS REPLICA... runs its checks for at least so long (0: once) against the first of these replicas, and
# against the next when that one ends its connection. It fails when an answer is wrong, or when it got none from any of them.
# `alone` is a replica, too: a standalone server that start_alone began, in which a test puts what is wrong.

# at REPLICA PROTOCOL: its port. ca REPLICA: what its certificate is checked against.
at() {
    local offset=2
    [ "$2" = rediss ] && offset=3
    [ "$1" = alone ] && { echo $((alone_base + offset)); return; }
    echo $((base + 10 * $1 + offset))
}
ca() { if [ "$1" = alone ]; then echo "$tmp/alone/ca.pem"; else echo "$dir/ca.pem"; fi; }

# wrong WHAT...: of a client's function, what it saw.
wrong() {
    echo "${FUNCNAME[1]}: $*" >&2
    return 1
}

clients_cluster() { # SERVICE
    init_cluster one --service "$1" --durability memory
    sed -i 's/^front: on.*/front: on\nfront_operation_ms: 15000/' "$dir/cluster.yaml" # a machine may be busy with more than this
    up_cluster --allow-faults --seconds 600
}

start_alone() { # SERVICE
    local rediss=()
    alone_base=$(free_base 1)
    [ "$1" = kv ] && rediss=(--rediss "$(at alone rediss)")
    : >"$tmp/alone.out"
    "$redoubt" standalone --service "$1" --https "$(at alone https)" "${rediss[@]}" --dir "$tmp/alone" >"$tmp/alone.out" 2>"$tmp/alone.log" &
    pids+=($!)
    wait_for 20 grep -qx ready "$tmp/alone.out" || fail "standalone: not ready"
}

pid_of() { status "s['replicas'][$1]['pid']"; }
primary() { status 'max(r["view"] for r in s["replicas"] if "view" in r) % 4'; }

# kill_replica ID: sets `killed`; back: it votes and serves again, so that another one may fail.
kill_replica() {
    victim=$1
    killed=$(pid_of "$1")
    kill -9 "$killed"
}
is_back() { [ "$(status "[r.get('full') and r['pid'] != $killed and r['front']['state'] == 'serving' for r in s['replicas']][$victim]")" = True ]; }
back() { wait_for 60 is_back || fail "replica $victim did not come back"; }

# during ID "REPLICA..." CLIENT...: the replica is killed with -9 while all these clients run, which must all end well.
during() {
    local id=$1 replicas=$2 client i=0 running=()
    shift 2
    for client; do
        "$client" 3 $replicas >"$tmp/$client.log" 2>&1 &
        running+=($!)
    done
    sleep 1
    for client; do kill -0 "${running[i++]}" 2>/dev/null || fail "$client was not running any more: $(cat "$tmp/$client.log")"; done
    kill_replica "$id"
    i=0
    for client; do wait "${running[i++]}" || fail "$client, replica $id killed, at $replicas: $(cat "$tmp/$client.log")"; done
    back
}

# story CLIENT...: fault-free, and under f faults, which come one after the other.
story() {
    local client one other
    for client; do "$client" 0 0 || fail "$client, fault-free"; done
    echo "fault-free: $*"
    "$redoubt" fault "$dir" --id 2 --kind lie || fail "fault"
    for client; do
        "$client" 0 0 || fail "$client, replica 2 lies"
        "$client" 0 2 || fail "$client, at the replica that lies"
    done
    [ "$(curl -s "http://127.0.0.1:$((base + 26))/metrics" | awk '$1 == "redoubt_faults_done_total" { print ($2 > 0) }')" = 1 ] || fail "it did not lie"
    echo "replica 2 lies: $*"
    during 2 0 "$@"
    echo "the liar is killed while they run: $*"
    one=$(primary)
    other=$(((one + 1) % 4))
    during "$one" $other "$@"
    echo "the primary is killed while they run at another: $*"
    one=$(primary)
    other=$(((one + 2) % 4))
    during "$other" "$other $one" "$@"
    echo "the replica that they talk to is killed: $*"
}

# sees COMMAND...: a client's checks, which must fail: the twin of those that passed.
sees() {
    "$@" >"$tmp/sees.log" 2>&1 && fail "$*: all right, it says, of what is wrong"
    [ -s "$tmp/sees.log" ] || fail "$*: failed without a word"
    sed 's/^/seen: /' "$tmp/sees.log" | head -1
}
