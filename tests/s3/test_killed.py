"""A daemon that is killed at any moment of writing: no half picture is served, nothing is known of a picture that is not
there, what was answered is kept, and the sweep leaves nothing else. `--kills N` says how often."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from painter import Painter, png
from serving import Daemon, until

SIZE = (640, 400)
WRITERS = 4


class Writers:
    """Clients that ask for one image after the other until the daemon is gone; what was answered is in `answered`."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.answered = {}
        self.begun = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        for count in range(1000):
            # Few pictures, which the painter has at hand: most of the time is for writing.
            prompt = f"picture {(number + count) % 8}"
            try:
                status, made = self.daemon.generate(prompt, width=SIZE[0], height=SIZE[1])
            except (OSError, ValueError):
                return
            assert status == 200, made
            self.answered[made["image_id"]] = prompt
            self.begun.set()

    def join(self):
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive()


def listed(daemon):
    """All images by id, through the pages."""
    found, offset = {}, 0
    while offset is not None:
        page = daemon.json(f"/images?limit=100&offset={offset}")
        found |= {image["image_id"]: image["metadata"] for image in page["images"]}
        offset = page["next_offset"]
    return found


def is_whole(daemon, id, metadata):
    status, body = daemon.get(f"/images/{id}")
    assert status == 200, f"{id} is listed, and answers {status}"
    assert len(body) == metadata["bytes"] and body == png(metadata["prompt"], 3, *SIZE, level=0), f"{id} is no whole picture"


def test_a_daemon_killed_while_it_writes_serves_no_half_picture(daemon, store, tmp_path, pytestconfig):
    kills = pytestconfig.getoption("--kills")
    settings = {**store.settings(), "IMAGE_TTL": "86400", "GIMP_BRIDGE_SERVER_RATE_LIMIT": "0"}
    chance = random.Random(kills)
    with Painter(level=0) as painter:
        # It sees what the other one writes while that is killed.
        witness = daemon(painter.url, **settings).ready()
        killed = daemon(painter.url, **settings)
        answered, seen = {}, set()
        for round in range(kills):
            killed.ready()
            writers = Writers(killed)
            if round % 3:
                assert writers.begun.wait(60)
            time.sleep(chance.random() * 0.25)
            killed.kill()
            writers.join()
            answered |= writers.answered
            found = listed(witness)
            assert not set(answered) - set(found), "an image that was answered is lost"
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda id: is_whole(witness, id, found[id]), set(found) - seen))
            seen |= set(found)
            killed.start()
        killed.ready()
        left = store.names()
        print(f"{kills} kills, {len(answered)} answered, {len(found)} stored, {len(left) - 2 * len(found)} objects left over")
        killed.stop(), witness.stop()
        # Later, when nobody can be writing any more, the sweep at the start takes the rest.
        late = daemon(painter.url, **settings, **store.later("+30m")).ready()
        until(lambda: late.metric("gimp_bridge_image_sweeps_total") > 0, "it sweeps")
        expected = sorted(f"{id}.{ending}" for id in found for ending in ("json", "png"))
        assert store.names() == expected
        assert late.metric("gimp_bridge_images_swept_total") == len(left) - len(expected)
        for id, metadata in chance.sample(sorted(found.items()), min(20, len(found))):
            is_whole(late, id, metadata)
        late.stop()
        last = daemon(painter.url, **settings, **store.later("+3d")).ready()
        until(lambda: last.metric("gimp_bridge_image_sweeps_total") > 0, "it sweeps")
        assert store.names() == []
