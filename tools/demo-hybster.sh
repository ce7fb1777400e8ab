#!/usr/bin/env bash
# The other story (make demo PROTOCOL=hybster): three replicas instead of four, since each has a trusted counter. It stays right while one
# lies, goes on when the leader is killed, and says nothing rather than something wrong when that is too much. Ends by itself, in about ten
# seconds, and leaves nothing behind.
. "$(dirname "$0")/demo-lib.sh"

forged="sum(r['counter']['forged'] for r in s['replicas'] if 'counter' in r)"

base=$(free_base)
say "1. A cluster of three replicas, which survives one faulty one"
echo "   Each replica is a host process with the orderer in it, and three sandboxed ones: a trusted counter, the service, and the Troxy for stock clients."
echo "   No host can make its counter certify two things for one value, so two equal votes of three are enough."
show init "$dir" --protocol hybster --base-port "$base" --clients 8
bring_up

say "2. Write and read, with the native client, which believes two equal replies"
expect ok put greeting "hello, world"
expect "hello, world" get greeting
expect 1 incr visits

say "3. Replica 1 lies: forged votes to its peers, false answers to clients"
show fault "$dir" --id 1 --kind lie
expect 2 incr visits
expect ok put greeting "still right"
expect "still right" get greeting
for n in $(seq 3 12); do expect "$n" incr visits >/dev/null; done
expect 13 incr visits
count=$(ask "$forged")
echo "   Its host has no other replica's counter: $count certificates that it made up were refused, and counted."
[ "$count" -gt 0 ] || { echo "demo: the lies were not counted" >&2; exit 1; }
show fault "$dir" --id 1 --kind none

say "4. What the cluster says of itself"
show status "$dir"

say "5. The leader is killed"
leader=$(ask 's["replicas"][2]["view"] % 3')
victim=$(ask "s['replicas'][$leader]['pid']")
echo "  \$ kill -9 $victim        (replica $leader)"
kill -9 "$victim"
expect 14 incr visits
expect "still right" get greeting
echo "   The other two have left its view, with what it had proposed: two of three go on."
full() { [ "$(ask "s['replicas'][$leader].get('full')")" = True ]; }
for _ in $(seq 150); do full && break; sleep 0.1; done
full || { echo "demo: it did not come back" >&2; exit 1; }
echo "   It has come back by itself: with a fresh counter, which the administrator gave a key and the others admitted, and with their state."

say "6. Two are killed at once: one of three is too few to be believed"
victims="$(ask "s['replicas'][$leader]['pid']") $(ask "s['replicas'][($leader + 1) % 3]['pid']")"
echo "  \$ kill -9 $victims"
# shellcheck disable=SC2086
kill -9 $victims
if got=$(timeout 20 "$redoubt" call "$dir" --timeout 2000 get greeting 2>&1); then
    echo "demo: \"$got\" on the word of one replica" >&2
    exit 1
fi
printf '  $ redoubt call DIR --timeout 2000 get greeting\n  %s\n' "$got" | sed "s|$dir|DIR|g"
echo "   No answer, rather than one that nobody vouches for. (Hybster keeps nothing on disks yet: now the cluster would start anew.)"

the_end "redoubt init demo --protocol hybster && redoubt up demo"
