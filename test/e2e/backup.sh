#!/usr/bin/env bash
# A backup of a cluster that serves; what of it is refused, and why; and a new cluster that begins with it: with both durabilities, kv
# and counter, old and new clients.
. "$(dirname "$0")/lib_cluster.sh"

verify() { "$redoubt" verify "$@"; }

# flip FILE PLACE: one bit of that byte.
flip() {
    local old
    old=$(dd if="$1" bs=1 skip="$2" count=1 2>/dev/null | od -An -tu1)
    printf "\\$(printf %o $((old ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# from_json FILE EXPRESSION: of the document `v`.
from_json() {
    verify "$1" --key "$old/backup.key" --json | python3 -c 'import json,sys; v = json.load(sys.stdin); print(eval(sys.argv[1]))' "$2"
}

restore() {
    base=$(free_base 4)
    "$redoubt" restore "$@" --key "$old/backup.key" --base-port "$base" 2>"$tmp/restore.log" ||
        fail "restore $*: $(cat "$tmp/restore.log")"
}

# ---------------------------------------------------------------------------------------------- kv, under load
init_cluster first
old=$dir
up_cluster
for i in $(seq 20); do expect ok call put "kept$i" "value$i"; done
load() { "$redoubt" bench "$dir" --workload set --clients 8 --keys 20000 --value-bytes 1000 --json "$@" 2>"$tmp/bench.log"; }
load --seconds 1 >/dev/null || load --seconds 10 >/dev/null || fail "no load"
# The load writes all keys once more before it begins; it must be served all the while, and outlast the backup. On a starved machine that writing may
# come to no end, or the backup behind the load: then once more. Whatever else goes wrong is wrong.
under_load() {
    load --seconds "$1" --warmup 1 >"$tmp/bench.json" &
    bench=$!
    pids+=($bench)
    sleep 3
    timeout 60 "$redoubt" backup "$dir" "$tmp/one.backup" --force 2>"$tmp/backup.log" || fail "backup under load: $(cat "$tmp/backup.log")"
    kill -0 $bench 2>/dev/null
    local outlasted=$?
    if ! wait $bench; then
        grep -q "loading keys: the deadline passed" "$tmp/bench.log" || fail "the load broke"
        return 1
    fi
    python3 -c 'import json,sys; b = json.loads(open(sys.argv[1]).read().strip().splitlines()[-1]); assert b["errors"] == 0 and b["ops"] > 1000, b' \
        "$tmp/bench.json" || fail "not served during a backup"
    return $outlasted
}
under_load 15 || under_load 30 || fail "the backup took longer than the load"
expect 600 stat -c %a "$tmp/one.backup"
expect "" find "$tmp" -name '*.tmp'
expect kv from_json "$tmp/one.backup" 'v["service"]'
expect True from_json "$tmp/one.backup" 'v["leaves_checked"] and v["signers"] >= 3 and v["bytes"] > 20000000'
verify "$tmp/one.backup" | grep -q "without --key nothing was decrypted" || fail "it does not say what it did not check"
verify "$tmp/one.backup" --admin "$old/admin.pub" | grep -q "^admin" && fail "the administrator is known"

# Never over another file without being asked.
refuses 1 'one.backup: it exists' "$redoubt" backup "$dir" "$tmp/one.backup"
expect ok call put late word
"$redoubt" backup "$dir" "$tmp/two.backup" --id 1 2>/dev/null || fail "a second backup, of replica 1"
cp "$tmp/one.backup" "$tmp/again.backup"
"$redoubt" backup "$dir" "$tmp/again.backup" --force 2>/dev/null || fail "backup --force"
expect 1 from_json "$tmp/two.backup" 'v["replica"]'
expect 3 bash -c "wc -l <$old/backups"

# Who is not the administrator gets none, whichever key he names.
init_cluster stranger
cp -r "$old" "$tmp/forger"
cp "$dir/admin.key" "$tmp/forger/admin.key"
refuses 1 'manifest: its manifest is forged' "$redoubt" backup "$tmp/forger" "$tmp/forged.backup" --id 0
[ -e "$tmp/forged.backup" ] && fail "a backup for a stranger"

# --- refused, and why
one=$tmp/one.backup bad=$tmp/bad.backup key=$old/backup.key
size=$(stat -c %s "$one")
for place in 10 60 3000 $((size / 2)) $((size - 300)) $((size - 1)); do
    cp "$one" "$bad"
    flip "$bad" "$place"
    refuses 1 'bad.backup: refused: ' "$redoubt" verify "$bad"
    refuses 1 'bad.backup: refused: ' "$redoubt" verify "$bad" --key "$key"
    refuses 1 'bad.backup: refused: ' "$redoubt" restore "$bad" "$tmp/none" --key "$key"
done
[ -e "$tmp/none" ] && fail "a folder from a backup that was refused"
head -c $((size / 2)) "$one" >"$bad"
refuses 1 'bad.backup: refused: it is cut off' "$redoubt" verify "$bad" --key "$key"
: >"$bad"
refuses 1 'bad.backup: refused: it is cut off' "$redoubt" verify "$bad"
{ cat "$one"; echo; } >"$bad"
refuses 1 'bad.backup: refused: ' "$redoubt" verify "$bad" --key "$key"
refuses 1 'refused: it is of another administrator' "$redoubt" verify "$one" --key "$tmp/stranger/backup.key"
refuses 1 'refused: it is of another administrator' "$redoubt" verify "$one" --admin "$tmp/stranger/admin.pub"
refuses 1 'none.backup: No such file' "$redoubt" verify "$tmp/none.backup"
chmod 644 "$key"
refuses 1 'a secret that others may read' "$redoubt" verify "$one" --key "$key"
chmod 600 "$key"

# --- stale
slot=$(from_json "$one" 'v["slot"]')
verify "$one" --newer-than $((slot - 1)) >/dev/null || fail "newer than the slot before"
refuses 1 "refused: stale: it is of slot $slot" "$redoubt" verify "$one" --newer-than "$slot"
refuses 1 'refused: stale: it is of 20' "$redoubt" verify "$one" --newer-than "$(date -u -d '+1 hour' +%FT%TZ)"
verify "$one" --newer-than "$(date -u -d '-1 hour' +%FT%TZ)" >/dev/null || fail "newer than an hour ago"
refuses 1 'neither a slot nor a time' "$redoubt" verify "$one" --newer-than yesterday
refuses 1 'refused: stale: .* was taken later' "$redoubt" verify "$one" --ledger "$old/backups"
refuses 1 'refused: stale: .* was taken later' "$redoubt" restore "$one" "$tmp/none" --key "$key" --ledger "$old/backups"
verify "$tmp/again.backup" --ledger "$old/backups" --key "$key" >/dev/null || fail "the last one is not stale"
down_cluster
refuses 1 'does not answer' "$redoubt" backup "$old" "$tmp/down.backup" --id 2
[ -e "$tmp/down.backup" ] && fail "a backup of nothing"

# ---------------------------------------------------------------------------------------------- a new cluster, old clients
dir=$tmp/second
restore "$tmp/again.backup" "$dir" --clients "$old/clients"
grep -q "^slot" "$dir/restored" || fail "no record of what was restored"
cmp -s "$old/clients/003.key" "$dir/clients/003.key" || fail "the old clients' keys"
flip "$dir/replica-2/restore" 5000 # all four are one file
cp "$dir/replica-2/restore" "$tmp/tampered"
flip "$dir/replica-2/restore" 5000
rm "$dir/replica-2/restore"
mv "$tmp/tampered" "$dir/replica-2/restore"
up_cluster
for i in $(seq 20); do expect "value$i" call get "kept$i"; done
expect word call get late
expect ok call put after disaster
grep -q "replica 0: restored" "$tmp/up.log" || fail "replica 0 does not say that it restored"
grep -q "replica 2: replica-2/restore: not used" "$tmp/up.log" || fail "replica 2 took what is not in the manifest"
# It takes a checkpoint behind what was restored, so load, on a busy machine more of it.
has_state() {
    "$redoubt" bench "$dir" --workload set --clients 8 --keys 1000 --seconds 2 --warmup 0 >/dev/null 2>"$tmp/bench.log" || return 1
    [ "$(status "s['replicas'][2]['stable'] > 0 and s['replicas'][2]['lag'] < 300 and s['replicas'][2]['slot'] > 0")" = True ]
}
wait_for 1 has_state || fail "replica 2 does not get the state of the others"

# A member that was renewed: its signatures count by what the file shows of it. And one that comes back into a restored cluster.
full_again() { [ "$(status "str(s['replicas'][1].get('full')) + str(s['replicas'][1].get('epoch') != $1)")" = TrueTrue ]; }
epoch=$(status "s['replicas'][1]['epoch']")
kill -9 "$(status "s['replicas'][1]['pid']")"
wait_for 60 full_again "$epoch" || fail "replica 1 did not come back into a restored cluster"
"$redoubt" backup "$dir" "$tmp/renewed.backup" --id 1 2>/dev/null || fail "a backup from a member that was renewed"
verify "$tmp/renewed.backup" --key "$dir/backup.key" >/dev/null || fail "verify a backup from a member that was renewed"
down_cluster

# ---------------------------------------------------------------------------------------------- sync: power losses before and after
# a checkpoint is saved; new clients
lose_power() {
    local host hosts all
    hosts=$(pgrep -P "$up_pid")
    all="$up_pid $hosts"
    for host in $hosts; do all="$all $(pgrep -P "$host")"; done
    kill -9 $all 2>/dev/null
    wait "$up_pid" 2>/dev/null
    for host in $all; do wait_for 5 bash -c "! kill -0 $host" || fail "process $host is still there"; done
}

dir=$tmp/third
restore "$tmp/two.backup" "$dir" --durability sync --clients 8
expect 8 bash -c "ls '$dir/clients' | wc -l"
up_cluster
expect word call get late
expect ok call put third time
lose_power
up_cluster
expect value7 call get kept7
expect time call get third
kill -9 "$(status "s['replicas'][3]['pid']")"
"$redoubt" backup "$dir" "$tmp/three.backup" 2>"$tmp/backup.log" || fail "a backup after a power loss, with a replica down"
grep -q "replica 3: .*: asking another" "$tmp/backup.log" || fail "replica 3 is not named"
lose_power
up_cluster
expect value8 call get kept8
expect time call get third
down_cluster
verify "$tmp/three.backup" --key "$dir/backup.key" >/dev/null || fail "the backup of a restored cluster that resumed"

# ---------------------------------------------------------------------------------------------- counter; pbft
init_cluster counting --service counter --durability sync
old=$dir
up_cluster
expect "5 (this client: 5)" call incr 5
"$redoubt" backup "$dir" "$tmp/counter.backup" 2>/dev/null || fail "backup of counter"
down_cluster
refuses 2 'the backup is of service counter' "$redoubt" restore "$tmp/counter.backup" "$tmp/none" --key "$old/backup.key" --service kv
dir=$tmp/fourth
restore "$tmp/counter.backup" "$dir" --protocol pbft --clients "$old/clients"
up_cluster
expect "6 (this client: 6)" call incr 1
down_cluster
echo ok
