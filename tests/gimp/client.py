"""A small synchronous client of the plug-in, on top of its own frame codec."""

import itertools
import socket
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "gimp-plugin" / "gimp-bridge"), str(ROOT / "tests")]

from gimp_bridge.net import auth, wire  # noqa: E402


class CallError(Exception):
    """An error response: `.kind`, `.message`, `.hint`, `.details`."""

    def __init__(self, error):
        data = error.get("data", {})
        self.code, self.message = error["code"], error["message"]
        self.kind, self.hint, self.details = data.get("kind"), data.get("hint"), data.get("details", {})
        super().__init__(f"{self.kind}: {self.message}")


class Streamed:
    """A call's whole reply: `.header` and `.data` of its stream (None without one), `.result`."""

    def __init__(self):
        self.header, self.data, self.result, self.progress = None, bytearray(), None, []


class Client:
    """One connection. `call` is one request after the other; `send_call` and `wait` pipeline."""

    def __init__(self, port, secret, name="test", client_id=None, label="test", timeout=180, connect=True):
        self.port, self.secret, self.name, self.label = port, secret, name, label
        self.client_id = client_id or f"{name}-{id(self)}-{time.monotonic_ns()}"
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder = wire.Decoder(wire.MAX_FRAME)
        self._events = iter(())
        self._ids = itertools.count(1)
        self._open = {}  # id → Streamed
        self.unmatched = []  # messages that answer nothing
        if connect:
            self.handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # --- frames ---

    def send(self, message):
        self.sock.sendall(wire.encode_message(message))

    def send_chunk(self, request_id, data):
        self.sock.sendall(wire.encode_chunk(wire.REQUEST_CHUNK, request_id, data))

    def receive(self):
        """The next (kind, value); raises ConnectionError at the end."""
        while True:
            event = next(self._events, None)
            if event is not None:
                return event
            data = self.sock.recv(262144)
            if not data:
                raise ConnectionError("the plug-in closed the connection")
            self._events = self._decoder.feed(data)

    # --- messages ---

    def handshake(self):
        nonce = auth.new_nonce()
        hello = self.request("hello", {"protocol": auth.PROTOCOL, "nonce": nonce})
        proof = auth.proof(self.secret, "daemon", self.port, nonce, hello["nonce"])
        software = {"name": "gimp-bridge", "version": "0.1.0"}
        self.welcome = self.request("prove", {"proof": proof, "software": software, "label": self.label})
        assert auth.is_proof(self.welcome["proof"], self.secret, "plugin", self.port, nonce, hello["nonce"])

    def send_request(self, method, params):
        request_id = next(self._ids)
        self._open[request_id] = Streamed()
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    def wait(self, request_id):
        """The Streamed of a request that was sent; raises CallError."""
        reply = self._open[request_id]
        while reply.result is None:
            self._dispatch(*self.receive())
        del self._open[request_id]
        if isinstance(reply.result, CallError):
            raise reply.result
        return reply

    def request(self, method, params):
        return self.wait(self.send_request(method, params)).result

    def _dispatch(self, kind, value):
        if kind == wire.REPLY_CHUNK:
            self._open[value[0]].data += value[1]
            return
        method, target = value.get("method"), value.get("id")
        if method in ("$/stream", "$/progress"):
            params = value["params"]
            reply = self._open[params["id"]]
            if method == "$/stream":
                reply.header = params["header"]
            else:
                reply.progress.append(params)
        elif target in self._open:
            self._open[target].result = CallError(value["error"]) if "error" in value else value["result"]
        else:
            self.unmatched.append(value)

    # --- the methods ---

    def send_call(self, operation, arguments=None, timeout=120, upload=None):
        params = {
            "operation": operation,
            "arguments": arguments or {},
            "timeout": timeout,
            "client": {"id": self.client_id, "name": self.name},
        }
        if upload is not None:
            params["upload"] = {"bytes": len(upload)}
        request_id = self.send_request("call", params)
        for start in range(0, len(upload or b""), wire.MAX_CHUNK):
            self.send_chunk(request_id, upload[start : start + wire.MAX_CHUNK])
        return request_id

    def call(self, operation, /, timeout=120, upload=None, **arguments):
        """The result of one operation."""
        return self.wait(self.send_call(operation, arguments, timeout, upload)).result

    def stream(self, operation, /, timeout=120, **arguments):
        """The Streamed of one operation."""
        return self.wait(self.send_call(operation, arguments, timeout))

    def cancel(self, request_id):
        self.send({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": request_id}})

    def ping(self):
        return self.request("$/ping", {})

    def python(self, *lines, timeout=120, **arguments):
        """What a console script printed."""
        return self.call(
            "call_api", timeout=timeout, api_path="exec", args=["pyGObject-console", list(lines)], **arguments
        )["output"]

    def eval(self, expression, timeout=120):
        """An expression's value."""
        return self.call("call_api", timeout=timeout, api_path="exec", args=["pyGObject-eval", [expression]])["value"]
