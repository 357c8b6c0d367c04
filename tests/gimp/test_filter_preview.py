"""The preview of a filter's dialog, without the dialog: what the plug-in asks a daemon for, when, and what it shows.
The pictures it is made from are GIMP's; whoever is the daemon answers as the test says."""

import base64
import json
import threading
import time

import numpy as np
import pytest
import wire
from harness import Gimp
from test_filter_menu import UPSCALE, publish

SHOWN = {"view": "part", "layer_size": [20, 10], "measured": {"strength": 12.5}, "notes": [], "seconds": 0.1}
BEGIN = """
import json, sys
import filter_preview
from gi.repository import Gimp, GObject
class Config(GObject.Object):
    scale = GObject.Property(type=int, default=2)
    source = GObject.Property(type=str, default="auto")
    strength_auto = GObject.Property(type=bool, default=True)
    strength = GObject.Property(type=float, default=1.0)
    keep = GObject.Property(type=bool, default=True)
    result = GObject.Property(type=str, default="auto")
class View:
    def __init__(self): self.told = []
    def working(self, text): self.told.append(["working", text])
    def failed(self, text, more): self.told.append(["failed", text, more])
    def show(self, shown): self.told.append(["show", shown.view, shown.zoom, list(shown.before[:4]), shown.after and list(shown.after[:4])])
import gc
bridge = next(o for o in gc.get_objects() if type(o).__name__ == "Bridge")
config, view = Config(), View()
image = Gimp.Image.get_by_id({image})
preview = filter_preview.Preview(bridge, image, Gimp.Item.get_by_id({layer}), config, json.loads({row!r}), view)
filter_preview.tested = (config, view, preview)
"""
AGAIN = "import json, filter_preview; config, view, preview = filter_preview.tested"


@pytest.fixture(scope="module")
def own(gimp_version):
    with Gimp(gimp_version) as running:
        publish(running, [UPSCALE])
        yield running


class Daemon(threading.Thread):
    """Takes `filters/preview` requests and cancels; answers each by `answer(params)`, or when told to."""

    def __init__(self, gimp, answer):
        super().__init__(daemon=True)
        self.client, self.answer = gimp.client("daemon", label="serve"), answer
        self.asked, self.cancelled = [], []
        self.start()

    def run(self):
        try:
            while True:
                kind, message = self.client.receive()
                if kind == wire.MESSAGE and message.get("method") == "filters/preview":
                    self.asked.append((message["id"], message["params"]))
                    found = self.answer(message["params"])
                    if found is not None:
                        self.reply(message["id"], **found)
                elif kind == wire.MESSAGE and message.get("method") == "$/cancel":
                    self.cancelled.append(message["params"]["id"])
                    error = {"code": -32007, "message": "the filter was cancelled", "data": {"kind": "cancelled"}}
                    self.reply(message["params"]["id"], error=error)
        except (ConnectionError, OSError):
            pass  # the test closed it

    def reply(self, request_id, **outcome):
        self.client.send({"jsonrpc": "2.0", "id": request_id, **outcome})

    def close(self):
        self.client.sock.shutdown(2)
        self.join(20)
        self.client.close()


def pixels(value):
    return base64.b64encode(bytes([value, 0, 0, 255] * 8)).decode()


def answer(params):
    after = pixels(100 + params["parameters"]["scale"]) if params["run"] else None
    return {"result": {**SHOWN, "area": [2, 3, 4, 2], "width": 4, "height": 2, "before": pixels(1), "after": after}}


