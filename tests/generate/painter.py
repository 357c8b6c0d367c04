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


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (instance,) = body["instances"]
        wrong = [name for name, value in instance.items() if name not in KNOWN or value is None]
        if self.path != "/v1/models/painter:predict" or wrong:
            return self.answer(400, {"error": f"not understood: {self.path} {wrong}"})
        self.server.requests.append(instance)
        with self.server.painter.counted():
            self.server.painter.gate.wait(60)
        seed = instance.get("seed", 5)
        self.answer(200, painted(instance["prompt"], seed, instance["width"], instance["height"], self.server.level))

    def answer(self, status, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A daemon that is killed in the middle of asking is no fault of the painter's."""


class Painter:
    """`requests` are the instances in their order; while `gate` is cleared, pictures wait, `now` of them."""

    def __init__(self, level=1):
        self.level, self.now = level, 0
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def counted(self):
        with self.lock:
            self.now += 1
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.level, self.server.painter = self.level, self
        self.server.requests = self.requests = []
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/models/painter"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    server.level, server.requests = 1, deque(maxlen=1)
    server.serve_forever()
