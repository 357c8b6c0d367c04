"""Measures the bridge against the usual way of other bridges, in one GIMP, in one run. Prints ratios, and what bounds them.

The usual way: duplicate, flatten, scale, file-png-export, read the file, base64, JSON over a socket; the receiver parses,
decodes base64 and PNG. Ours: one MCP call over HTTP with keep-alive; the receiver does the same. Both ends of both ways
are this process and that GIMP. Figures are medians; the machine may be shared, so trust the ratios.
"""

import argparse
import asyncio
import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import threading
import time
import urllib.parse

import support
from support import decode


class LeanClient:
    """An MCP client without a framework: one kept connection, JSON in, JSON or one event out."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        self.next_id = 0
        answer, headers = self.send("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                                   "clientInfo": {"name": "bench", "version": "1"}})
        self.headers["MCP-Protocol-Version"] = answer["protocolVersion"]
        if headers.get("mcp-session-id"):
            self.headers["Mcp-Session-Id"] = headers["mcp-session-id"]
        self.send("notifications/initialized", None)

    def send(self, method, params):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            self.next_id += 1
            message.update(id=self.next_id, params=params)
        self.connection.request("POST", "/mcp", json.dumps(message), self.headers)
        response = self.connection.getresponse()
        body = response.read()
        if params is None:
            return None, response.headers
        if response.headers.get_content_type() == "text/event-stream":
            body = next(line[5:] for line in body.split(b"\n") if line.startswith(b"data:") and len(line) > 7)
        answer = json.loads(body)
        return answer["result"], response.headers

    def call(self, tool, **arguments):
        result, _ = self.send("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(result)
        return result

    def python(self, *lines, **arguments):
        return self.call("call_api", api_path="exec", args=["pyGObject-console", list(lines)], **arguments)

    def picture(self, **arguments):
        result = self.call("get_image_bitmap", **arguments)
        return decode(base64.b64decode(next(item["data"] for item in result["content"] if item["type"] == "image")))


#: What other bridges run inside GIMP. `PORT` and `SIDE` are filled in; SIDE 0 is the full size.
USUAL = """
def usual(image_id, port, side):
    import base64, json, os, socket, tempfile
    copy = Gimp.Image.get_by_id(image_id).duplicate()
    copy.flatten()
    if side:
        scale = side / max(copy.get_width(), copy.get_height())
        copy.scale(round(copy.get_width() * scale), round(copy.get_height() * scale))
    path = tempfile.mktemp(suffix='.png')
    file = Gio.File.new_for_path(path)
    procedure = Gimp.get_pdb().lookup_procedure('file-png-export')
    config = procedure.create_config()
    config.set_property('image', copy)
    config.set_property('file', file)
    procedure.run(config)
    copy.delete()
    with open(path, 'rb') as stream:
        data = base64.b64encode(stream.read()).decode()
    os.remove(path)
    with socket.create_connection(('127.0.0.1', port)) as peer:
        peer.sendall(json.dumps({'status': 'success', 'results': {'image_data': data}}).encode())
"""


def usual_way(client, image, side):
    """One picture the usual way; seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        received = []

        def receive():
            peer, _ = listener.accept()
            with peer:
                pieces = []
                while piece := peer.recv(1 << 20):
                    pieces.append(piece)
                received.append(b"".join(pieces))

        thread = threading.Thread(target=receive)
        thread.start()
        started = time.perf_counter()
        client.python(f"usual({image}, {port}, {side})", timeout=300)
        thread.join()
        picture = decode(base64.b64decode(json.loads(received[0])["results"]["image_data"]))
        assert max(picture.shape[:2]) == (side or 4000)
        return time.perf_counter() - started


def settle(client):
    """Waits until GIMP has composed what is new in its idle time (20 s at most): its own work, which delays every call."""
    gimp = client.python("import os; print(os.getppid())")["structuredContent"]["output"].strip()

    def ticks():
        with open(f"/proc/{gimp}/stat") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))

    deadline, before = time.monotonic() + 20, None
    while (now := ticks()) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.5)


def timed(work, times):
    """Median seconds of `work`."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


#: 12 megapixels each: smooth shapes under sensor-like grain, which no encoder can shrink much; a photo with little of it; a
#: screenshot's flat areas with text.
KINDS = {
    "noise": "plasma(), filtered('gegl:noise-rgb', red=.2, green=.2, blue=.2)",
    "photo": "plasma(), filtered('gegl:gaussian-blur', **{'std-dev-x': 4.0, 'std-dev-y': 4.0}), filtered('gegl:noise-rgb', red=.02, green=.02, blue=.02)",
    "screen": "windows()",
}
PICTURE = """
image = Gimp.Image.new(4000, 3000, Gimp.ImageBaseType.RGB)
photo = Gimp.Layer.new(image, 'photo', 4000, 3000, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)
image.insert_layer(photo, None, 0)
def filtered(name, **properties):
    made = Gimp.DrawableFilter.new(photo, name, '')
    for key, setting in properties.items(): made.get_config().set_property(key, setting)
    photo.merge_filter(made)
def plasma():
    filtered('gegl:plasma', turbulence=1.5, seed=3)