class Dialog:
    """A preview inside GIMP, with this test as the user and the widgets."""

    def __init__(self, gimp, row=UPSCALE):
        self.client = gimp.client("user")
        made = self.client.call("create_new_image", width=20, height=10, color="#204060")
        self.image, self.layer = made["image"], made["layer"]
        self.do(*BEGIN.format(image=self.image, layer=self.layer, row=json.dumps(row)).strip().split("\n"), again=False)

    def do(self, *lines, again=True):
        source = "\n".join(([AGAIN] if again else []) + list(lines))
        return self.client.python(f"exec({source!r}, {{}})")

    def told(self):
        return json.loads(self.do("print(json.dumps(view.told))"))

    def wait_for(self, what, seconds=10):
        deadline = time.monotonic() + seconds
        while not any(line[: len(what)] == what for line in self.told()):
            assert time.monotonic() < deadline, (what, self.told())
            time.sleep(0.05)
        return self.told()

    def forget(self):
        self.do("view.told.clear()")

    def close(self):
        self.do("preview.close()")
        self.client.call("close_image", image=self.image, discard_changes=True)
        self.client.close()


@pytest.fixture
def dialog(own):
    made = Dialog(own)
    yield made
    made.close()


@pytest.fixture
def daemon(own):
    made = Daemon(own, answer)
    yield made
    made.close()


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_layer_comes_first_and_then_the_filter(dialog, daemon):
    state = dialog.client.call("get_image_metadata", image=dialog.image)
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], None])
    told = dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    assert told[0] == ["working", "Working…"]
    first, second = (params for _, params in daemon.asked)
    assert first == {"filter": "upscale", "image": dialog.image, "layer": dialog.layer, "width": 320, "height": 320, "run": False,
                     "parameters": {"scale": 2, "source": "auto", "strength": "auto", "keep": True}}
    assert second == {**first, "run": True, "measured": {"strength": 12.5}}
    assert dialog.client.call("get_image_metadata", image=dialog.image) == state


def test_a_moving_slider_asks_once_and_ends_what_runs(dialog, daemon):
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    daemon.asked.clear()
    daemon.answer = lambda params: None  # it takes its time
    dialog.do("config.scale = 3")
    wait_until(lambda: len(daemon.asked) == 1)
    dialog.forget()
    daemon.answer = answer
    dialog.do("config.scale = 2", "config.scale = 3", "config.scale = 4")
    told = dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [104, 0, 0, 255]])
    assert daemon.cancelled == [daemon.asked[0][0]], "the one that was under way"
    assert [params["parameters"]["scale"] for _, params in daemon.asked] == [3, 4]
    assert not any(line[0] == "failed" for line in told), told


def test_what_the_filter_does_not_depend_on_asks_for_nothing(dialog, daemon):
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    dialog.forget()
    dialog.do("config.result = 'new_image'")
    dialog.do("preview.look_at(7, 4)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    assert len(daemon.asked) == 3 and (daemon.asked[-1][1]["x"], daemon.asked[-1][1]["y"]) == (7, 4)


def test_a_closed_dialog_cancels_and_a_preview_that_is_off_costs_nothing(dialog, daemon):
    daemon.answer = lambda params: answer(params) if not params["run"] else None
    dialog.do("preview.switch(True)")
    wait_until(lambda: len(daemon.asked) == 2)
    dialog.do("preview.switch(False)")
    wait_until(lambda: daemon.cancelled == [daemon.asked[1][0]])
    dialog.forget()
    dialog.do("config.scale = 4")
    daemon.answer = answer
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [104, 0, 0, 255]])
    assert len(daemon.asked) == 4, "nothing while it was off"
    daemon.answer = lambda params: None
    dialog.do("config.scale = 2")
    wait_until(lambda: len(daemon.asked) == 5)
    dialog.do("preview.close()")
    wait_until(lambda: daemon.cancelled[-1] == daemon.asked[4][0])
    assert all(line[0] != "failed" for line in dialog.told())


def test_an_error_is_a_line_of_text_and_the_next_change_tries_again(dialog, daemon):
    error = {"code": -32602, "message": "nothing is selected", "data": {"kind": "invalid_argument", "hint": "select something"}}
    daemon.answer = lambda params: {"error": error}
    dialog.do("preview.switch(True)")
    dialog.wait_for(["failed", "Nothing is selected", "select something"])
    daemon.answer = answer
    dialog.do("config.scale = 3")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [103, 0, 0, 255]])
    daemon.answer = lambda params: {"result": {**answer(params)["result"], "before": "AAAA"}}
    dialog.do("config.scale = 4")
    dialog.wait_for(["failed", "Gimp-bridge sent 3 bytes of a 4x2 preview"])


