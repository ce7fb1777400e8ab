#!/usr/bin/env bash
# redoubt replace: alive and dead, to another address, run twice, broken off by force after each step; the machine of before is
# locked out; clients that were open go on, and so do those with an old folder.
. "$(dirname "$0")/lib_cluster.sh"

replace() { timeout 120 "$redoubt" replace "$dir" --wait 100 "$@" 2>"$tmp/replace.log"; }
said() { grep -q "$1" "$tmp/replace.log"; }
link_key() { status "[r for r in s['replicas'] if r.get('members')][0]['members'][$1]['link']"; }
member_key() { openssl pkey -in "$1/host.key" -pubout -outform DER 2>/dev/null | tail -c 32 | xxd -p -c 64 | cut -c1-16; }
is_full() { [ "$(status "s['replicas'][$1].get('full')")" = True ]; }
all_full() { [ "$(status "[r.get('full') for r in s['replicas']]")" = "[True, True, True, True]" ]; }

init_cluster one
up_cluster --seconds 400
cp -a "$dir" "$tmp/old"
rm "$tmp"/old/clients/00[0-7].key # another client's folder: two programs with one key shut each other out
expect ok call put a 1
"$redoubt" bench "$dir" --workload set --clients 4 --seconds 55 --json >"$tmp/bench.out" 2>"$tmp/bench.log" &
bench=$!
pids+=("$bench")

# One that runs.
before=$(link_key 2)
replace --id 2 || fail "replace 2"
said "replica 2: replaced, and full again" || fail "not full"
[ "$(link_key 2)" != "$before" ] || fail "the link key is the same"
[ "$(link_key 2)" = "$(member_key "$dir/replica-2")" ] || fail "another key than that of the folder"
expect 1 call get a
expect 4 status 's["configuration"]'

# The second time there is nothing to do, and nothing is done.
replace --id 2 || fail "the second time"
said "replica 2: the replacement of 20.* is done (configuration 4); --again for another" || fail "it does not say so"
expect 4 status 's["configuration"]'

# What the machine of before has opens no link any more; what the new one has does.
knock() { # with the keys in a folder; what replica 0 says of it
    local refused
    refused=$(curl -s "http://127.0.0.1:$((base + 6))/metrics" | sed -n 's/^redoubt_strangers_total //p')
    timeout 5 openssl s_client -connect "127.0.0.1:$base" -cert "$1/host.crt" -key "$1/host.key" </dev/null >/dev/null 2>&1
    echo $(($(curl -s "http://127.0.0.1:$((base + 6))/metrics" | sed -n 's/^redoubt_strangers_total //p') - refused))
}
expect 1 knock "$dir"/replica-2.before-*
expect 0 knock "$dir/replica-2"

# A dead one, and to another address; what cluster.yaml says besides stays.
sed -i 's/^  - id: 3$/  - id: 3    # the third rack/' "$dir/cluster.yaml"
victim=$(status "s['replicas'][3]['pid']")
kill -STOP "$victim"
replace --id 3 --host 127.0.0.7 || fail "replace 3: $(cat "$tmp/replace.log")"
said "replica 3: replaced, and full again" || fail "3 is not full"
grep -q "the third rack" "$dir/cluster.yaml" || fail "cluster.yaml lost a comment"
grep -q '"id": 3, "peer": "127.0.0.7:' "$dir/endpoints.json" || fail "endpoints.json has the old address"
[ "$(status "[m['peer'] for m in s['replicas'][0]['members']][3]")" = "127.0.0.7:$((base + 30))" ] || fail "not there"
expect 1 call get a
# An old folder: three of four addresses are good, and from there it finds the fourth.
dir=$tmp/old expect 1 call get a

# Broken off by force after each of its steps, then run again.
break_off() { # ID PATTERN [OPTION...]: starts, kills once the pattern was said or the file is there
    "$redoubt" replace "$dir" --id "$1" --again --wait 100 "${@:3}" 2>"$tmp/broken.log" &
    local pid=$!
    for _ in $(seq 600); do
        if [ "${2:0:1}" = / ]; then [ -e "$2" ] && break; else grep -q "$2" "$tmp/broken.log" && break; fi
        kill -0 $pid 2>/dev/null || break
        sleep 0.02
    done
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
}
break_off 1 "$dir/replica-1.begun" --host 127.0.0.8
break_off 1 "$dir/replica-1.new" --host 127.0.0.8
key=$(member_key "$dir/replica-1.new")
for step in "cluster has the new keys" "machine of before is locked out"; do
    break_off 1 "$step"
    if [ -e "$dir/replica-1.new" ]; then
        [ "$(member_key "$dir/replica-1.new")" = "$key" ] || fail "it began anew after: $step"
    fi
done
wait_for 10 expect 1 call get a
replace --id 1 || fail "replace 1, again: $(cat "$tmp/replace.log")"
[ "$(link_key 1)" = "$key" ] || fail "another key than the one that was begun with"
wait_for 60 all_full || fail "not all are full: $(status "[r.get('full') for r in s['replicas']]")"
replace --id 1 || fail "replace 1, done"
said "is done" || fail "1 is not done: $(cat "$tmp/replace.log")"
# Between two of its steps the folder is away.
mv "$dir/replica-1" "$dir/replica-1.new"
replace --id 1 || fail "replace 1, folder away: $(cat "$tmp/replace.log")"
[ "$(link_key 1)" = "$key" ] || fail "the key changed"
wait_for 60 all_full || fail "not full after the folder was away"

# Two at a time, and one too many out.
"$redoubt" replace "$dir" --id 0 --host 127.0.0.9 --wait 100 2>"$tmp/first.log" &
first=$!
pids+=("$first")
wait_for 5 test -e "$dir/replica-0.new"
refuses 1 "another command is changing the members" "$redoubt" replace "$dir" --id 2
wait $first || fail "replace 0: $(cat "$tmp/first.log")"
wait_for 60 all_full || fail "not full at the end"
expect 1 call get a

# Three of four are elsewhere now: the client that was open has followed them, and an old folder finds them by the fourth.
[ "$(status "[m['client'].split(':')[0] for m in s['replicas'][2]['members']]")" = "['127.0.0.9', '127.0.0.8', '127.0.0.1', '127.0.0.7']" ] ||
    fail "they are elsewhere: $(status "s['replicas'][2]['members']")"
dir=$tmp/old expect 1 call get a
wait $bench || fail "bench: $(cat "$tmp/bench.log")"
[ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["errors"])' "$tmp/bench.out" 2>/dev/null || echo 0)" = 0 ] ||
    fail "a client that was open saw errors: $(cat "$tmp/bench.out")"

refuses 2 "exactly one DIR and --id" "$redoubt" replace "$dir"
refuses 2 "not a name or an address" "$redoubt" replace "$dir" --id 1 --host 'a b'
refuses 1 "there are 4 replicas" "$redoubt" replace "$dir" --id 7

# The whole cluster starts again with the keys and addresses of now.
down_cluster
up_cluster
expect "[3, 3, 3, 3]" status '[r["links"] for r in s["replicas"]]'
expect ok call put a 2
replace --id 2 || fail "replace 2, after all was started anew"
said "is done (configuration .*); --again" || fail "it does not say that it is done: $(cat "$tmp/replace.log")"
replace --id 2 --again || fail "replace 2 once more: $(cat "$tmp/replace.log")"
said "replica 2: replaced, and full again" || fail "not full once more"
expect 2 call get a
down_cluster
echo ok
