#!/usr/bin/env bash
# A manifest that the administrator did not sign: the replica says so and does not start.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
up_cluster
cp "$dir/manifest" "$tmp/manifest"
down_cluster
there=$dir/replica-0/manifest

python3 - "$tmp/manifest" "$tmp/tampered" <<'P'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[200] ^= 1
open(sys.argv[2], "wb").write(data)
P
cp "$tmp/tampered" "$there"
refuses 1 "$there: forged: not signed by the administrator" "$redoubt" replica "$dir" --id 0
head -c 1000 "$tmp/manifest" >"$there"
refuses 1 "$there: not a manifest" "$redoubt" replica "$dir" --id 0
head -c 5000 /dev/urandom >"$there"
refuses 1 "$there: not a manifest" "$redoubt" replica "$dir" --id 0

# Signed, but by the administrator of another cluster.
mine=$dir
init_cluster other
up_cluster
cp "$dir/manifest" "$mine/replica-0/manifest"
down_cluster
dir=$mine
refuses 1 "$there: forged: not signed by the administrator" "$redoubt" replica "$dir" --id 0

# Signed by our administrator, for an earlier start: waited over, not obeyed.
cp "$tmp/manifest" "$there"
refuses 1 "no manifest with its keys in $there within 1 s" "$redoubt" replica "$dir" --id 0 --wait 1
grep -q "is of another start" "$tmp/refuses.err" || fail "it does not say that the manifest is of another start"

# Forged while it waits.
"$redoubt" replica "$dir" --id 0 >"$tmp/wait.log" 2>&1 &
waiting=$!
pids+=("$waiting")
wait_for 10 test -s "$dir/replica-0/hello" || fail "no hello"
cp "$tmp/tampered" "$there.new" && mv "$there.new" "$there"
wait "$waiting" && fail "it took a forged manifest"
grep -q "forged: not signed" "$tmp/wait.log" || fail "no word of the forgery"
[ ! -e "$dir/replica-0/hello" ] || fail "its hello stayed behind"

# A hello that is not signed with the key that it shows, or names another administrator.
rm "$there"
for i in 0 1 2 3; do
    "$redoubt" replica "$dir" --id $i --wait 20 >"$tmp/hello$i.log" 2>&1 &
    pids+=("$!")
done
wait_for 10 test -s "$dir/replica-0/hello" -a -s "$dir/replica-1/hello" -a -s "$dir/replica-2/hello" -a -s "$dir/replica-3/hello" ||
    fail "no hellos"
cp "$dir/replica-2/hello" "$tmp/hello"
python3 - "$tmp/hello" "$dir/replica-2/hello" <<'P'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[60] ^= 1
open(sys.argv[2], "wb").write(data)
P
refuses 1 "hello of host of replica 2: bad signature" "$redoubt" start "$dir" --wait 5
cp "$dir/replica-1/hello" "$dir/replica-2/hello"
refuses 1 "replica 2: it is of another member" "$redoubt" start "$dir" --wait 5
cp "$tmp/hello" "$dir/replica-2/hello"
"$redoubt" start "$dir" --wait 5 || fail "start with good hellos"
all_vote() { [ "$(status 'sum(r.get("voting", False) for r in s["replicas"])')" = 4 ]; }
wait_for 10 all_vote || fail "the cluster does not serve"
expect ok call put a 1
echo ok
