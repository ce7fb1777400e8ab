#!/usr/bin/env bash
# JMeter over TLS, one run through it all: fault-free, while a replica lies and is killed, while the primary is killed, and while the replica is
# killed that it talks to. It checks every body; here it is checked that no answer was wrong and none was lost but at that last one.
. "$(dirname "$0")/lib_cluster.sh"
. "$(dirname "$0")/lib_clients.sh"
[ -x "$bin/redoubt-troxy-pages" ] || { echo "no front in this build"; exit 77; }
[ -d /usr/share/jmeter ] || { echo "no jmeter: tools/install-deps"; exit 77; }

jmeter() { # LOG SECONDS PORT...
    local log=$1 seconds=$2 home=/usr/share/jmeter ports
    shift 2
    ports=$(tr ' ' , <<<"$*")
    exec timeout 150 java -Xshare:auto -XX:TieredStopAtLevel=1 -Djmeter.home=$home -cp "$home/bin/ApacheJMeter.jar:$home/lib/*:$home/lib/ext/*:/usr/share/java/bsh.jar" \
        bsh.Interpreter "$root/test/e2e/jmeter.bsh" -n -t "$root/test/e2e/pages.jmx" -l "$log" -j "$log.log" -Jport="$1" -Jports="$ports" \
        -Jthreads=4 -Jseconds="$seconds" -Jpage="$(cat "$tmp/page")" -Jjmeterengine.nongui.port=$((alone_base + 9)) -Jjmeterengine.nongui.maxport=$((alone_base + 9)) \
        -Jjmeter.save.saveservice.output_format=csv -Jjmeter.save.saveservice.autoflush=true >"$log.out" 2>&1
}
now() { date +%s%3N; }
samples() { [ "$(grep -c ,true, "$tmp/story.jtl" 2>/dev/null)" -ge "$1" ]; }
more() { # WHAT: a hundred right answers more
    wait_for 60 samples $((100 + $(grep -c ,true, "$tmp/story.jtl"))) || fail "$1: JMeter does not go on: $(tail -n 3 "$tmp/story.jtl.out")"
    echo "$1: JMeter goes on"
}

# judge FILE LOST PHASE...: what JMeter wrote, by the time when phases began (ms). Every phase has right answers, and no answer is wrong. What failed
# from the first phase on was a connection, or an answer that says itself that it is none, between the time LOST and 15 s later.
judge() {
    python3 - "$@" <<'PY'
import csv, sys
lost, phases = int(sys.argv[2]), [int(word) for word in sys.argv[3:]]
good = [0] * len(phases)
for row in csv.reader(open(sys.argv[1], encoding="utf-8")):
    if not row[0].isdigit():
        continue
    ended, code, right = int(row[0]) + int(row[1]), row[3], row[7] == "true"
    phase = sum(began <= ended for began in phases) - 1
    if right and phase >= 0:
        good[phase] += 1
    elif right:
        continue
    elif not (code.startswith("Non HTTP") or code in ("503", "504")):
        sys.exit(f"a wrong answer: {row[2]}: {code} {row[4]}")
    elif phase >= 0 and not lost <= ended <= lost + 15000:
        sys.exit(f"a lost answer in phase {phase}: {row[2]}: {code} {row[4]}")
print("right answers in each phase:", *good)
if min(good) < 20:
    sys.exit("a phase with hardly an answer")
PY
}

clients_cluster pages
start_alone pages
head -c 3000 /dev/urandom | base64 -w 0 | tr +/ ab >"$tmp/page"
tr A B <"$tmp/page" >"$tmp/other"
put() { curl -s -o /dev/null -w '%{http_code}\n' --cacert "$(ca "$1")" -T "$2" "https://localhost:$(at "$1" https)/page"; }
expect 201 put 0 "$tmp/page"
expect 201 put alone "$tmp/other"

one=$(((2 + $(primary)) % 4)) # who comes back makes a new view: it is not to be the one that JMeter talks to
jmeter "$tmp/story.jtl" 120 $(for i in 0 1 2 3; do at $(((one + i) % 4)) https; done) &
running=$!
pids+=($running)
wait_for 120 samples 100 || fail "JMeter does not begin: $(cat "$tmp/story.jtl.out")"
phases=($(now)) # on a busy machine a handshake takes longer than a replica waits while Java loads its classes; that is before
more "fault-free"
liar=$(((one + 1) % 4))
"$redoubt" fault "$dir" --id $liar --kind lie || fail "fault"
phases+=($(now))
more "replica $liar lies"
phases+=($(now))
kill_replica $liar
more "the liar is killed"
back
phases+=($(now))
other=$(primary)
[ "$other" -ne "$one" ] || other=$(((one + 2) % 4))
kill_replica "$other"
more "another replica is killed, the primary"
back
phases+=($(now))
kill_replica "$one"
more "the replica that it talks to is killed"
back
phases+=($(now))
more "all are there"
printf Shutdown >"/dev/udp/127.0.0.1/$((alone_base + 9))"
wait $running || fail "JMeter: $(tail -n 3 "$tmp/story.jtl.out")"
judge "$tmp/story.jtl" "${phases[4]}" "${phases[@]}" || fail "JMeter's answers"

# The same checks see what is wrong: a page with other bytes; and an answer that was lost when none may be.
(jmeter "$tmp/twin.jtl" 3 "$(at alone https)")
sees judge "$tmp/twin.jtl" 0 0
sees judge "$tmp/story.jtl" 0 "${phases[@]}"
down_cluster
echo ok
