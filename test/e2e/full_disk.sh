#!/usr/bin/env bash
# `durability: sync` on a disk that runs full: the replicas stop voting and say why; when there is room they go on by themselves, and
# nothing that was acknowledged is lost. Needs root, for a small file system of its own.
. "$(dirname "$0")/lib_cluster.sh"

if [ "$(id -u)" -ne 0 ] || ! mkdir "$tmp/small" || ! mount -t tmpfs -o size=160m none "$tmp/small" 2>/dev/null; then
    echo "SKIP: no small file system can be mounted (that needs root)"
    exit 77
fi
leave() {
    local code=$?
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    umount -l "$tmp/small"
    (exit $code)
    finish
}
trap leave EXIT

init_cluster small/disk --durability sync
up_cluster
# Clients live elsewhere: they note their epochs in their own folder, which needs room too.
client=$tmp/client
clients_folder() {
    rm -rf "$client"
    mkdir "$client"
    cp -a "$dir"/{cluster.yaml,endpoints.json,manifest,admin.pub,clients,clients.pub} "$client/"
}
clients_folder
call() { timeout 30 "$redoubt" call "$client" --timeout 10000 "$@"; }
expect ok call put before full
wait_for 5 test -e "$dir/replica-3/log/00000001.log"
fallocate -l "$(($(df --output=avail -B1 "$tmp/small" | tail -1) - 256 * 1024))" "$tmp/small/ballast"

# Until the first file of the logs is full and there is no room for a second one.
value=$(head -c 60000 /dev/zero | tr '\0' v)
full() { [ "$(grep -c "no room for the log: .*: this replica stops voting until there is room" "$tmp/up.log")" -ge 2 ]; }
end=$((SECONDS + 90))
for i in $(seq 20000); do
    full || [ $SECONDS -gt $end ] && break
    [ "$("$redoubt" call "$client" --timeout 4000 put "k$i" - <<<"$value" 2>/dev/null)" = ok ] && last=$i
done
full || fail "nobody says that the disk is full: $(ls -s "$dir"/replica-*/log "$dir"/replica-*/checkpoint; df "$tmp/small")"
who=$(sed -n 's/.*error replica \([0-3]\): .*no room for the log.*/\1/p' "$tmp/up.log" | head -1)
expect full status "s['replicas'][$who]['disk']['state']"
expect False status "s['replicas'][$who]['voting']"
curl -s "http://127.0.0.1:$((base + 10 * who + 6))/metrics" >"$tmp/metrics"
grep -q '^redoubt_disk_good 0' "$tmp/metrics" || fail "/metrics does not say so"

rm "$tmp/small/ballast"
wait_for 10 grep -q "the disk has room again" "$tmp/up.log" || fail "it does not go on"
wait_for 40 "$redoubt" call "$client" --timeout 3000 put after full || fail "no operation after there is room"
expect full call get before
expect 60002 bash -c "'$redoubt' call '$client' get k$last | wc -c"
down_cluster
up_cluster
clients_folder
expect full call get after
down_cluster
echo ok
