# For sourcing after lib_cluster.sh: somebody who has the key of a Troxy.

# thief NNN KEY [MS [EPOCH...]]: can whoever has that key, of that origin, open a session and write? Each after that epoch; "": now.
thief() {
    local epoch number=$1 key=$2 ms=${3:-1500}
    shift 2
    [ $# -eq 0 ] || shift
    [ $# -gt 0 ] || set -- "" 18446744073709551614
    for epoch in "$@"; do
        rm -rf "$tmp/thief"
        mkdir -p "$tmp/thief/clients"
        cp "$dir"/{cluster.yaml,manifest,admin.pub,endpoints.json} "$tmp/thief"
        install -m 600 "$key" "$tmp/thief/clients/$number.key"
        [ -z "$epoch" ] || echo "$epoch" >"$tmp/thief/clients/$number.epoch"
        timeout 20 "$redoubt" call "$tmp/thief" --timeout "$ms" put key stolen >"$tmp/thief.out" 2>&1 && return 0
    done
    return 1
}
