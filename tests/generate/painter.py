"""A stand-in for a KServe model that paints, with the standard library alone: the same picture for the same words.

`with Painter() as painter: painter.url` is the model's URL. It refuses unknown keys and nulls, as a strict pipeline does.
Alone: painter.py ADDRESS PORT.
"""

import base64
import contextlib
import functools
import json
import struct
import sys
import threading
import zlib
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN = {"prompt", "negative_prompt", "num_inference_steps", "width", "height", "guidance_scale", "seed"}


def rows(prompt, seed, width, height):
    """RGB rows: a colour for the prompt, a gradient that begins at the seed."""
    red = sum(prompt.encode()) % 256
    line = bytearray()
    for x in range(width):
        line += bytes((red, x % 256, 0))
    for y in range(height):
        line[2::3] = bytes([(y + seed) % 256]) * width
        yield bytes(line)


@functools.lru_cache(maxsize=64)
def png(prompt, seed, width, height, level=1):
    """The file. At level 0 it is as large as its pixels: one that takes time to write."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + row for row in rows(prompt, seed, width, height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, level)) + chunk(b"IEND", b"")


@functools.lru_cache(maxsize=64)
def painted(prompt, seed, width, height, level):
    """The answer's body."""
    image = {"format": "PNG", "b64": base64.b64encode(png(prompt, seed, width, height, level)).decode()}
    return json.dumps({"predictions": [{"model_name": "painter", "seed": seed, "image": image}]}).encode()


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A daemon that is killed in the middle of asking is no fault of the stand-in's."""


class Answering(BaseHTTPRequestHandler):
    """JSON in and out, for the stand-in behind `self.server.owner`."""

    protocol_version = "HTTP/1.1"

    @property
    def owner(self):
        return self.server.owner

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def answer(self, status, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        try:
            self.wfile.write(text)
        except OSError:  # whoever asked is gone
            self.close_connection = True

    def log_message(self, *_):
        pass


class StandIn:
    """`with` one: its server answers by `handler` at `url`; while `gate` is cleared, pictures wait."""

    handler, path = Answering, ""

    def __init__(self, address="127.0.0.1", port=0):
        self.server = Server((address, port), self.handler)
        self.server.owner = self
        self.url = f"http://127.0.0.1:{self.server.server_port}{self.path}"
        self.requests, self.gate = [], threading.Event()
        self.gate.set()

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


class Handler(Answering):
    def do_POST(self):
        body, owner = self.body(), self.owner
        (instance,) = body["instances"]
        wrong = [name for name, value in instance.items() if name not in KNOWN or value is None]
        if self.path != f"{Painter.path}:predict" or wrong:
            return self.answer(400, {"error": f"not understood: {self.path} {wrong}"})
        owner.requests.append(instance)
        with owner.counted():
            owner.gate.wait(60)
        seed = instance.get("seed", 5)
        return self.answer(200, painted(instance["prompt"], seed, instance["width"], instance["height"], owner.level))


class Painter(StandIn):
    """`requests` are the instances in their order; `now` so many pictures wait at the gate."""

    handler, path = Handler, "/v1/models/painter"

    def __init__(self, level=1, **where):
        super().__init__(**where)
        self.level, self.now, self.lock = level, 0, threading.Lock()

    @contextlib.contextmanager
    def counted(self):
        with self.lock:
            self.now += 1
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1


if __name__ == "__main__":
    alone = Painter(address=sys.argv[1], port=int(sys.argv[2]))
    alone.requests = deque(maxlen=1)
    alone.server.serve_forever()
