"""What tools/bench-front and tools/bench-distance share: clusters and peers on this machine, stock clients, and rounds in turns.

Whatever is started ends with Bench.stop(). fail() ends the program with exit 1.
"""
import argparse
import csv
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
READY_S = 60
CLIENTS = 50
JMETER_HOME = "/usr/share/jmeter"
JARS = ("jetty9-server", "jetty9-http", "jetty9-util", "jetty9-io", "servlet-api")
# Programs or files, and their Debian packages.
NEEDS_JETTY = [(JMETER_HOME + "/lib/ext/ApacheJMeter_http.jar", "jmeter jmeter-http"), ("javac", "default-jdk-headless"),
               ("/usr/share/java/jetty9-server.jar", "libjetty9-java libservlet-api-java"), ("openssl", "openssl")]


def fail(what):
    sys.exit(os.path.basename(sys.argv[0]) + ": " + what)


def missing(needs):
    """`needs`: lists of (program or file, Debian packages)."""
    packages = []
    for need in needs:
        packages += [package for program, package in need if not shutil.which(program) and not os.path.exists(program)]
    if packages:
        fail("missing: apt-get install --no-install-recommends " + " ".join(dict.fromkeys(packages)))


class Server:
    """A process that is ready when it says so or its port answers; ended by its pid."""

    def __init__(self, folder, name, command, port=None):
        self.log_path = os.path.join(folder, name + ".log")
        self.name, self.port = name, port
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def said(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def is_ready(self):
        if not self.port:
            return "ready" in (line.strip() for line in self.said().splitlines())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                fail(f"{self.name}: did not become ready:\n{self.said()[-2000:]}")
            time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Cluster(Server):
    """fast False: every read is ordered; True: as `init` has it for the protocol."""

    def __init__(self, bench, name, service, fast=True, plain=False, protocol="splitbft"):
        self.base = bench.ports(40)
        self.home = os.path.join(bench.folder, f"{name}-{self.base}")
        run([bench.redoubt, "init", self.home, "--service", service, "--durability", "memory", "--base-port", str(self.base),
             "--protocol", protocol] + (["--plain"] if plain else []))
        path = os.path.join(self.home, "cluster.yaml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not fast:
            text = re.sub(r"(?m)^fast_reads: on.*", "fast_reads: off", text)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        self.fast = re.search(r"(?m)^fast_reads: on", text) is not None
        super().__init__(bench.folder, name, [bench.redoubt, "up", self.home])
        self.redoubt = bench.redoubt
        self.ca = os.path.join(self.home, "ca.pem")
        self.crt, self.key = (os.path.join(self.home, "replica-0", name) for name in ("tls.crt", "tls.key"))
        self.https, self.rediss = self.base + 2, self.base + 3

    def bench(self, seconds, *options):
        figures = json.loads(run([self.redoubt, "bench", self.home, *options, "--clients", str(CLIENTS), "--seconds", str(seconds), "--json"]))
        if figures["errors"]:
            fail(f"redoubt bench {' '.join(options)}: {figures['errors']} errors")
        return figures["ops_per_s"]

    def metric(self, replica, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.base + 10 * replica + 6}/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"redoubt_{name} "):
                    return float(line.split()[1])
        fail(f"/metrics has no redoubt_{name}")


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    if result.returncode != 0:
        fail(f"{' '.join(command)}: exit {result.returncode}: {(result.stderr or result.stdout).strip()[-500:]}")
    return result.stdout


# ---------------------------------------------------------------- clients

def redis_benchmark(port, ca, seconds, test, pipeline=1):
    """ca None: without TLS. Requests a second. redis-benchmark knows no time, so a short run says how many requests make one."""
    def once(requests):
        tls = ["--tls", "--cacert", ca, "-h", "localhost"] if ca else ["-h", "127.0.0.1"]
        out = run(["redis-benchmark", *tls, "-p", str(port), "-c", str(CLIENTS), "-d", "100", "-n",
                   str(requests), "-P", str(pipeline), "-t", test, "--csv", "-q"])
        return next(float(row[1]) for row in csv.reader(out.splitlines()) if row and row[0].upper() == test.upper())
    return once(max(5000, int(once(5000 * pipeline) * seconds)))


def wrk(port, path, seconds, connections=CLIENTS, scheme="https"):
    """Requests a second, and how many there were."""
    out = run(["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "20s", f"{scheme}://localhost:{port}{path}"])
    if "Socket errors" in out or "Non-2xx" in out:
        fail(f"wrk at port {port}: {out}")
    return float(re.search(r"Requests/sec:\s*([0-9.]+)", out).group(1)), int(re.search(r"(\d+) requests in", out).group(1))


def jmeter_plan(folder, name="pages", without=(), scheme="https"):
    """The plan of the tests, without what a thread does when its replica dies, which costs it time, and the samples named in `without`."""
    tree = xml.etree.ElementTree.parse(os.path.join(ROOT, "test", "e2e", "pages.jmx"))
    for parent in tree.iter("hashTree"):
        children = list(parent)
        for i, child in enumerate(children):
            if child.tag == "BeanShellPostProcessor" or child.get("testname") in without:
                parent.remove(child)
                parent.remove(children[i + 1])  # what belongs to it
    for setting in tree.iter("stringProp"):
        if setting.get("name") == "HTTPSampler.protocol":
            setting.text = scheme
    path = os.path.join(folder, name + ".jmx")
    tree.write(path)
    return path


def jmeter(folder, plan, port, page, seconds, threads, may_be_stale=False):
    """Of what ended in the second half, since before that its own machine code is being made: mean latency in ms, samples a second, and
    the means of each kind of sample, in words. may_be_stale: who reads what he has written may see what was there before."""
    log = os.path.join(folder, "jmeter.jtl")
    if os.path.exists(log):
        os.remove(log)
    classes = f"{JMETER_HOME}/bin/ApacheJMeter.jar:{JMETER_HOME}/lib/*:{JMETER_HOME}/lib/ext/*:/usr/share/java/bsh.jar"
    run(["java", f"-Djmeter.home={JMETER_HOME}", "-cp", classes, "bsh.Interpreter", os.path.join(ROOT, "test", "e2e", "jmeter.bsh"), "-n", "-t", plan,
         "-l", log, "-j", log + ".log", f"-Jport={port}", f"-Jports={port}", f"-Jthreads={threads}", f"-Jseconds={2 * seconds}",
         f"-Jpage={page}", "-Jjmeter.save.saveservice.output_format=csv"])
    with open(log, encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row[0].isdigit()]
    wrong = [row for row in rows if row[7] != "true"]
    if wrong and not (may_be_stale and all(row[2] == "read back" and row[3] == "200" for row in wrong)):
        fail(f"jmeter at port {port}: {len(wrong)} of {len(rows)} answers were wrong: {wrong[0]}")
    late = [row for row in rows if int(row[0]) > (int(rows[0][0]) + int(rows[-1][0])) / 2]
    of = {}
    for row in late:
        of.setdefault(row[2], []).append(int(row[1]))
    parts = ", ".join(f"{name} {statistics.mean(all_of):.2f}" for name, all_of in of.items())
    parts += f"; {len(wrong)} stale" if wrong else ""
    return statistics.mean(int(row[1]) for row in late), len(late) / seconds, parts


def put(port, ca, path, body_path, scheme="https"):
    run(["curl", "-sS", "-f", "-o", os.devnull, "--cacert", ca, "-T", body_path, f"{scheme}://localhost:{port}{path}"])


def start_jetty(bench, crt, key):
    """Jetty with pages, started with this certificate. Returns its port."""
    port, store = bench.ports(1), os.path.join(bench.folder, "bench.p12")
    run(["openssl", "pkcs12", "-export", "-in", crt, "-inkey", key, "-out", store, "-passout", "pass:bench"])
    jars = ":".join(f"/usr/share/java/{jar}.jar" for jar in JARS)
    bench.start(Server, bench.folder, "jetty", ["java", "-cp", jars, os.path.join(ROOT, "bench", "JettyPages.java"), str(port), store])
    return port


class Bench:
    """args: bin, base_port, rounds, seconds."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.redoubt = os.path.join(args.bin, "redoubt")
        self.next_port = args.base_port
        self.servers, self.results = [], []
        self.prefix = os.path.basename(sys.argv[0]) + ": "

    def ports(self, count):
        self.next_port += count
        return self.next_port - count

    def start(self, kind, *args, **named):
        server = kind(*args, **named)
        self.servers.append(server)
        return server

    def stop(self):
        for server in self.servers:
            server.stop()
        self.servers = []

    def say(self, text):
        print(self.prefix + text, file=sys.stderr, flush=True)

    def compare(self, name, unit, goal, at_most, ours, theirs):
        """ours and theirs: functions that measure once. theirs None: ours is the ratio."""
        rounds = []
        for turn in range(self.args.rounds):
            got = {}
            for who in ((ours, theirs) if turn % 2 == 0 else (theirs, ours)):
                if who:
                    got[who] = who()
            a, b = got[ours], got[theirs] if theirs else 1.0
            if not a or not b:
                fail(f"{name}: nothing was done within {self.args.seconds} s: {a} and {b} {unit}")
            rounds.append({"ours": round(a, 3), "theirs": round(b, 3), "ratio": round(a / b, 4)})
            self.say(f"{name}, round {turn + 1}: {a:.1f} and {b:.1f} {unit}, ratio {a / b:.3f}")
        self.report(name, unit, goal, at_most, rounds)

    def report(self, name, unit, goal, at_most, rounds):
        """One line of the table. rounds: of dicts with ours, theirs and ratio."""
        ratios = [r["ratio"] for r in rounds]
        median = statistics.median(ratios)
        self.results.append({"name": name, "unit": unit, "goal": goal, "at_most": at_most, "median": median, "lowest": min(ratios),
                             "highest": max(ratios), "reached": goal is None or (median <= goal if at_most else median >= goal), "rounds": rounds})

    def file(self, name, size):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(("0123456789abcdef" * (size // 16 + 1))[:size])
        return path

    def print_table(self):
        print(f"{'':<50} {'wanted':>10} {'median':>9} {'lowest':>9} {'highest':>9}")
        for r in self.results:
            sign = "<=" if r["at_most"] else ">="
            wanted = "-" if r["goal"] is None else f"{sign} {r['goal']}"
            print(f"{r['name']:<50} {wanted:>10} {r['median']:>9.3f} {r['lowest']:>9.3f} {r['highest']:>9.3f}"
                  f"{'' if r['reached'] else '   MISSED'}")


def bench_main(args, needs, kind):
    """Runs the figures of `kind`, a Bench, that args.only names, each with what it started; then prints the table, or with args.json a document."""
    missing(needs[name] for name in args.only)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends, too
    folder = tempfile.mkdtemp(prefix="redoubt-bench.")
    bench = kind(args, folder)
    load = os.getloadavg()[0]
    if load > 0.5:
        bench.say(f"the machine is not quiet: load {load:.1f}")
    try:
        for name in args.only:
            getattr(bench, name)()
            bench.stop()
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        print(json.dumps({"rounds": args.rounds, "seconds": args.seconds, "load_before": load, "cores": os.cpu_count(), "figures": bench.results}))
    else:
        bench.print_table()


def bench_arguments(doc, names, rounds=5, seconds=4):
    """The command line that both scripts have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", nargs="?", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=int, default=seconds)
    parser.add_argument("--only", default=",".join(names))
    parser.add_argument("--base-port", type=int, default=23000)
    parser.add_argument("--json", action="store_true")
    return parser


def bench_check(parser, args, names):
    """Exits with 2 when a figure is not known, or there is nothing to do."""
    args.only = [name for name in args.only.split(",") if name]
    for name in args.only:
        if name not in names:
            parser.error(f"--only: {name}: not one of {', '.join(names)}")
    if args.rounds < 1 or args.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    return args
