"""See scripts/bench-generate."""

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "generate"))

from serving import Daemon  # noqa: E402

CLIENTS = 4
MAY_ADD = 5.0  # ms, at the middle of all


def noise(side):
    """A PNG as large as a photo: no byte of it can be guessed."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    chance = random.Random(side)
    raw = b"".join(b"\0" + chance.randbytes(side * 3) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b"")


class Backend(asyncio.Protocol):
    """KServe's v1 protocol in as little Python as it takes; `own` is how long each prompt took here."""

    own, answer, seconds, turns = {}, b"", 0.0, None

    def connection_made(self, transport):
        self.transport, self.got = transport, b""

    def data_received(self, data):
        self.got += data
        head, end, body = self.got.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        if not end or len(body) < length:
            return
        self.got = body[length:]
        if head.startswith(b"GET /own"):
            return self.reply(json.dumps(Backend.own).encode())
        prompt = json.loads(body[:length])["instances"][0]["prompt"]
        self.work = asyncio.ensure_future(self.paint(prompt, time.perf_counter()))

    async def paint(self, prompt, began):
        async with Backend.turns:
            await asyncio.sleep(Backend.seconds)
        # As the model server has it: until the answer is on its way.
        self.reply(Backend.answer)
        Backend.own[prompt] = time.perf_counter() - began

    def reply(self, body):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if not self.transport.is_closing():
            self.transport.write(head.encode() + body)


def backend(pipe, picture, seconds, at_once):
    async def serve():
        image = {"format": "PNG", "b64": base64.b64encode(picture).decode()}
        Backend.answer = json.dumps({"predictions": [{"model_name": "bench", "image": image}]}).encode()
        Backend.seconds, Backend.turns = seconds, asyncio.Semaphore(at_once)
        server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def wanted(prompt, side):
    return {"prompt": prompt, "width": side, "height": side, "num_inference_steps": 50, "guidance_scale": 7.5}


class Ours:
    """A picture through the daemon: it is stored, and has an address."""

    def __init__(self, client, daemon, side):
        self.client, self.url, self.side = client, daemon.url + "/mcp/v1/tools/generate_image", side

    async def make(self, prompt):
        key = {"X-API-Key": f"bench-key-{hash(prompt) % CLIENTS}-0123456789"}
        answer = await self.client.post(self.url, json=wanted(prompt, self.side), headers=key)
        made = answer.json()
        assert answer.status_code == 200, made
        return made["url"]


