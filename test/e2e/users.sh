#!/usr/bin/env bash
# Users of the front: added, changed and taken out by `redoubt user`, asked for by Redis and HTTP; no password in any file.
. "$(dirname "$0")/lib_cluster.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

"$redoubt" user --help | grep -q "^example: .*redoubt user" || fail "no help"
refuses 2 "which cluster" "$redoubt" user
refuses 2 "too many names" "$redoubt" user a b c
refuses 2 "bad name .a:b." "$redoubt" user "$tmp" a:b
refuses 2 "unknown option" "$redoubt" user "$tmp" ann --drop
refuses 2 "open goes with --remove" "$redoubt" user "$tmp" ann --open

init_cluster one
yaml=$dir/cluster.yaml
cp "$yaml" "$tmp/before.yaml"
chmod 640 "$yaml"
user() { "$redoubt" user "$dir" "$@" 2>>"$tmp/user.log"; }
given() { printf '%s' "$1" >"$tmp/input"; shift; refuses "$@" <"$tmp/input"; }

# What is refused changes nothing.
given "" 1 "no password" "$redoubt" user "$dir" ann
given "$(printf 'a\tb')" 1 "control character" "$redoubt" user "$dir" ann
given "$(printf '%0257d' 0)" 1 "longer than 256" "$redoubt" user "$dir" ann
refuses 1 "there is no user .ann." "$redoubt" user "$dir" ann --remove
flock "$dir/admin.key" sleep 5 & holder=$!
pids+=($holder)
held() { ! flock -n "$dir/admin.key" true; }
wait_for 3 held || fail "admin.key is not locked"
given secret 1 "another command is changing this cluster" "$redoubt" user "$dir" ann
kill "$holder"; wait "$holder" 2>/dev/null
wait_for 10 flock -n "$dir/admin.key" true || fail "admin.key is still locked"
cmp -s "$yaml" "$tmp/before.yaml" || fail "cluster.yaml was changed"

words=(first-password-7 second-password-8 "third password: 9%")
user ann <<<"${words[0]}" || fail "user ann"
user bob <<<"not the last word" || fail "user bob"
user bob <<<"${words[1]}" || fail "user bob, again"
[ "$(grep -c 'name: bob' "$yaml")" -eq 1 ] || fail "bob is listed twice"

# On a terminal: asked for twice, and never shown.
cat >"$tmp/terminal.py" <<'PYTHON'
import os, pty, sys
def ask(words):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], [sys.argv[1], "user", sys.argv[2], "default"])
    seen = b""
    for prompt, word in zip((b"password: ", b"once more: "), words):
        while prompt not in seen:
            seen += os.read(fd, 1000)
        os.write(fd, word + b"\n")
    try:
        while True:
            more = os.read(fd, 1000)
            if not more:
                break
            seen += more
    except OSError:
        pass
    assert not any(word in seen for word in words), "the password was shown"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen
code, seen = ask([b"one", b"another"])
assert code == 1 and b"two different passwords" in seen, seen
code, seen = ask([sys.argv[3].encode()] * 2)
assert code == 0 and b"user default: added" in seen, seen
PYTHON
timeout 30 python3 "$tmp/terminal.py" "$redoubt" "$dir" "${words[2]}" || fail "on a terminal"

[ "$(stat -c %a "$yaml")" = 640 ] || fail "others may read cluster.yaml now"
head -c "$(stat -c %s "$tmp/before.yaml")" "$yaml" | cmp -s - "$tmp/before.yaml" || fail "the rest of cluster.yaml was changed"
for word in "${words[@]}" "$(printf %s "${words[0]}" | od -An -tx1 | tr -d ' \n')" "$(printf %s "${words[0]}" | base64)"; do
    grep -rqF -- "$word" "$dir" && fail "a password is in a file"
done
[ "$(grep -o 'salt: [0-9a-f]*' "$yaml" | sort -u | wc -l)" -eq 3 ] || fail "not a salt for each"

up_cluster
port() { echo $((base + 10 * $1 + $2)); }
# redis REPLICA LINE...: commands of one connection.
redis() {
    local replica=$1
    shift
    printf '%s\n' "$@" | timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p "$(port "$replica" 3)" 2>/dev/null
}
# http [OPTION...] PATH: the status of it, at replica 1.
http() {
    timeout 20 curl -s -o "$tmp/body" -w '%{http_code}\n' --cacert "$dir/ca.pem" "${@:1:$#-1}" "https://localhost:$(port 1 2)${!#}"
}
wrong="WRONGPASS invalid username-password pair or user is disabled."
noauth="NOAUTH Authentication required."

for r in 0 1 2 3; do
    expect "$noauth" redis $r "set k 1"
    expect "$(printf '%s\n\n%s' "$wrong" "$noauth")" redis $r "auth ann ${words[1]}" "set k 1"
    expect "$(printf 'OK\nOK')" redis $r "auth ann ${words[0]}" "set k $r"
done
expect "$wrong" redis 0 "auth eve ${words[0]}"
expect "$wrong" redis 0 "auth bob 'not the last word'"
expect "$(printf 'OK\n3')" redis 1 "auth bob ${words[1]}" "get k"
expect "$(printf 'OK\n3')" redis 2 "auth '${words[2]}'" "get k"
expect 401 http /kv/k
expect 401 http -u "ann:${words[1]}" /kv/k
expect 401 http -u "eve:${words[0]}" /kv/k
expect 401 http -u "ann:" /kv/k
expect 401 http -X PUT -d 4 /kv/k
expect 200 http -u "ann:${words[0]}" /kv/k
expect 3 cat "$tmp/body"
expect 204 http -u "default:${words[2]}" -X PUT -d 4 /kv/k
expect 200 http /healthz

# Taken out, while it runs: served until the next start, and not from then on.
user ann --remove || fail "user ann --remove"
grep -q "read $yaml at their next start" "$tmp/user.log" || fail "it does not say when that counts"
expect "$(printf 'OK\n4')" redis 0 "auth ann ${words[0]}" "get k"
down_cluster
up_cluster
expect "$(printf '%s\n\n%s' "$wrong" "$noauth")" redis 0 "auth ann ${words[0]}" "get k"
expect 401 http -u "ann:${words[0]}" /kv/k
expect "$(printf 'OK\n4')" redis 0 "auth bob ${words[1]}" "get k"
expect 200 http -u "bob:${words[1]}" /kv/k

# A Troxy that was started again asks, too.
kill -9 "$(status '[c["pid"] for c in s["replicas"][1]["compartments"] if c["kind"] == "troxy"][0]')"
wait_for 20 grep -q "replica 1: the troxy was started again" "$tmp/up.log" || fail "the troxy was not started again"
served() { [ "$(http -u "bob:${words[1]}" /kv/k)" = 200 ]; }
wait_for 20 served || fail "it does not serve again"
expect 401 http -u "ann:${words[0]}" /kv/k
down_cluster

# The last one goes only if that is meant; then the file is what it was.
user default --remove || fail "user default --remove"
refuses 1 "bob is the last user: .*--open" "$redoubt" user "$dir" bob --remove
user bob --remove --open || fail "user bob --remove --open"
grep -q "no user is left" "$tmp/user.log" || fail "it does not say that nobody is asked any more"
cmp -s "$yaml" "$tmp/before.yaml" || fail "cluster.yaml is not what it was"
echo ok
