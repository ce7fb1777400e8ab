#!/usr/bin/env bash
# An operation that is too large or that the service does not know: one clear error, and nothing is lost.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
up_cluster
expect ok call put a 1
head -c 1048576 /dev/zero | tr '\0' x >"$tmp/largest"
head -c 1048577 /dev/zero | tr '\0' x >"$tmp/larger"
head -c 8000000 /dev/zero | tr '\0' x >"$tmp/huge"

too_large() { # FILE
    "$redoubt" call "$dir" put b - <"$1" >"$tmp/out" 2>"$tmp/err"
    local code=$?
    [ $code -eq 3 ] || [ $code -eq 1 ] || fail "put of $(stat -c %s "$1") bytes: exit $code"
    [ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "put of $(stat -c %s "$1") bytes: not exactly one line"
    grep -q '^redoubt: ' "$tmp/err" || fail "put of $(stat -c %s "$1") bytes: $(cat "$tmp/err")"
}
too_large "$tmp/larger"
too_large "$tmp/huge"
"$redoubt" call "$dir" put largest - <"$tmp/largest" >/dev/null || fail "a value of 1 MiB"
"$redoubt" call "$dir" get largest >"$tmp/back" || fail "get of 1 MiB"
cmp -n 1048576 "$tmp/back" "$tmp/largest" || fail "a value of 1 MiB comes back changed"
refuses 2 "frobnicate: the service kv knows" "$redoubt" call "$dir" frobnicate a
timeout 30 "$redoubt" call "$dir" get nothing >/dev/null 2>&1
[ $? -eq 5 ] || fail "a key that is not there: not exit 5"
expect 1 call get a
down_cluster
echo ok
