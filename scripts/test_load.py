"""scripts/test-load: see there."""

import argparse
import asyncio
import collections
import random
import socket
import statistics
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "jsonrpc"), str(ROOT / "tests" / "acceptance")]

import numpy  # noqa: E402
from api import Api, Server, decode, png  # noqa: E402
from support import answer_of, memory  # noqa: E402
from test_parallel import Painter  # noqa: E402

PAINTERS, MCP_CLIENTS, FILTERS, HALF_OPEN = 8, 4, 2, 100
# What a call without a session may answer while GIMP comes and goes; anything else is a fault.
EXPECTED = {"connection_lost", "no_gimp", "busy", "timeout", "image_gone", "not_found"}


class Load(threading.Thread):
    """Does `turn` until the deadline; counts what came of it."""

    def __init__(self, root, deadline):
        super().__init__(daemon=True)
        self.root, self.deadline = root, deadline
        self.counts, self.seconds, self.failure = collections.Counter(), [], None

    def run(self):
        try:
            while time.monotonic() < self.deadline:
                began = time.monotonic()
                self.counts[self.turn()] += 1
                self.seconds.append(time.monotonic() - began)
        except BaseException as error:
            self.failure = error


class Editor(Load):
    """An MCP client: makes an image, draws on it, looks, takes it back, looks again, closes it."""

    def run(self):
        asyncio.run(self.work())

    async def work(self):
        from mcp.client import Client

        try:
            async with Client(self.root + "/mcp", read_timeout_seconds=300) as client:
                while time.monotonic() < self.deadline:
                    began = time.monotonic()
                    self.counts[await self.turn(client)] += 1
                    self.seconds.append(time.monotonic() - began)
        except BaseException as error:
            self.failure = error

    async def turn(self, client):
        async def call(tool, **arguments):
            result = await client.call_tool(tool, arguments)
            answer = answer_of(result)
            if result.is_error:
                raise Refused(answer)
            pictures = [item.data for item in result.content if item.type == "image"]
            return answer, decode(pictures[0]) if pictures else None

        blue, red = [32, 64, 160], [200, 16, 16]
        try:
            image = (await call("create_new_image", width=300, height=200, color=blue))[0]["image"]
            await call("run_operation", name="draw_rectangle",
                       arguments={"image": image, "x": 40, "y": 30, "width": 100, "height": 80, "fill_color": red})
            for wanted in (red, blue):
                picture = (await call("get_image_bitmap", image=image, format="png"))[1]
                assert picture[60, 90, :3].tolist() == wanted and picture[150, 250, :3].tolist() == blue, wanted
                if wanted == red:
                    await call("undo", image=image)
            await call("close_image", image=image, discard_changes=True)
        except Refused as refused:
            if refused.kind not in EXPECTED:
                raise
            await asyncio.sleep(1)
            return refused.kind
        return "done"


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(str(answer))
        self.kind = answer.get("kind")


class Filterer(Load):
    """Runs an AI filter on a picture of its own; GIMP is not needed, so it never fails."""

    def turn(self):
        dice = numpy.random.default_rng(len(self.seconds))
        side = random.randrange(96, 256)
        noisy = numpy.clip(128 + dice.normal(0, 20, (side, side, 3)), 0, 255).astype(numpy.uint8)
        done = Api(self.root, timeout=300).call("ai_upscaling", image_data=png(noisy), scale=2)
        assert decode(done["image_data"]).shape[:2] == (2 * side, 2 * side)
        return "done"


class HalfOpen(Load):
    """Connections that begin a request and never end it; each is opened again when the daemon closes it."""

    def turn(self):
        host, port = self.root.removeprefix("http://").split(":")
        held = []
        for _ in range(HALF_OPEN):
            held.append(socket.create_connection((host, int(port)), 30))
            held[-1].sendall(b"POST /jsonrpc HTTP/1.1\r\nHost: local")
        for each in held:
            each.settimeout(60)
            while each.recv(4096):
                pass
            each.close()
        return "closed by the daemon"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--kill-every", type=float, default=15)
    options.add_argument("--gimp", default="3.2", choices=("3.0", "3.2"))
    options = options.parse_args()
    with Server(options.gimp) as server:
        deadline = time.monotonic() + options.minutes * 60
        enough = threading.Event()
        painters = [Painter(server.root, number, enough) for number in range(PAINTERS)]
        loads = [Editor(server.root, deadline) for _ in range(MCP_CLIENTS)]
        loads += [Filterer(server.root, deadline) for _ in range(FILTERS)] + [HalfOpen(server.root, deadline)]
        for thread in [*painters, *loads]:
            thread.start()
        kills, sizes = 0, []
        while time.monotonic() < deadline:
            time.sleep(min(options.kill_every, max(deadline - time.monotonic(), 0)))
            sizes.append(memory(server.daemon.pid))
            server.kill_gimp()
            server.restart_gimp()
            kills += 1
            if kills % 10 == 0:
                print(f"{kills} kills, daemon {sizes[-1]:.0f} MB", flush=True)
        enough.set()
        for thread in [*painters, *loads]:
            thread.join(600)
        ended = not any(thread.is_alive() for thread in [*painters, *loads])
        health = server.health()
        sizes.append(memory(server.daemon.pid))

    print(f"GIMP {options.gimp}, {options.minutes:g} minutes, {kills} kills; daemon "
          f"{sizes[0]:.0f} MB at first, {max(sizes):.0f} at most, {sizes[-1]:.0f} in the end; health: {health['status']}")
    count = sum(len(painter.painted) for painter in painters)
    print(f"sessions: {count} operations acknowledged and found again, {sum(p.again for p in painters)} sent again, "
          f"slowest answer {max(p.slowest for p in painters):.1f} s")
    for kind in (Editor, Filterer, HalfOpen):
        of_kind = [load for load in loads if isinstance(load, kind)]
        counts, seconds = sum((load.counts for load in of_kind), collections.Counter()), []
        for load in of_kind:
            seconds += load.seconds
        print(f"{kind.__name__}: {dict(counts)}, median {statistics.median(seconds or [0]):.2f} s a turn, "
              f"slowest {max(seconds or [0]):.1f} s")
    failures = [load.failure for load in [*painters, *loads] if load.failure]
    if not count:
        print("FAILED: no operation of a session was acknowledged")
    for failure in failures:
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        print(f"FAILED: {type(failure).__name__}: {failure}")
    if not ended:
        print("FAILED: a request did not end")
    sys.exit(1 if failures or not count or not ended else 0)


if __name__ == "__main__":
    main()
