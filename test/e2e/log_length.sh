#!/usr/bin/env bash
# `log_mb` smaller than what is logged between two checkpoints: nobody could save one if votes stopped at log_mb in between.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster long --durability sync
sed -i 's/^log_mb: .*/log_mb: 64/' "$dir/cluster.yaml"
up_cluster
bench() {
    timeout 100 "$redoubt" bench "$dir" --workload set --clients 24 --origins 8 --keys 100 --value-bytes 65536 --seconds "$1" \
        --json >"$tmp/bench.json" 2>"$tmp/bench.log" || fail "bench: $(cat "$tmp/bench.log")"
}
bench 15
saved() { status "min(r['disk']['checkpoint_slot'] for r in s['replicas'])"; }
expect 0 python3 -c "import json; print(json.load(open('$tmp/bench.json'))['errors'])"
wait_for 30 bash -c "! grep -q 'stops voting until a checkpoint is saved' <(tail -1 '$tmp/up.log')" || fail "it does not vote again"
for who in 0 1 2 3; do
    wait_for 20 test "$(du -sm "$dir/replica-$who/log" | cut -f1)" -lt 704 || fail "the log of replica $who is too long"
done
down_cluster
up_cluster # a life that begins with a log that is long
expect ok timeout 30 "$redoubt" call "$dir" --timeout 20000 put after all
bench 5
down_cluster
echo ok
