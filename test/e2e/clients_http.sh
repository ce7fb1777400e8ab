#!/usr/bin/env bash
# curl, wrk and h2load (as a client of HTTP/1.1) over TLS: their checks fault-free, and while f replicas lie, die, and die under them.
. "$(dirname "$0")/lib_cluster.sh"
. "$(dirname "$0")/lib_clients.sh"
[ -x "$bin/redoubt-troxy-pages" ] || { echo "no front in this build"; exit 77; }
for program in wrk h2load; do command -v $program >/dev/null || { echo "no $program: tools/install-deps"; exit 77; }; done

# One request at the first of $from that answers it; sets `code`, and $got.body and .head. Statuses that are wanted: an expression.
request() { # WANT OPTION... PATH
    local replica
    for replica in $from; do
        code=$(timeout 20 curl -s -o "$got.body" -D "$got.head" -w '%{http_code}' --cacert "$(ca "$replica")" "${@:2:$#-2}" \
            "https://localhost:$(at "$replica" https)${!#}") || code="curl exit $?"
        [[ $code =~ ^($1)$ ]] && return
        [[ $code =~ ^(curl.*|503|504)$ ]] || break
    done
    echo "${*:2}: $code instead of $1" >&2
    return 1
}
same() { cmp -s "$1" "$got.body" || { echo "$2: other bytes than were put there" >&2; return 1; }; }
dated() { LC_ALL=C date -u -d "$(head_of last-modified) $1" '+%a, %d %b %Y %H:%M:%S GMT'; }
head_of() { tr -d '\r' <"$got.head" | awk -v name="$1:" 'tolower($1) == name { sub(/^[^ ]* /, ""); print }'; }

# What was put at one replica is read at the last one. A request that is made again may find itself done.
curl_pass() {
    local from="$*" forth="$*" backwards page tag place earlier later
    backwards=$(tac -s ' ' <<<"$* " | tr -d '\n')
    page=/c/$((++passes))-$BASHPID
    head -c 20000 /dev/urandom >"$got.put"
    request 200 /page && same "$tmp/page" /page || return
    request '20[14]' -T "$got.put" -H 'Content-Type: image/png' "$page" || return
    from=$backwards
    request 200 "$page" && same "$got.put" "$page" || return
    [ "$(head_of content-type)" = image/png ] || { wrong "content type $(head_of content-type)"; return; }
    tag=$(head_of etag)
    earlier=$(dated '1 hour ago') later=$(dated '1 hour')
    request 304 -z "$later" "$page" && request 200 -z "$earlier" "$page" || return
    request 200 -z "-$later" "$page" && request 412 -z "-$earlier" "$page" || return
    request 412 -T "$got.put" -H "If-Unmodified-Since: $earlier" "$page" || return
    request 304 -H "If-None-Match: $tag" "$page" && request 206 -r 10-1009 "$page" || return
    head -c 1010 "$got.put" | tail -c 1000 | cmp -s - "$got.body" || { wrong "another range"; return; }
    from=$forth
    request 412 -T "$got.put" -H 'If-Match: "0123"' "$page" || return
    request '20[14]' -X PUT -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue' --data-binary "@$got.put" "$page-chunks" || return
    request 201 -H "Idempotency-Key: $page" --data-binary once /c/ || return
    place=$(head_of location)
    from=$backwards
    request 201 -H "Idempotency-Key: $page" --data-binary once /c/ || return
    [ "$place" = "$(head_of location)" ] || { wrong "one POST, two pages: $place, $(head_of location)"; return; }
    request 200 "$page-chunks" && same "$got.put" "$page-chunks" || return
    request 200 "/?prefix=${page#/}&limit=5" || return
    [ "$(python3 -c 'import json, sys; print(*[k["key"] for k in json.load(open(sys.argv[1]))["keys"]])' "$got.body")" = "${page#/} ${page#/}-chunks" ] ||
        { wrong "the list is $(cat "$got.body")"; return; }
    request '204|404' -X DELETE "$page" && from=$forth request 404 "$page"
}
curl_() {
    local until=$((SECONDS + $1)) got=$tmp/curl.$BASHPID
    while curl_pass "${@:2}"; do [ $SECONDS -gt $until ] && return; done
    return 1
}

