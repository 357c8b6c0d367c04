"""Two daemons on one store that make, serve, list, delete and sweep at once, for `--minutes M`: no error, no half picture,
none lost before its time, and nothing left in the end."""

import collections
import random
import threading
import time

from painter import Painter, png
from serving import until

TTL = 4
SIZE = (200, 150)


class Client(threading.Thread):
    """Does what clients do, in any order, at either replica; `wrong` is what must not be."""

    def __init__(self, daemons, shared, number, end):
        super().__init__()
        self.daemons, self.shared, self.end = daemons, shared, end
        self.chance = random.Random(number)
        self.done, self.wrong = collections.Counter(), []

    def run(self):
        while time.monotonic() < self.end and len(self.wrong) < 5:
            act = self.chance.choice([self.make, self.get, self.get, self.part, self.list, self.delete])
            try:
                act(self.chance.choice(self.daemons))
                self.done[act.__name__] += 1
            except Exception as error:  # noqa: BLE001: whatever it is, it must not be
                self.wrong.append(f"{act.__name__}: {error!r}")

    def make(self, daemon):
        prompt = f"{self.name} {self.done['make']}"
        status, made = daemon.generate(prompt, width=SIZE[0], height=SIZE[1])
        assert status == 200, made
        self.shared[made["image_id"]] = (prompt, time.time())

    def any(self):
        known = list(self.shared.items())
        return self.chance.choice(known) if known else (None, (None, 0))

    def get(self, daemon):
        id, (prompt, made) = self.any()
        if id is None:
            return
        status, body = daemon.get(f"/images/{id}")
        known = id in self.shared
        if status == 404:
            assert not known or time.time() > made + TTL - 1, f"{id} is lost after {time.time() - made:.1f} s"
        else:
            assert status == 200 and body == png(prompt, 3, *SIZE), f"{status}, {len(body)} bytes"

    def part(self, daemon):
        id, (prompt, _) = self.any()
        if id is None:
            return
        status, _, body = daemon.ask("GET", f"/images/{id}", headers={"Range": "bytes=100-299"})
        assert status == 404 or (status, body) == (206, png(prompt, 3, *SIZE)[100:300]), (status, len(body))

    def list(self, daemon):
        status, body = daemon.get("/images?limit=50")
        assert status == 200, body

    def delete(self, daemon):
        id, _ = self.any()
        if id is None:
            return
        self.shared.pop(id, None)
        status, _, body = daemon.ask("DELETE", f"/images/{id}")
        assert status in (200, 404), body


def test_replicas_sweep_and_delete_at_once_without_a_quarrel(daemon, store, pytestconfig):
    seconds = 60 * pytestconfig.getoption("--minutes")
    settings = {
        **store.settings(), "IMAGE_TTL": str(TTL), "IMAGE_CLEANUP_INTERVAL": "1", "GIMP_BRIDGE_SERVER_RATE_LIMIT": "0",
    }
    with Painter() as painter:
        # One of them keeps a quota too.
        daemons = [daemon(painter.url, **settings), daemon(painter.url, **settings, GIMP_BRIDGE_STORAGE_QUOTA_MB="64")]
        for one in daemons:
            one.ready()
        shared, end = {}, time.monotonic() + seconds
        clients = [Client(daemons, shared, number, end) for number in range(6)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert [wrong for client in clients for wrong in client.wrong] == []
        until(lambda: store.names() == [], "all of it expires and is swept")
        swept = [one.metric("gimp_bridge_images_swept_total") for one in daemons]
        done = sum((client.done for client in clients), collections.Counter())
        print(f"{seconds:.0f} s: {dict(done)}; swept {swept}")
        assert done["make"] > 5 and done["delete"] > 0
        for one in daemons:
            bad = ("ERROR", "WARN", "panicked")
            assert [line for line in one.stop().splitlines() if any(word in line for word in bad)] == []