def test_a_daemon_that_dies_is_told_and_the_next_one_asked(dialog, own):
    first = Daemon(own, lambda params: None)
    dialog.do("preview.switch(True)")
    wait_until(lambda: len(first.asked) == 1)
    first.close()
    dialog.wait_for(["failed", "Gimp-bridge ended while it worked"])
    second = Daemon(own, answer)
    dialog.do("config.scale = 3")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [103, 0, 0, 255]])
    second.close()


def test_a_daemon_that_is_not_there_is_started_or_the_line_says_why_not(dialog, own):
    dialog.do("preview.switch(True)")
    told = dialog.wait_for(["failed"])
    assert "/nowhere/gimp-bridge" in told[-1][1] and "gimp-bridge install" in told[-1][2]
    dialog.do("preview.switch(False)")
    late = own.home / "late"  # ends without a word, but not before the first look
    late.write_text("#!/bin/sh\nsleep 1\nexit 1\n")
    late.chmod(0o755)
    publish(own, [UPSCALE], program=str(late))
    dialog.do("bridge = preview._bridge; bridge.filters.refresh()", "view.told.clear()", "preview.switch(True)")
    told = dialog.wait_for(["failed"])
    assert told[0] == ["working", "Starting gimp-bridge…"] and "did not start" in told[-1][1]


def test_a_part_of_a_layer_is_read_where_it_lies(own):
    with own.client() as client:
        made = client.call("create_new_image", width=60, height=40, color="#ffffff")
        image, layer = made["image"], made["layer"]
        client.call("draw_rectangle", image=image, x=10, y=5, width=20, height=10, fill_color="#ff0000")
        client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 12, 7, 30, 20)",
                      f"Gimp.Item.get_by_id({layer}).set_offsets(3, 2)")
        facts = client.call("filter_facts", image=image, layer=layer)
        assert (facts["width"], facts["height"], facts["selection"]) == (60, 40, [9, 5, 30, 20])
        reply = client.stream("filter_read", image=image, layer=layer, area=[8, 4, 30, 12])
        shape = (12, 30, reply.header["channels"])
        red = (np.frombuffer(bytes(reply.data), np.uint8).reshape(shape)[..., :3] == (255, 0, 0)).all(-1)
        wanted = np.zeros((12, 30), bool)
        wanted[1:11, 2:22] = True
        assert (red == wanted).all()
        assert (reply.result["offset"], reply.result["selection"]) == ([11, 6], [1, 1, 29, 11])
        with pytest.raises(Exception, match="not inside the layer"):
            client.stream("filter_read", image=image, layer=layer, area=[50, 0, 11, 1])
        client.call("close_image", image=image, discard_changes=True)


def test_colours_come_as_the_screen_wants_them(dialog, daemon):
    """The daemon sends numbers of the layer's own colour space: a red of Adobe RGB is a stronger one of sRGB."""
    dialog.do("from gi.repository import Gimp", f"image = Gimp.Image.get_by_id({dialog.image})",
              "intent = Gimp.ColorRenderingIntent.RELATIVE_COLORIMETRIC",
              "assert image.convert_color_profile(Gimp.ColorProfile.new_rgb_adobe(), intent, True)")
    red = base64.b64encode(bytes([200, 0, 0, 255] * 8)).decode()
    daemon.answer = lambda params: {"result": {**answer(params)["result"], "before": red}}
    dialog.do("preview.switch(True)")
    seen = next(line[3] for line in dialog.wait_for(["show"]) if line[0] == "show")
    assert 225 < seen[0] < 240 and seen[1:] == [0, 0, 255], seen
