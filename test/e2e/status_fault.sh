#!/usr/bin/env bash
# `redoubt fault`: only where it was allowed; each kind leaves answers right; lies are counted by those who see them.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
up_cluster
refuses 1 "replica 1: not running, or not started with --allow-faults" "$redoubt" fault "$dir" --id 1 --kind lie
down_cluster
refuses 1 "replica 1: not running" "$redoubt" fault "$dir" --id 1 --kind lie
refuses 2 "kind frobnicate" "$redoubt" fault "$dir" --id 1 --kind frobnicate
refuses 1 "there are 4 replicas" "$redoubt" fault "$dir" --id 4 --kind lie

up_cluster --allow-faults
expect 600 stat -c %a "$dir/replica-1/control"
n=0
for kind in lie corrupt-replies slow silent equivocate; do
    for id in 1 0; do # a backup, then the primary of the first view
        "$redoubt" fault "$dir" --id $id --kind $kind || fail "fault $kind"
        expect "$kind" status "s['replicas'][$id]['fault']"
        for _ in 1 2 3; do
            n=$((n + 1))
            expect "$n" call incr counted
        done
        expect "$n" call get counted
        "$redoubt" fault "$dir" --id $id --kind none || fail "fault none"
    done
    if [ $kind = lie ]; then
        [ "$(status 'sum(v for i in (2, 3) for k, v in s["replicas"][i]["verdicts"].items() if k in ("bad-mac", "bad-signature", "unknown-sender", "mismatch", "equivocation"))')" -gt 0 ] ||
            fail "lies were not counted"
    fi
done
expect "$n" call get counted

"$redoubt" status "$dir" >"$tmp/status" || fail "status"
grep -q "^trusted: " "$tmp/status" || fail "status does not say what is trusted"
grep -q "^durability: sync" "$tmp/status" || fail "status does not say what is durable"
expect "['activation', 'cache', 'catching_up', 'clients', 'compartments', 'configuration', 'disk', 'durability', 'epoch', 'fault', 'front', 'full', 'id', 'isolation', 'lag', 'links', 'members', 'pending', 'pid', 'slot', 'stable', 'verdicts', 'view', 'voting']" \
    status 'sorted(s["replicas"][0])'
# The second start: it went on from the disks.
expect "('splitbft', 2, 4)" status 's["protocol"], s["configuration"], len(s["replicas"])'
down_cluster
[ ! -e "$dir/replica-1/control" ] || fail "the control socket stays behind"
echo ok
