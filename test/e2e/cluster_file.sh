#!/usr/bin/env bash
# A wrong cluster.yaml: one clear error with file, line and column, from every command that reads it.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
cp "$dir/cluster.yaml" "$tmp/good.yaml"

# wrong PATTERN SED...: after this change `status` and `up` refuse the file with this message.
wrong() {
    local pattern=$1
    shift
    sed "$@" "$tmp/good.yaml" >"$dir/cluster.yaml"
    cmp -s "$dir/cluster.yaml" "$tmp/good.yaml" && fail "sed $* changed nothing"
    refuses 1 "$dir/cluster.yaml:$pattern" "$redoubt" status "$dir"
    refuses 1 "$dir/cluster.yaml:$pattern" "$redoubt" up "$dir" --seconds 1
}

line() { grep -n "$1" "$tmp/good.yaml" | sed -n "${2:-1}s/:.*//p"; }

wrong "$(line ^faults):1: unknown key .faulty." -e 's/^faults:/faulty:/'
wrong "$(line ^isolation):1: unknown key .foo." -e 's/^isolation:/foo:/'
wrong "$(line 'peer:' 2):5: unknown key .pear." -e "$(line 'peer:' 2)s/peer/pear/"
wrong "$(($(line ^spin) + 1)):1: duplicate key .spin." -e 's/^spin:.*/&\nspin: on/'
wrong "$(line ^protocol):1: missing key .faults." -e '/^faults:/d'
wrong "$(line ^faults):9: .faults. must be a whole number" -e 's/^faults: 1/faults: one/'
wrong "$(line ^faults):9: .faults. must be a whole number" -e 's/^faults: 1/faults: 01/'
wrong "$(line ^faults):9: .faults. is 9" -e 's/^faults: 1/faults: 9/'
wrong "$(line ^protocol):11: .protocol. is .paxos., but must be one of" -e 's/^protocol: splitbft/protocol: paxos/'
wrong "$(line ^isolation):12: .isolation. is process, but pbft runs inline only" -e 's/^protocol: splitbft/protocol: pbft/'
wrong "$(line ^service:):10: unknown service .vk." -e 's/^service: kv/service: vk/'
zeros=00000000000000000000000000000000
wrong "$(line ^front):8: .users. names nobody" -e 's/^front:.*/users: []/'
wrong "$(line ^front):29: .salt. must be 32 hexadecimal digits" -e "s/^front:.*/users: [{name: ann, salt:   ${zeros}0, hash: $zeros$zeros}]/"
wrong "$(($(line ^front) + 2)):12: duplicate user .ann. .first at line $(($(line ^front) + 1))." \
    -e "s/^front:.*/users:\n  - {name: ann, salt: $zeros, hash: $zeros$zeros}\n  - {name: ann, salt: $zeros, hash: $zeros$zeros}/"
wrong "$(line ^fast_reads):13: .fast_reads. must be on or off" -e 's/^fast_reads: o[nf]*/fast_reads: maybe/'
wrong "[0-9]+:3: too few replicas: 3 listed, but splitbft with faults: 1 needs 4 to 6" -e "$(line 'id: 3'),\$d"
wrong "[0-9]+:3: too few replicas: 4 listed, but splitbft with faults: 2 needs 7 to 9" -e 's/^faults: 1/faults: 2/'
wrong "[0-9]+:3: too many replicas: 7 listed" -e '$a\  - {id: 4, host: h, peer: 1, client: 2, metrics: 3}\n  - {id: 5, host: i, peer: 1, client: 2, metrics: 3}\n  - {id: 6, host: j, peer: 1, client: 2, metrics: 3}'
wrong "$(line 'peer:'):11: bad port .0. for .peer." -e "$(line 'peer:')s/peer: .*/peer: 0/"
wrong "$(line 'peer:'):11: bad port .65536. for .peer." -e "$(line 'peer:')s/peer: .*/peer: 65536/"
wrong "$(line 'client:'):13: bad port .http. for .client." -e "$(line 'client:')s/client: .*/client: http/"
wrong "$(line 'id: 1'):5: port $base of 127.0.0.1 is used twice" -e "$(line 'peer:' 2)s/peer: .*/peer: $base/"
wrong "$(line 'id: 1'):9: .id. is 7" -e 's/id: 1/id: 7/'
wrong "[0-9]+:[0-9]+: did not find" -e '3s/^/{/'
wrong "[0-9]+:[0-9]+: a second document" -e '$a---\nmore: true'

: >"$dir/cluster.yaml"
refuses 1 "$dir/cluster.yaml:1:1: empty" "$redoubt" status "$dir"
rm "$dir/cluster.yaml"
refuses 1 "$dir/cluster.yaml: No such file" "$redoubt" up "$dir"
for kind in 'isolation: process/isolation: kvm' 'isolation: process/isolation: sgx'; do
    sed "s/^$kind/" "$tmp/good.yaml" >"$dir/cluster.yaml"
    refuses 1 "not built yet" "$redoubt" up "$dir"
done
cp "$tmp/good.yaml" "$dir/cluster.yaml"
refuses 1 "there are 4 replicas" "$redoubt" replica "$dir" --id 4
refuses 2 "exactly one DIR and --id" "$redoubt" replica "$dir"
refuses 1 "no replica answers" bash -c "'$redoubt' status '$dir' >/dev/null"
echo ok
