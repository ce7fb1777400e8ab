# For sourcing by the tests in this folder: a temporary folder, free ports, clusters that end with the test, and checks
# that say what they wanted. REDOUBT_BIN is where the executables are.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${REDOUBT_BIN:-$root/build/release/bin}
redoubt=$bin/redoubt
tmp=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-e2e.XXXXXX")
pids=()
up_pid=

# Two tests may run at a time. Each takes a range of ports of its own, for as long as it or what it started lives: a port that is free when
# one looks may be another's by the time that a cluster listens there.
ports_each=2750
for lane in 0 1 2 3; do
    exec {lane_held}>>"${TMPDIR:-/tmp}/redoubt-e2e-ports.$UID.$lane"
    flock -n "$lane_held" && break
    exec {lane_held}>&-
done
first_port=$((20000 + lane * ports_each))

finish() {
    local code=$?
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    if [ $code -ne 0 ]; then
        for log in "$tmp"/*.log; do
            [ -s "$log" ] && { echo "--- $log"; tail -40 "$log"; } >&2
        done
    fi
    rm -rf "$tmp"
    exit $code
}
trap finish EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# A base port with room for COUNT replicas of ten ports each, none of them in use; in this test's range, below the ephemeral one.
free_base() {
    local count=${1:-4} base port used
    for _ in $(seq 100); do
        base=$((first_port + RANDOM % (ports_each / 10 - count + 1) * 10))
        used=$(ss -Htan 2>/dev/null | awk '{ sub(/.*:/, "", $4); print $4 }')
        for port in $(seq "$base" $((base + 10 * count - 1))); do
            grep -qx "$port" <<<"$used" && continue 2
        done
        echo "$base"
        return
    done
    fail "no free ports"
}

# init_cluster NAME [OPTION...]: makes $tmp/NAME on free ports; sets dir and base.
init_cluster() {
    dir=$tmp/$1
    shift
    base=$(free_base 4)
    "$redoubt" init "$dir" --base-port "$base" --clients 16 "$@" 2>"$tmp/init.log" || fail "init $dir $*"
}

# up_cluster [OPTION...]: `redoubt up $dir` in the background, until it is ready.
up_cluster() {
    : >"$tmp/up.out" # before the loop below can see an earlier one's
    "$redoubt" up "$dir" --seconds 120 "$@" >"$tmp/up.out" 2>"$tmp/up.log" &
    up_pid=$!
    pids+=("$up_pid")
    wait_for 30 grep -qx ready "$tmp/up.out" || fail "up $dir: not ready"
}

down_cluster() {
    kill "$up_pid" && wait "$up_pid" || fail "up $dir did not end well"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

# refuses CODE PATTERN COMMAND...: exits with CODE and says exactly one line, which starts with "redoubt: " and matches.
refuses() {
    local code=$1 pattern=$2 got
    shift 2
    timeout 60 "$@" >"$tmp/refuses.out" 2>"$tmp/refuses.err"
    got=$?
    [ $got -eq "$code" ] || { cat "$tmp/refuses.err" >&2; fail "$*: exit $got instead of $code"; }
    # Log lines of a replica that had begun are no error messages.
    grep -vE '^[0-9-]{10}T[0-9:.]+Z (info|warning) ' "$tmp/refuses.err" >"$tmp/refuses.lines"
    [ "$(wc -l <"$tmp/refuses.lines")" -eq 1 ] || { cat "$tmp/refuses.err" >&2; fail "$*: not exactly one line"; }
    grep -qE "^redoubt: .*$pattern" "$tmp/refuses.lines" ||
        fail "$*: said \"$(cat "$tmp/refuses.lines")\" instead of \"$pattern\""
}

call() {
    timeout 30 "$redoubt" call "$dir" --timeout 10000 "$@"
}

# expect VALUE COMMAND...: its standard output is VALUE.
expect() {
    local want=$1 got
    shift
    got=$("$@" 2>"$tmp/expect.log") || fail "$*: exit $? ($(cat "$tmp/expect.log"))"
    [ "$got" = "$want" ] || fail "$*: \"$got\" instead of \"$want\""
}

# acknowledged_is_there [BEGINNING]: the cluster has every "key value" that stands in $tmp/acknowledged, with such a key.
acknowledged_is_there() {
    grep "^${1-}" "$tmp/acknowledged" | tr ' ' '\t' >"$tmp/wanted"
    [ -s "$tmp/wanted" ] || fail "nothing was acknowledged"
    call mget $(cut -f1 "$tmp/wanted") >"$tmp/found" 2>"$tmp/mget.log" || fail "mget: $(cat "$tmp/mget.log")"
    cmp -s "$tmp/wanted" "$tmp/found" ||
        fail "acknowledged, but not there: $(diff "$tmp/wanted" "$tmp/found" | head -4)"
}

# status EXPRESSION: of the status document `s`, in Python.
status() {
    "$redoubt" status "$dir" --json 2>/dev/null |
        python3 -c 'import json,sys; s = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# says TEXT: what comes back when TEXT (printf format) is sent to PORT, for at most two seconds.
send_bytes() {
    local port=$1
    timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$port"' && cat >&3; timeout 1 cat <&3' 2>/dev/null
}
