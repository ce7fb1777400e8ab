#!/usr/bin/env bash
# What the internet does to an open port: garbage instead of TLS, connections that say nothing, handshakes by the hundred, clients that
# never read, thousands that are idle. Others are served meanwhile, and what it costs is bounded.
. "$(dirname "$0")/lib_cluster.sh"
[ -x "$bin/redoubt-troxy-kv" ] || { echo "no front in this build"; exit 77; }

init_cluster one
sed -i 's/^front: on.*/front: on\nfront_request_s: 3\nfront_idle_s: 60/' "$dir/cluster.yaml"
up_cluster
tls() { timeout 20 redis-cli --tls --cacert "$dir/ca.pem" -h localhost -p $((base + 3)) "$@"; }
expect OK tls set key value
pid=$(status '[c["pid"] for c in s["replicas"][0]["compartments"] if c["kind"] == "troxy"][0]')
host=$(status 's["replicas"][0]["pid"]')

for i in 1 2 3; do
    head -c 5000 /dev/urandom | send_bytes $((base + 3)) >/dev/null
    printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' | send_bytes $((base + 3)) >/dev/null
    printf '*1\r\n$4\r\nPING\r\n' | send_bytes $((base + 3)) >/dev/null
done
expect value tls get key

cat >"$tmp/idle.py" <<'PY'
import resource, socket, ssl, sys, time
port, ca, count, pids = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count + 100), hard))

def resident():
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    return total

context = ssl.create_default_context(cafile=ca)
def connect():
    return context.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost")

# Half of them stop in the middle of a handshake, or before it.
half = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
for s in half[:150]:
    s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
# One that begins a request and does not go on.
slow = connect()
slow.sendall(b"*3\r\n$3\r\nSET\r\n")
before, began = resident(), time.time()
idle = [connect() for _ in range(count)]
took = time.time() - began
time.sleep(1)
cost = (resident() - before) / 1024
print(f"{count} idle connections: {cost:.1f} MiB, {took:.1f} s", file=sys.stderr)
# A client that asks for much and never reads.
greedy = connect()
greedy.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$100000\r\n" + b"x" * 100000 + b"\r\n")
greedy.recv(100)
greedy.setblocking(False)
try:
    for _ in range(5000):
        greedy.send(b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n")
except ssl.SSLWantWriteError:
    pass
one = connect()
one.sendall(b"GET key\r\n")
answer = one.recv(100)
slow.settimeout(10)
closed = slow.recv(1) == b""
idle[count // 2].sendall(b"GET key\r\n")
again = idle[count // 2].recv(100)
print(answer == b"$5\r\nvalue\r\n" and again == answer and closed and cost < 100)
PY
expect True timeout 200 python3 "$tmp/idle.py" $((base + 3)) "$dir/ca.pem" 2000 "$pid" "$host"
cat "$tmp/expect.log"
expect value tls get key
expect True status 's["replicas"][0]["front"]["deaths"] == 0 and all(r["voting"] for r in s["replicas"])'
metrics() { curl -s "http://127.0.0.1:$((base + 6))/metrics" >"$tmp/metrics"; grep -q "$1" "$tmp/metrics"; }
metrics '^redoubt_front_ended_total{why="garbage"} [1-9]' || fail "garbage was not counted"
metrics '^redoubt_front_ended_total{why="slow"} [1-9]' || fail "slow clients were not counted"
wait_for 10 metrics '^redoubt_front_connections [0-9]$' || fail "connections that are gone are still held"
down_cluster
echo ok