def windows():
    photo.fill(Gimp.FillType.WHITE)
    for row in range(60):
        text = Gimp.TextLayer.new(image, f'{row} The quick brown fox jumps over the lazy dog. ' * 3, Gimp.fonts_get_list('')[0], 36, Gimp.Unit.pixel())
        image.insert_layer(text, None, 0); text.set_offsets(40, 50 * row)
    image.flatten()
"""


def picture(client, kind):
    made = client.python(PICTURE, KINDS[kind], "print(image.get_id())", timeout=300)
    return int(made["structuredContent"]["output"].split()[-1])


def layered(client):
    """A 20-layer image."""
    return int(client.python(
        "image = Gimp.Image.new(1000, 800, Gimp.ImageBaseType.RGB)",
        "for index in range(20): image.insert_layer(Gimp.Layer.new(image, f'l{index}', 1000, 800, Gimp.ImageType.RGBA_IMAGE, 90, Gimp.LayerMode.NORMAL), None, 0)",
        "print(image.get_id())")["structuredContent"]["output"])


def start_to_first_answer(made):
    """Seconds from starting `gimp-bridge stdio` to its answer to `initialize`."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}}
    started = time.perf_counter()
    process = subprocess.Popen([support.BIN, "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env=made.env)
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()
    assert b'"result"' in process.stdout.readline()
    seconds = time.perf_counter() - started
    process.stdin.close()
    process.wait(10)
    return seconds


async def framework_client(made, image):
    """The same full picture through the official Python client; seconds."""
    async with made.client(read_timeout_seconds=120) as client:
        await support.call(client, "get_image_bitmap", image=image, format="png")
        started = time.perf_counter()
        await support.call(client, "get_image_bitmap", image=image, format="png")
        return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gimp", default="3.0", choices=["3.0", "3.2"])
    parser.add_argument("--usual", type=int, default=3, help="how often the usual way is measured; it takes long (default 3)")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    rows = []

    def row(what, seconds, target, baseline=None, bound=""):
        rows.append({"what": what, "seconds": seconds, "target": target, "baseline": baseline, "bound": bound,
                     "ratio": baseline / seconds if baseline else None})
        ratio = f"{baseline / seconds:6.1f}x of {baseline * 1000:7.1f} ms" if baseline else " " * 20
        print(f"{what:34} {seconds * 1000:9.2f} ms  {ratio:22} target {target:14} {bound}", flush=True)

    with support.bridge(options.gimp) as made:
        idle = support.memory(made.daemon.pid)
        client = LeanClient(made.url)
        client.python(USUAL)
        print(f"GIMP {options.gimp}, {os.cpu_count()} cores; 12-megapixel RGB pictures, 8 bit, as PNG\n")
        for kind in KINDS:
            image = picture(client, kind)
            for side, times, target in ((0, 3, ">= 8x"), (1024, 5, ">= 15x"), (512, 5, ">= 20x")):
                asked = {"image": image, "format": "png", **({"max_width": side, "max_height": side} if side else {})}
                baseline = statistics.median(usual_way(client, image, side) for _ in range(options.usual))
                client.picture(**asked)
                seconds = timed(lambda: client.picture(**asked), times)
                result = client.call("get_image_bitmap", **asked)
                encoded = base64.b64decode(next(item["data"] for item in result["content"] if item["type"] == "image"))
                own = timed(lambda: decode(encoded), 3)
                answered = timed(lambda: client.call("get_image_bitmap", **asked), times)
                bound = f"{len(encoded) / 1e6:.2f} MB; call {answered * 1000:.0f} ms, client's decode {own * 1000:.0f} ms"
                row(f"{kind}, {side or 'full size'}", seconds, target, baseline, bound)
            if kind != "screen":
                client.call("close_image", image=image, discard_changes=True)
        row("  full size, Python `mcp` client", asyncio.run(framework_client(made, image)), "-", None, "its JSON and event parsing")
        printed = timed(lambda: client.python("print(6 * 7)"), 500)
        row("call_api that prints a number, p50", printed, "< 0.5 ms", None, "HTTP both ways, rmcp, TCP to GIMP, Python's thread hand-over")
        health = http.client.HTTPConnection(urllib.parse.urlsplit(made.url).netloc)

        def get_health():
            health.request("GET", "/health")
            health.getresponse().read()

        row("  of which HTTP alone (/health)", timed(get_health, 200), "-")
        many = layered(client)
        settle(client)
        row("metadata of 20 layers, p50", timed(lambda: client.call("get_image_metadata", image=many), 100), "< 3 ms", None,
            "9 calls into GIMP a layer: 16 us each on one processor, 55-80 us across two")
        client.call("close_image", image=many, discard_changes=True)
        settle(client)
        row("a stroke on 12 megapixels, proven", timed(lambda: client.python(
            f"photo = Gimp.Image.get_by_id({image}).get_layers()[0]",
            "Gimp.pencil(photo, [100, 100, 300, 300])", image=image), 5), "< 150 ms", None, "checkpoint, undo group, and GIMP's tiles of both states")
        row("stdio: start to first answer", timed(lambda: start_to_first_answer(made), 5), "< 50 ms")
        print(f"daemon resident when idle: {idle:.1f} MB (target < 20 MB)")
        client.call("close_image", image=image, discard_changes=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"gimp": options.gimp, "idle_mb": idle, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
