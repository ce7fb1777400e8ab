#!/usr/bin/env bash
# tools/soak: a short run against a cluster, and its checker on histories that are wrong.
. "$(dirname "$0")/lib_cluster.sh"

TMPDIR=$tmp "$root/tools/soak" "$bin" --base-port "$(free_base 4)" --kills 3 --faults pause,kill,wipe --threads 4 --json >"$tmp/soak.out" 2>"$tmp/soak.log" || fail "soak"
python3 - "$tmp/soak.out" "$root/tools/soak" <<'PY' || fail "the checker"
import importlib.machinery, importlib.util, json, sys
said = json.load(open(sys.argv[1]))
assert said["committed"] > 100 and not said["wrong"], said
assert said["faults"].get("kill", 0) + said["faults"].get("wipe", 0) == 3, said
assert sum(entry["count"] for entry in said["gaps"].values()) == sum(said["faults"].values()), said
loader = importlib.machinery.SourceFileLoader("soak", sys.argv[2])
soak = importlib.util.module_from_spec(importlib.util.spec_from_loader("soak", loader))
sys.dont_write_bytecode = True
loader.exec_module(soak)

def history():
    """Ten increments one after the other, a read after each, one unknown increment that was executed, the end."""
    h = []
    for i in range(10):
        h.append(["k", "increment", 4.0 * i, 4.0 * i + 1, i + 1])
        h.append(["k", "get", 4.0 * i + 2, 4.0 * i + 3, i + 1])
    return h + [["k", "increment", 39.0, 60.0, None], ["k", "final", 70.0, 70.0, 11]]

def wrong(change):
    h = history()
    change(h)
    return list(soak.check_key("k", [tuple(o) for o in h]))

assert wrong(lambda h: None) == []
assert wrong(lambda h: h[4].__setitem__(4, 2)), "the same answer twice"
assert wrong(lambda h: h[7].__setitem__(4, 3)), "a stale read"
assert wrong(lambda h: h[6].__setitem__(4, 40)), "an answer that nobody can have got"
assert wrong(lambda h: h[-1].__setitem__(4, 9)), "an acknowledged increment is lost"
assert wrong(lambda h: (h[0].__setitem__(4, 2), h[2].__setitem__(4, 1))), "against the order of time"
faults = [("kill primary", 10.0), ("pause backup", 20.0)]
table = soak.gaps_by_fault(faults, [(1.0, 2.0), (9.9, 11.4), (15.0, 20.5), (19.9, 20.3)])
assert table == {"kill primary": {"count": 1, "longest_gap_ms": 5500}, "pause backup": {"count": 1, "longest_gap_ms": 400}}, table
h = history()
h[-2][2:4] = [0.0, 60.0]
assert list(soak.check_key("k", [tuple(o) for o in h])) == [], "an unknown one may have come first or last"
PY
echo ok
