#!/usr/bin/env bash
# `redoubt init`: what it makes, what it refuses.
. "$(dirname "$0")/lib_cluster.sh"

mode() { stat -c %a "$1"; }

init_cluster one
for file in cluster.yaml endpoints.json ca.pem admin.pub clients.pub; do
    [ -s "$dir/$file" ] || fail "no $file"
done
for secret in admin.key ca.key clients/000.key clients/015.key replica-0/host.key replica-3/host.key; do
    expect 600 mode "$dir/$secret"
done
expect 700 mode "$dir/replica-2"
[ ! -e "$dir/clients/016.key" ] || fail "more clients than asked for"
[ ! -e "$dir/replica-4" ] || fail "more replicas than asked for"
openssl verify -CAfile "$dir/ca.pem" "$dir/ca.pem" >/dev/null || fail "ca.pem is no CA"
front=off
[ -x "$bin/redoubt-troxy-kv" ] && front=on
python3 - "$dir/endpoints.json" "$base" $front <<'P' || fail "endpoints.json"
import json, sys
e, base, front = json.load(open(sys.argv[1])), int(sys.argv[2]), sys.argv[3] == "on"
assert e["ca"] == "ca.pem" and len(e["replicas"]) == 4, e
for i, r in enumerate(e["replicas"]):
    at = lambda n: "127.0.0.1:%d" % (base + 10 * i + n)
    assert r == {"id": i, "peer": at(0), "client": at(1), "https": at(2) if front else None,
                 "rediss": at(3) if front else None, "http": None, "redis": None, "metrics": at(6)}, r
P
if [ $front = on ]; then
    for secret in replica-0/tls.key replica-3/troxy.key; do expect 600 mode "$dir/$secret"; done
    openssl verify -CAfile "$dir/ca.pem" -verify_hostname localhost -verify_ip 127.0.0.1 "$dir/replica-1/tls.crt" >/dev/null ||
        fail "ca.pem did not sign tls.crt"
    cmp -s "$dir/replica-0/troxy.key" "$dir/replica-1/troxy.key" && fail "two Troxies with one key"
fi
refuses 2 "must be on or off" "$redoubt" init "$tmp/no" --front maybe
refuses 2 "service counter has no front" "$redoubt" init "$tmp/no" --service counter --front on
grep -q 'key' "$dir/cluster.yaml" && ! grep -qiE '[0-9a-f]{32}' "$dir/cluster.yaml" || fail "a secret in cluster.yaml?"

sum=$(find "$dir" -type f -exec cat {} + | cksum)
refuses 1 "$dir: it exists and is not empty" "$redoubt" init "$dir"
expect "$sum" bash -c "find '$dir' -type f -exec cat {} + | cksum"
[ "$(find "$tmp" -maxdepth 1 -name 'one.new*' | wc -l)" -eq 0 ] || fail "something was left behind"

refuses 2 "isolation inline: hybster rests" "$redoubt" init "$tmp/no" --protocol hybster --isolation inline
refuses 2 "durability sync: not built yet for hybster" "$redoubt" init "$tmp/no" --protocol hybster --durability sync
refuses 2 "split-app: not built yet for hybster" "$redoubt" init "$tmp/no" --protocol hybster --split-app
refuses 2 "pillars 2: splitbft has none" "$redoubt" init "$tmp/no" --pillars 2
refuses 2 "pillars 9: must be from 1 to 8" "$redoubt" init "$tmp/no" --protocol hybster --pillars 9
refuses 2 "exactly 3 hosts" "$redoubt" init "$tmp/no" --protocol hybster --hosts a,b
"$redoubt" init "$tmp/hybster" --protocol hybster 2>/dev/null || fail "init --protocol hybster"
grep -q "^front: $front " "$tmp/hybster/cluster.yaml" || fail "hybster has a front where the others have one"
grep -q '^fast_reads: off' "$tmp/hybster/cluster.yaml" || fail "hybster has no fast reads"
[ "$(grep -c '^    rediss:' "$tmp/hybster/cluster.yaml")" -eq $([ $front = on ] && echo 3 || echo 0) ] || fail "its doors"
refuses 1 "isolation kvm: not built yet" "$redoubt" init "$tmp/no" --isolation kvm
refuses 1 "isolation sgx: not built yet" "$redoubt" init "$tmp/no" --isolation sgx
refuses 2 "isolation process: pbft runs inline only" "$redoubt" init "$tmp/no" --protocol pbft --isolation process
refuses 2 "faults 5" "$redoubt" init "$tmp/no" --faults 5
refuses 2 "faults 0" "$redoubt" init "$tmp/no" --faults 0
refuses 2 "base-port 70000" "$redoubt" init "$tmp/no" --base-port 70000
refuses 2 "base-port 65530: .*beyond 65535" "$redoubt" init "$tmp/no" --base-port 65530
refuses 2 "exactly 4 hosts" "$redoubt" init "$tmp/no" --hosts a,b
refuses 2 "clients 2000" "$redoubt" init "$tmp/no" --clients 2000
refuses 2 "unknown option" "$redoubt" init "$tmp/no" --frobnicate
refuses 2 "exactly one DIR" "$redoubt" init
refuses 1 "No such file" "$redoubt" init "$tmp/a/b/c"
[ ! -e "$tmp/no" ] || fail "a refused init left something behind"

"$redoubt" init "$tmp/far" --hosts a.example,b.example,c.example,10.0.0.4 --faults 1 2>/dev/null || fail "--hosts"
grep -q 'host: b.example' "$tmp/far/cluster.yaml" || fail "--hosts is not in cluster.yaml"
"$redoubt" init "$tmp/pbft" --protocol pbft --faults 2 2>/dev/null || fail "pbft"
grep -q '^isolation: inline' "$tmp/pbft/cluster.yaml" || fail "pbft is not inline"
[ -d "$tmp/pbft/replica-6" ] || fail "pbft with faults 2 has 7 replicas"

for command in "" init up replica start status fault call bench; do
    # shellcheck disable=SC2086
    "$redoubt" $command --help >"$tmp/help" || fail "$command --help"
    grep -qi example "$tmp/help" || fail "$command --help has no example"
done
refuses 2 "unknown command" "$redoubt" frobnicate
echo ok
