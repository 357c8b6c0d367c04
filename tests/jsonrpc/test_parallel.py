"""Many clients at once, with GIMP killed on the way: no acknowledged operation is lost, every request ends.

`--seconds 300` for the long form. Each client keeps its own count of what was acknowledged, on a canvas that shows it:
operation n paints the nth of its pixels, and undoes nothing.
"""

import random
import threading
import time

import pytest
from api import Api, Failed, decode
from support import wait_for

CLIENTS = 20
WIDTH, HEIGHT = 310, 205
# Answers that say that nothing was done: the client sends again
HARMLESS = {"connection_lost", "no_gimp", "busy", "timeout"}


class Painter(threading.Thread):
    """Paints one pixel after the other in its own session, and looks now and then whether all of them are there."""

    def __init__(self, root, number, enough):
        super().__init__(daemon=True)
        self.api, self.number, self.enough = Api(root, timeout=300), number, enough
        self.dice = random.Random(number)
        self.session = None
        self.painted, self.again, self.failure, self.slowest = [], 0, None, 0.0

    def run(self):
        try:
            self.session = self.until_acknowledged("create_new_image", width=WIDTH, height=HEIGHT, color=[0, 0, 0])["session_id"]
            while not self.enough.is_set():
                self.paint()
                if len(self.painted) % 8 == 0:
                    self.check()
            self.check()
        except BaseException as error:
            self.failure = error

    def until_acknowledged(self, operation, **params):
        """Sends until it is answered with success; what the client may not repeat does not come here."""
        deadline = time.monotonic() + 300  # a GIMP that starts beside other work may need a minute
        while time.monotonic() < deadline:
            began = time.monotonic()
            result = self.api.call("mcp_operation", operation=operation, **params)
            self.slowest = max(self.slowest, time.monotonic() - began)
            if result["success"]:
                return result
            if result["error"]["kind"] not in HARMLESS:
                raise AssertionError(f"client {self.number}: {operation}: {result}")
            self.again += 1
            time.sleep(0.1)
        raise AssertionError(f"client {self.number}: {operation} never succeeded")

    def paint(self):
        place = len(self.painted)
        x, y = place * 97 % WIDTH, place * 61 % HEIGHT  # over all tiles
        shade = [self.dice.randrange(1, 256) for _ in range(3)]
        lines = [
            "layer = image.get_layers()[0]",
            f"layer.set_pixel({x}, {y}, Gegl.Color.new('#{bytes(shade).hex()}')); layer.update({x}, {y}, 1, 1)",
        ]
        image = next(row["image"] for row in self.api.sessions() if row["session_id"] == self.session)
        # The image's id is another one in another GIMP: the client's chosen image is this session's
        find = f"image = next(i for i in Gimp.get_images() if (i.get_width(), i.get_id()) >= ({WIDTH}, 0) and i.get_parasite('gimp-bridge-session') is not None and bytes(i.get_parasite('gimp-bridge-session').get_data()).decode() == '{self.session}')"
        assert image is None or image > 0
        self.until_acknowledged(
            "call_api", session_id=self.session, api_path="exec", args=["pyGObject-console", [find, *lines]])
        self.painted.append((x, y, shade))

    def check(self):
        result = self.until_acknowledged("get_image_bitmap", session_id=self.session)
        picture = decode(result["image_data"])
        wanted = {(x, y): shade for x, y, shade in self.painted}
        wrong = [(x, y) for (x, y), shade in wanted.items() if picture[y, x, :3].tolist() != shade]
        assert not wrong, f"client {self.number}: {len(wrong)} of {len(wanted)} acknowledged pixels are lost: {wrong[:5]}"


def work_on(painters, seconds):
    """Returns when they have worked that long, and each of them has painted meanwhile, however slow the machine is."""
    before = [len(painter.painted) for painter in painters]
    time.sleep(seconds)  # the work in between is the point
    moved = lambda: all(painter.failure or len(painter.painted) > count for painter, count in zip(painters, before))  # noqa: E731
    wait_for("each painter's next pixel", moved, 100)


def test_no_acknowledged_operation_is_lost(own, request, record_property):
    seconds = request.config.getoption("--seconds")
    enough = threading.Event()
    painters = [Painter(own.root, number, enough) for number in range(CLIENTS)]
    for painter in painters:
        painter.start()
    for _ in range(2):
        work_on(painters, seconds / 3)
        own.kill_gimp()
        own.restart_gimp()
    work_on(painters, seconds / 3)
    enough.set()
    for painter in painters:
        painter.join(300)
    assert not any(painter.is_alive() for painter in painters), "a request did not end"
    failures = [painter.failure for painter in painters if painter.failure]
    assert not failures, failures
    count = sum(len(painter.painted) for painter in painters)
    print(f"\n{count} operations acknowledged, {sum(p.again for p in painters)} sent again, "
          f"slowest answer {max(p.slowest for p in painters):.1f} s")
    assert count >= 3 * CLIENTS
    for painter in painters:
        painter.api.call("mcp_close_session", session_id=painter.session)
    assert own.api.sessions() == []


def test_twenty_requests_for_one_session_come_one_after_the_other(server):
    session = server.api.create(color="black")
    # 0 to 255 and back would lose steps if two ran at once
    code = ["v = globals().get('v', 0)", "v += 1", "print(v)"]
    answers = []

    def work():
        answer = Api(server.root).operation(
            "call_api", session_id=session, api_path="exec", args=["pyGObject-console", code])
        answers.append(int(answer["result"]["output"]))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == list(range(1, 21))
    server.api.call("mcp_close_session", session_id=session)
    with pytest.raises(Failed):
        server.api.call("mcp_close_session")