class Lean:
    """The same over one connection and with next to nothing done here, so that what is measured is the daemon's."""

    def __init__(self, daemon, side):
        self.daemon, self.side, self.streams = daemon, side, None

    async def make(self, prompt):
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.daemon.port)
        reader, writer = self.streams
        body = json.dumps(wanted(prompt, self.side)).encode()
        writer.write(b"POST /mcp/v1/tools/generate_image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     b"X-API-Key: bench-key-0-0123456789\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer = await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        assert head.startswith(b"http/1.1 200"), answer


class Plain:
    """The same without it: asked, decoded, and written with what is known of it."""

    def __init__(self, client, url, side, folder):
        self.client, self.url, self.side, self.folder = client, url, side, folder

    async def make(self, prompt):
        answer = await self.client.post(self.url, json={"instances": [wanted(prompt, self.side)]})
        bytes_ = base64.b64decode(answer.json()["predictions"][0]["image"]["b64"])
        name = self.folder / prompt.replace(" ", "-")
        name.with_suffix(".png").write_bytes(bytes_)
        name.with_suffix(".json").write_text(json.dumps(wanted(prompt, self.side)))
        return name


async def one_by_one(maker, name, count):
    """Seconds of each."""
    times = {}
    for number in range(-5, count):
        prompt = f"{name} {number}"
        began = time.perf_counter()
        await maker.make(prompt)
        if number >= 0:
            times[prompt] = time.perf_counter() - began
    return times


async def at_once(maker, name, count):
    began = time.perf_counter()
    made = await asyncio.gather(*(maker.make(f"{name} all {number}") for number in range(count)))
    return time.perf_counter() - began, made


def resident(daemon):
    """MB of the daemon's memory."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def busy(daemon):
    """Seconds of processor that the daemon has had."""
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watched(daemon, work):
    """What it gives, and the most memory that the daemon had meanwhile."""
    most = resident(daemon)
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=0.02)
        most = max(most, resident(daemon))
    return task.result(), most


async def run(given, port, daemon, folder, picture):
    url = f"http://127.0.0.1:{port}"
    limits = httpx.Limits(max_connections=given.images)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        ours = Ours(client, daemon, given.side)
        plain = Plain(client, f"{url}/v1/models/bench:predict", given.side, folder)
        makers = {"lean": Lean(daemon, given.side), "ours": ours, "plain": plain}
        found = {"image_bytes": len(picture)}
        added = {}
        # In turns, so that whatever else this machine does falls on both.
        times = {name: {} for name in makers}
        took, had = dict.fromkeys(makers, 0.0), busy(daemon)
        for turn in range(4):
            for name, maker in makers.items():
                began = time.process_time()
                times[name] |= await one_by_one(maker, f"{name} {turn}", given.alone // 4)
                took[name] += time.process_time() - began
        asked = given.alone + 4 * 5
        found["processor_ms"] = {
            "daemon": 1000 * (busy(daemon) - had) / (2 * asked), **{name: 1000 * spent / asked for name, spent in took.items()},
        }
        own = (await client.get(f"{url}/own")).json()
        for name, all_ in times.items():
            added[name] = sorted(1000 * (seconds - own[prompt]) for prompt, seconds in all_.items())
            found[f"{name}_adds_ms"] = {
                "p50": statistics.median(added[name]), "p90": added[name][int(len(added[name]) * 0.9)],
            }
            found[f"{name}_ms_p50"] = 1000 * statistics.median(all_.values())
        before = resident(daemon)
        (seconds, made), most = await watched(daemon, at_once(ours, "ours", given.images))
        assert len(set(made)) == given.images
        plainly, _ = await at_once(plain, "plain", given.images)
        listed = (await client.get(daemon.url + "/images?limit=1", headers={"X-API-Key": "bench-key-0-0123456789"})).json()
        found |= {
            "at_once_s": {"ours": seconds, "plain": plainly, "backend": given.ms / 1000 * given.images / given.at_once},
            "resident_mb": {"before": before, "peak": most}, "stored": listed["total"],
        }
        some = random.sample(made, 10)
        for url in some:
            assert (await client.get(url)).content == picture, f"{url} is another picture"
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--alone", type=int, default=80, help="how many one after the other")
    parser.add_argument("--ms", type=float, default=250)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    picture = noise(given.side)
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.Process(target=backend, args=(other, picture, given.ms / 1000, given.at_once), daemon=True)
    server.start()
    port = pipe.recv()
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        plain.mkdir()
        keys = ",".join(f"k{number}:generate:bench-key-{number}-0123456789" for number in range(CLIENTS))
        daemon = Daemon(folder, f"http://127.0.0.1:{port}/v1/models/bench", GIMP_BRIDGE_SERVER_API_KEYS=keys,
                        GIMP_BRIDGE_GENERATE_PARALLEL=str(given.at_once)).ready()
        try:
            found = asyncio.run(run(given, port, daemon, plain, picture))
        finally:
            daemon.stop()
            server.terminate()
    adds = found["lean_adds_ms"]["p50"]
    alone = found["ours_ms_p50"] / found["plain_ms_p50"]
    ratio = found["at_once_s"]["ours"] / found["at_once_s"]["plain"]
    kept = max(0.0, found["resident_mb"]["peak"] - found["resident_mb"]["before"])
    # Of each that is under way: the answer, its text, the picture; and what the allocator keeps.
    may_keep = given.at_once * 5 * found["image_bytes"] / 1e6 + 30
    rows = [
        (adds < MAY_ADD, f"one after the other: the daemon adds {adds:.2f} ms to the backend's own time at p50, "
                         f"{found['lean_adds_ms']['p90']:.2f} at p90; bound {MAY_ADD:g} (asked by httpx "
                         f"{found['ours_adds_ms']['p50']:.2f} and {found['ours_adds_ms']['p90']:.2f}, a plain httpx script "
                         f"{found['plain_adds_ms']['p50']:.2f} and {found['plain_adds_ms']['p90']:.2f})"),
        (alone <= 1.0, f"one after the other: {alone:.4f} of a plain script's time ({found['ours_ms_p50']:.1f} ms); bound 1"),
        (ratio <= 1.0, f"{given.images} at once: {found['at_once_s']['ours']:.2f} s, {ratio:.4f} of a plain script's "
                       f"{found['at_once_s']['plain']:.2f} s (the backend alone {found['at_once_s']['backend']:.2f} s); bound 1"),
        (kept < may_keep, f"{given.images} at once: {found['resident_mb']['before']:.0f} MB before, "
                          f"{found['resident_mb']['peak']:.0f} at most; bound {may_keep:.0f} more"),
        (found["stored"] >= given.images + 2 * given.alone, f"{found['stored']} images are stored, none is lost"),
    ]
    print(f"images of {given.side} x {given.side}, {found['image_bytes']} bytes; {given.ms:g} ms each, {given.at_once} at once; "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    processor = found["processor_ms"]
    print(f"processor for each, whatever else runs here: {processor['daemon']:.2f} ms in the daemon, {processor['lean']:.2f} "
          f"in a lean caller and {processor['ours']:.2f} in httpx; {processor['plain']:.2f} in a plain httpx script")
    for holds, text in rows:
        print(f"{'ok  ' if holds else 'OVER'}  {text}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(0 if all(holds for holds, _ in rows) else 1)


if __name__ == "__main__":
    main()
