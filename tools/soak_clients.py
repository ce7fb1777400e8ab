"""Clients of tools/soak: the C library, or a stock client's protocol over TLS to any one replica.

Each has increment(key) and get(key), which return (kind, answer): COMMITTED with a number, REJECTED (it was never executed) or
UNKNOWN. An answer that makes no sense is an error of the service, and raised.
"""
import ctypes
import http.client
import json
import os
import random
import socket
import ssl
import struct

OP_TIMEOUT_MS = 8000
COMMITTED, REJECTED, UNKNOWN = 0, 1, 2
OK, NOT_FOUND = 0, 1


class Outcome(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("status", ctypes.c_int), ("result", ctypes.POINTER(ctypes.c_uint8)),
                ("result_bytes", ctypes.c_size_t), ("slot", ctypes.c_uint64), ("reason", ctypes.c_char_p),
                ("latency_us", ctypes.c_uint64)]


def load_library(path):
    library = ctypes.CDLL(str(path))
    library.redoubt_client_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    library.redoubt_client_error.restype = ctypes.c_char_p
    library.redoubt_client_error.argtypes = [ctypes.c_void_p]
    library.redoubt_client_close.argtypes = [ctypes.c_void_p]
    library.redoubt_call.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_void_p]
    return library


class LibraryClient:
    """One native client, by the C library."""

    def __init__(self, library, folder):
        self.library, self.handle = library, ctypes.c_void_p()
        if library.redoubt_client_open(ctypes.byref(self.handle), folder.encode(), None) != 0:
            reason = library.redoubt_client_error(self.handle)
            raise RuntimeError(f"client: {reason.decode() if reason else 'cannot be opened'}")

    def call(self, operation):
        outcome = Outcome()
        self.library.redoubt_call(self.handle, operation, ctypes.c_size_t(len(operation)), OP_TIMEOUT_MS,
                                  ctypes.byref(outcome))
        result = ctypes.string_at(outcome.result, outcome.result_bytes) if outcome.result_bytes else b""
        kind, status = outcome.kind, outcome.status
        self.library.redoubt_outcome_clear(ctypes.byref(outcome))
        if kind == COMMITTED and status not in (OK, NOT_FOUND):
            raise RuntimeError(f"status {status}, {len(result)} bytes")
        return kind, result

    def increment(self, key):
        kind, result = self.call(struct.pack("<BHq", 4, len(key), 1) + key)
        return kind, struct.unpack("<q", result)[0] if kind == COMMITTED else None

    def get(self, key):
        kind, result = self.call(struct.pack("<BH", 1, len(key)) + key)
        return kind, int(result or b"0") if kind == COMMITTED else None

    def close(self):
        self.library.redoubt_client_close(self.handle)


class StockClient:
    """What is common to clients that know addresses and a CA, and nothing of replication: after any failure they connect to the next
    replica. What was under way then is unknown."""

    def __init__(self, folder, field, seed):
        with open(os.path.join(folder, "endpoints.json"), encoding="utf-8") as file:
            endpoints = json.load(file)
        self.addresses = [replica[field] for replica in endpoints["replicas"] if replica.get(field)]
        if not self.addresses:
            raise RuntimeError(f"endpoints.json lists no {field} address")
        self.context = ssl.create_default_context(cafile=os.path.join(folder, endpoints["ca"]))
        self.at, self.connection = random.Random(seed).randrange(len(self.addresses)), None

    def address(self):
        host, port = self.addresses[self.at % len(self.addresses)].rsplit(":", 1)
        return host.strip("[]"), int(port)

    def ask(self, what, sent):
        """`what()` on a connection; `sent`: the outcome when it breaks while an answer is awaited."""
        try:
            if not self.connection:
                self.connect()
        except OSError:
            self.next()
            return REJECTED, None
        try:
            return COMMITTED, what()
        except (OSError, http.client.HTTPException, EOFError):
            self.next()
            return sent, None

    def next(self):
        self.close()
        self.at += 1

    def close(self):
        if self.connection:
            try:
                self.connection.close()
            except OSError:
                pass
        self.connection = None


class RedisClient(StockClient):
    def __init__(self, folder, seed):
        super().__init__(folder, "rediss", seed)
        self.reader = None

    def connect(self):
        host, port = self.address()
        plain = socket.create_connection((host, port), timeout=OP_TIMEOUT_MS / 1000)
        try:
            self.connection = self.context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise
        self.reader = self.connection.makefile("rb")

    def command(self, *words):
        self.connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        if line[:1] == b":":
            return int(line[1:])
        if line[:1] != b"$":
            raise RuntimeError(f"{words[0].decode()}: {line!r}")
        if int(line[1:]) < 0:
            return 0
        value = self.reader.read(int(line[1:]) + 2)
        if not value.endswith(b"\r\n"):
            raise EOFError
        return int(value)

    def increment(self, key):
        return self.ask(lambda: self.command(b"INCR", key), UNKNOWN)

    def get(self, key):
        return self.ask(lambda: self.command(b"GET", key), REJECTED)

    def close(self):
        if self.reader:
            self.reader.close()
        self.reader = None
        super().close()


class HttpClient(StockClient):
    """An increment has an Idempotency-Key, with which it is asked again elsewhere when its outcome is not known."""

    TRIES = 6

    def __init__(self, folder, seed):
        super().__init__(folder, "https", seed)

    def connect(self):
        host, port = self.address()
        connection = http.client.HTTPSConnection(host, port, timeout=OP_TIMEOUT_MS / 1000, context=self.context)
        connection.connect()
        self.connection = connection

    def request(self, method, path, headers=None):
        self.connection.request(method, path, headers=headers or {})
        response = self.connection.getresponse()
        body = response.read()
        if response.status in (503, 504):  # it says itself that it could not
            raise EOFError
        if response.status == 404 and method == "GET":
            return 0
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {body[:200]!r}")
        return int(body)

    def increment(self, key):
        once = {"Idempotency-Key": os.urandom(12).hex()}
        unknown = False
        for _ in range(self.TRIES):
            kind, answer = self.ask(lambda: self.request("POST", f"/kv/{key.decode()}?incr=1", once), UNKNOWN)
            if kind == COMMITTED:
                return kind, answer
            unknown = unknown or kind == UNKNOWN
        return (UNKNOWN if unknown else REJECTED), None

    def get(self, key):
        return self.ask(lambda: self.request("GET", f"/kv/{key.decode()}"), REJECTED)


def client_of(via, library, folder, seed):
    if via == "library":
        return LibraryClient(library, folder)
    return RedisClient(folder, seed) if via == "rediss" else HttpClient(folder, seed)
