#!/usr/bin/env bash
# Histories of real connections, Redis' protocol and HTTP over TLS, under twelve combinations of faults: each must be linearizable, and
# at the end the cluster serves every client. One replica lies, or replicas are paused, killed and wiped, or all lose power.
. "$(dirname "$0")/lib_cluster.sh"

once() { # MINUTES, VIA, then options of tools/soak
    local minutes=$1 via=$2
    shift 2
    TMPDIR=$tmp timeout 150 "$root/tools/soak" "$bin" --base-port "$(free_base 4)" --via "$via" --minutes "$minutes" --threads 6 --json "$@" \
        >"$tmp/soak.out" 2>"$tmp/soak.log" ||
        fail "$via $*: $(cat "$tmp/soak.out")"
    python3 - "$tmp/soak.out" <<'PY'
import json, sys
said = json.load(open(sys.argv[1]))
sys.exit("wrong" if said["wrong"] else 0 if said["committed"] > 100 else 3)
PY
}

run() { # a busy machine has longer to come to a hundred
    once 0.05 "$@"
    local code=$?
    [ $code -ne 3 ] || { once 0.4 "$@"; code=$?; }
    [ $code -eq 0 ] || fail "$*: $(cat "$tmp/soak.out")"
}

for via in rediss https; do
    run $via --faults pause --seed 1 -- --durability memory
    run $via --faults kill,wipe --seed 2
    run $via --faults power --seed 3
    run $via --faults "" --liar lie --seed 4 -- --durability memory
    run $via --faults "" --liar equivocate --seed 5 -- --durability memory
    run $via --faults "" --liar corrupt-replies --seed 6 -- --durability memory
done
run rediss --faults "" --liar silent --seed 7 -- --durability memory
run https --faults "" --liar slow --seed 8 -- --durability memory
