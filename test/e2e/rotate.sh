#!/usr/bin/env bash
# redoubt rotate: a host goes over to another link key while clients go on; the key of before is refused from then on. Run twice,
# broken off by force, and with a host that gets its key late.
. "$(dirname "$0")/lib_cluster.sh"

rotate() { timeout 120 "$redoubt" rotate "$dir" --wait 100 "$@" 2>"$tmp/rotate.log"; }
said() { grep -q "$1" "$tmp/rotate.log"; }
link_key() { status "s['replicas'][$1]['members'][$2]['link']"; }
member_key() { openssl pkey -in "$1/host.key" -pubout -outform DER | tail -c 32 | xxd -p -c 64 | cut -c1-16; }
strangers() { curl -s "http://127.0.0.1:$((base + 6))/metrics" | sed -n 's/^redoubt_strangers_total //p'; }
knock() { # with the keys in a folder: was it refused?
    local before
    before=$(strangers)
    timeout 5 openssl s_client -connect "127.0.0.1:$base" -cert "$1/host.crt" -key "$1/host.key" </dev/null >/dev/null 2>&1
    echo $(($(strangers) - before))
}
linked() { [ "$(status '[r["links"] for r in s["replicas"]]')" = "[3, 3, 3, 3]" ]; }

init_cluster one
up_cluster --seconds 300
expect ok call put a 1
"$redoubt" bench "$dir" --workload set --clients 4 --seconds 25 --json >"$tmp/bench.out" 2>"$tmp/bench.log" &
bench=$!
pids+=("$bench")

cp -a "$dir/replica-1" "$tmp/before"
rotate --id 1 || fail "rotate 1: $(cat "$tmp/rotate.log")"
said "its host goes on with it" || fail "the host does not take it"
[ "$(member_key "$dir/replica-1")" != "$(member_key "$tmp/before")" ] || fail "the same key"
for r in 0 1 2 3; do
    [ "$(link_key $r 1)" = "$(member_key "$dir/replica-1")" ] || fail "replica $r knows another key"
done
wait_for 10 linked || fail "links: $(status '[r["links"] for r in s["replicas"]]')"
expect 1 knock "$tmp/before"
expect 0 knock "$dir/replica-1"
expect 1 call get a

rotate --id 1 || fail "the second time"
said "the rotation of 20.* is done; --again for another" || fail "it does not say so"
expect 2 status 's["configuration"]'
rotate --id 1 --again || fail "once more"
expect 3 status 's["configuration"]'
expect 1 knock "$tmp/before"

# Broken off by force after each of its steps.
for step in "$dir/replica-2/next.begun" "$dir/replica-2/next" "has its new link key"; do
    "$redoubt" rotate "$dir" --id 2 2>"$tmp/broken.log" &
    pid=$!
    for _ in $(seq 400); do
        if [ "${step:0:1}" = / ]; then [ -e "$step" ] && break; else grep -q "$step" "$tmp/broken.log" && break; fi
        kill -0 $pid 2>/dev/null || break
        sleep 0.01
    done
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
done
rotate --id 2 || fail "rotate 2: $(cat "$tmp/rotate.log")"
wait_for 10 linked || fail "links after rotating 2: $(status '[r["links"] for r in s["replicas"]]')"
[ "$(link_key 0 2)" = "$(member_key "$dir/replica-2")" ] || fail "another key than that of the folder"
expect 4 status 's["configuration"]'

# A host that does not have its new key yet goes on with the one of before, even when it starts anew meanwhile.
mkdir "$tmp/elsewhere"
cp -a "$dir"/{cluster.yaml,endpoints.json,manifest,members,admin.key,admin.pub} "$tmp/elsewhere"
cp -a "$dir/replica-3" "$tmp/elsewhere/"
timeout 60 "$redoubt" rotate "$tmp/elsewhere" --id 3 2>"$tmp/rotate.log" || fail "rotate 3 from elsewhere"
said "copy .*/replica-3/next to its host" || fail "it does not say what to copy: $(cat "$tmp/rotate.log")"
wait_for 5 grep -q "replica 3: this host has a new link key, which is not here yet" "$tmp/up.log" || fail "host 3 says nothing"
victim=$(status "s['replicas'][3]['pid']")
kill -9 "$victim"
came_back() { linked && [ "$(status "s['replicas'][3]['full']")" = True ]; }
wait_for 60 came_back || fail "replica 3 does not come back with the key of before"
cp -a "$tmp/elsewhere/replica-3/next" "$dir/replica-3/next"
wait_for 10 grep -q "replica 3: goes on with its new link key" "$tmp/up.log" || fail "host 3 does not take its key"
wait_for 10 linked || fail "links at the end: $(status '[r["links"] for r in s["replicas"]]')"

wait $bench || fail "bench: $(cat "$tmp/bench.log")"
[ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["errors"])' "$tmp/bench.out")" = 0 ] ||
    fail "a client that was open saw errors: $(cat "$tmp/bench.out")"
down_cluster
up_cluster # with the keys of now
expect "[3, 3, 3, 3]" status '[r["links"] for r in s["replicas"]]'
down_cluster
echo ok