# Every answer's status and body; nine reads of a page, then one write of another.
cat >"$tmp/wrk.lua" <<'LUA'
local file = io.open(os.getenv("PAGE"), "rb")
local page = file:read("*a")
local threads, count = {}, 0
file:close()
odd, first = 0, "" -- of this thread
function setup(thread) table.insert(threads, thread) end
function request()
    count = count + 1
    if count % 10 == 0 then return wrk.format("PUT", "/w", {["Content-Type"] = "text/plain"}, "written " .. count) end
    return wrk.format("GET", "/page")
end
function response(status, headers, body)
    if (status == 200 and body == page) or ((status == 201 or status == 204) and body == "") then return end
    odd = odd + 1
    if first == "" then first = "status " .. status .. ", " .. #body .. " bytes" end
end
function done(summary)
    local sum, example = 0, ""
    for _, t in ipairs(threads) do
        sum = sum + t:get("odd")
        if t:get("first") ~= "" then example = t:get("first") end
    end
    local e = summary.errors
    print(string.format("checked %d odd %d lost %d %s", summary.requests, sum, e.connect + e.read + e.write + e.timeout, example))
end
LUA
# A replica that dies costs it connections; the next replica must then do by itself.
wrk_() {
    local seconds=$1 replica=$2 said
    [ "$seconds" -gt 0 ] || seconds=1
    said=$(PAGE=$tmp/page timeout 60 wrk -t 2 -c 8 -d "${seconds}s" --timeout 10s -s "$tmp/wrk.lua" "https://localhost:$(at "$replica" https)/page" 2>&1 |
        grep '^checked') || { wrong "it said nothing"; return; }
    set -- "${@:3}"
    grep -q ' odd 0 ' <<<"$said" || [[ $# -gt 0 && $said =~ status\ 50[34], ]] || { wrong "$said"; return; }
    if [ $# -gt 0 ]; then
        wrk_ 1 "$@"
    else
        [[ $said =~ ^checked\ [1-9][0-9]+\ odd\ 0\ lost\ 0 ]] || wrong "$said"
    fi
}

# 16 connections at a steady rate, of which every request must succeed, with as many bytes as the page has.
h2load_() {
    local seconds=$1 replica=$2 out=$tmp/h2load.$BASHPID n
    [ "$seconds" -gt 0 ] || seconds=1
    n=$((seconds * 800))
    timeout 60 h2load --h1 -t 1 -c 16 --rps 50 -n $n "https://localhost:$(at "$replica" https)/page" >"$out" 2>&1
    set -- "${@:3}"
    if [ $# -gt 0 ]; then
        h2load_ 1 "$@"
        return
    fi
    grep -q "^requests: $n total, $n started, $n done, $n succeeded, 0 failed, 0 errored, 0 timeout" "$out" &&
        grep -q "^status codes: $n 2xx, 0 3xx, 0 4xx, 0 5xx" "$out" &&
        grep -q " ($((n * $(stat -c %s "$tmp/page")))) data" "$out" ||
        wrong "$(grep -E '^(requests|status codes|traffic)' "$out" | tr '\n' ' ')"
}

clients_cluster pages
passes=0 got=$tmp/first from=0
head -c 3000 /dev/urandom | base64 -w 0 >"$tmp/page"
request 201 -T "$tmp/page" /page || fail "the first page"
for from in 0 1 2 3; do # the same date everywhere, and it stands for a page that was put there once
    request 200 /page || fail "the first page at $from"
    now=$(dated '0 seconds') before=$(dated '1 second ago')
    [ "$now" = "${then:=$now}" ] || fail "two dates of one page: $then, $now"
    request 304 -z "$now" /page && request 200 -z "$before" /page || fail "a date at $from"
    request 206 -r 0-9 -H "If-Range: $now" /page && request 200 -r 0-9 -H "If-Range: $before" /page || fail "a part by a date at $from"
done
story curl_ wrk_ h2load_

# The same checks see what is wrong.
start_alone pages
from=alone
request 201 -T "$tmp/page" /page || fail "a page of the standalone server"
request 200 /page && request 304 -z "$(dated '0 seconds')" /page || fail "a date of the standalone server"
for client in curl_ wrk_ h2load_; do $client 0 alone || fail "$client: a right server is called wrong"; done
tr A B <"$tmp/page" >"$tmp/other"
request 204 -T "$tmp/other" /page || fail "another page"
sees curl_ 0 alone
sees wrk_ 0 alone
echo more >>"$tmp/other"
request 204 -T "$tmp/other" /page || fail "a longer page"
sees h2load_ 0 alone
request 204 -X DELETE /page || fail "no page"
sees wrk_ 0 alone
sees h2load_ 0 alone
down_cluster
echo ok
