"""The preview of a filter's dialog, without the dialog: what the plug-in asks a daemon for, when, and what it shows.
The pictures it is made from are GIMP's; whoever is the daemon answers as the test says."""

import base64
import json
import threading
import time

import numpy as np
import pytest
from gimp_bridge.net import wire
from harness import Gimp
from test_filter_menu import UPSCALE, publish

SHOWN = {"view": "part", "zoom": 1.0, "layer_size": [320, 210], "measured": {"strength": 12.5}, "notes": [], "seconds": 0.1}
BEGIN = """
import json, sys
from gi.repository import Gimp, GObject
from gimp_bridge.ui.filters import preview as filter_preview
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
    def failed(self, told): self.told.append(["failed", *told])
    def show(self, shown): self.told.append(["show", shown.view, shown.zoom, list(shown.before[:4]), shown.after and list(shown.after[:4])])
import gc
bridge = next(o for o in gc.get_objects() if type(o).__name__ == "Bridge")
config, view = Config(), View()
image = Gimp.Image.get_by_id({image})
preview = filter_preview.Preview(bridge, image, Gimp.Item.get_by_id({layer}), config, json.loads({row!r}), view)
filter_preview.tested = (config, view, preview)
"""
AGAIN = "import json; from gimp_bridge.ui.filters import preview as filter_preview; config, view, preview = filter_preview.tested"


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
        made = self.client.call("create_new_image", width=320, height=210, color="#204060")
        self.image, self.layer = made["image"], made["layer"]
        self.do(*BEGIN.format(image=self.image, layer=self.layer, row=json.dumps(row)).strip().split("\n"), again=False)

    def do(self, *lines, again=True):
        source = "\n".join(([AGAIN] if again else []) + list(lines))
        return self.client.python(f"exec({source!r}, {{}})")

    def told(self):
        return json.loads(self.do("print(json.dumps(view.told))"))

    def wait_for(self, what, seconds=60):
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


def wait_until(condition, seconds=60):
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


def test_clicks_on_the_picture_go_with_the_question_until_they_are_forgotten(dialog, daemon):
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    daemon.asked.clear()
    dialog.do("preview.mark(3.5, 2, True)", "preview.mark(9, 1, False)", "preview.mark(4, 2, True)")
    marked = {"points": [[3.5, 2], [4, 2]], "background_points": [[9, 1]]}
    wait_until(lambda: daemon.asked and {name: daemon.asked[-1][1].get(name) for name in marked} == marked)
    # What is run is told in the image's own pixels
    moved = dialog.do("print(json.dumps(preview.marks.params(-5, 10)))")
    assert json.loads(moved) == {"points": [[-1.5, 12], [-1, 12]], "background_points": [[4, 11]]}
    dialog.do("preview.unmark()")
    wait_until(lambda: not set(marked) & set(daemon.asked[-1][1]))


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
    data = {"kind": "invalid_argument", "hint": "give `mask`", "details": {"reason": "needs_selection"}}
    daemon.answer = lambda params: {"error": {"code": -32602, "message": "`x` got no `mask`", "data": data}}
    dialog.do("preview.switch(True)")
    told = dialog.wait_for(["failed"])[-1]
    assert told[1:] == ["“Upscale” works on what is selected, and nothing is.",
                        "Draw a selection around it, or select everything.", "Select _All", "select_all"]
    daemon.answer = answer
    dialog.do("config.scale = 3")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [103, 0, 0, 255]])
    daemon.answer = lambda params: {"result": {**answer(params)["result"], "before": "AAAA"}}
    dialog.do("config.scale = 4")
    dialog.wait_for(["failed", "GIMP Bridge in GIMP and the program that runs the AI filters do not understand each other."])


def test_a_daemon_that_dies_is_told_and_the_next_one_asked(dialog, own):
    first = Daemon(own, lambda params: None)
    dialog.do("preview.switch(True)")
    wait_until(lambda: len(first.asked) == 1)
    first.close()
    dialog.wait_for(["failed", "The program that runs the AI filters ended while it worked. The image is as it was."])
    second = Daemon(own, answer)
    dialog.do("config.scale = 3")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [103, 0, 0, 255]])
    second.close()


def test_a_daemon_that_is_not_there_is_started_or_the_line_says_why_not(dialog, own):
    dialog.do("preview.switch(True)")
    told = dialog.wait_for(["failed"])
    assert told[-1][1:3] == ["The program that runs the AI filters is not there.", "Install GIMP Bridge again."]
    dialog.do("preview.switch(False)")
    late = own.home / "late"  # ends without a word, but not before the first look
    late.write_text("#!/bin/sh\nsleep 1\nexit 1\n")
    late.chmod(0o755)
    publish(own, [UPSCALE], program=str(late))
    dialog.do("bridge = preview._bridge; bridge.filters.refresh()", "view.told.clear()", "preview.switch(True)")
    told = dialog.wait_for(["failed"])
    starting = ["working", "Starting the program that runs the AI filters…"]
    assert starting in told and "did not start" in told[-1][1]


def test_a_part_of_a_layer_is_read_where_it_lies(own):
    with own.client() as client:
        made = client.call("create_new_image", width=320, height=210, color="#ffffff")
        image, layer = made["image"], made["layer"]
        client.call("draw_rectangle", image=image, x=100, y=110, width=100, height=60, fill_color="#ff0000")
        client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 110, 120, 200, 85)",
                      f"Gimp.Item.get_by_id({layer}).set_offsets(30, 20)")
        facts = client.call("filter_facts", image=image, layer=layer)
        assert (facts["width"], facts["height"], facts["selection"]) == (320, 210, [80, 100, 200, 85])
        reply = client.stream("filter_read", image=image, layer=layer, area=[60, 80, 200, 100])
        shape = (100, 200, reply.header["channels"])
        red = (np.frombuffer(bytes(reply.data), np.uint8).reshape(shape)[..., :3] == (255, 0, 0)).all(-1)
        wanted = np.zeros((100, 200), bool)
        wanted[30:90, 40:140] = True
        assert (red == wanted).all()
        assert (reply.result["offset"], reply.result["selection"]) == ([90, 100], [20, 20, 180, 80])
        with pytest.raises(Exception, match="not inside the layer"):
            client.stream("filter_read", image=image, layer=layer, area=[310, 0, 11, 1])
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


def test_a_measured_value_stands_in_the_dialog_and_stays_when_the_user_takes_over(dialog, daemon):
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    assert json.loads(dialog.do("print(json.dumps([config.strength_auto, config.strength]))")) == [True, 12.5]
    dialog.do("config.strength_auto = False")
    wait_until(lambda: daemon.asked[-1][1]["parameters"]["strength"] == 12.5)
    # Another layer, another value; what the user set himself is not touched
    daemon.answer = lambda params: {"result": {**answer(params)["result"], "measured": {"strength": 31.0}}}
    dialog.do("config.strength = 20")
    wait_until(lambda: daemon.asked[-1][1]["parameters"]["strength"] == 20)
    dialog.do("preview.look_again()")
    wait_until(lambda: "measured" not in daemon.asked[-2][1])
    assert json.loads(dialog.do("print(config.strength)")) == 20
    dialog.do("config.strength_auto = True")
    wait_until(lambda: json.loads(dialog.do("print(config.strength)")) == 31)


def test_with_the_preview_off_a_value_is_measured_when_the_user_takes_over(dialog, daemon):
    dialog.do("config.strength_auto = False")
    wait_until(lambda: json.loads(dialog.do("print(config.strength)")) == 12.5)
    assert [params["parameters"]["strength"] for _, params in daemon.asked] == ["auto"]
    assert not any(line[0] == "show" for line in dialog.told())
    # Closed before it was measured, it is automatic after all
    daemon.answer = lambda params: None
    dialog.do("config.strength_auto = True", "preview.look_again()", "config.strength_auto = False")
    wait_until(lambda: len(daemon.asked) == 2)
    dialog.do("preview.close()")
    assert json.loads(dialog.do("print(json.dumps([config.strength_auto, config.strength]))")) == [True, 12.5]


def test_the_preview_is_as_large_as_its_room_and_zooms(dialog, daemon):
    dialog.do("preview.switch(True)")
    dialog.wait_for(["show", "part", 1.0, [1, 0, 0, 255], [102, 0, 0, 255]])
    assert "zoom" not in daemon.asked[-1][1] and daemon.asked[-1][1]["width"] == 320
    dialog.do("preview.resize(700, 5000)")
    wait_until(lambda: (daemon.asked[-1][1]["width"], daemon.asked[-1][1]["height"]) == (700, 1024))
    # Enlarged, the pixels come as they are, and are squares on the screen
    daemon.answer = lambda params: {"result": {**answer(params)["result"], "zoom": params.get("zoom", 1.0)}}
    dialog.forget()
    dialog.do("preview.look_closer(4.0, (7, 3))")
    dialog.wait_for(["show", "part", 4.0])
    asked = daemon.asked[-1][1]
    assert (asked["zoom"], asked["x"], asked["y"]) == (4.0, 7, 3)
    part = json.loads(dialog.do("import json", "print(json.dumps([list(p) if i == 2 else p for i, p in enumerate("
                                "preview.part((120, 124, 20, 10), 0.5))]))"))
    assert part[:2] == [10, 5] and part[2][:4] == [0x20, 0x40, 0x60, 255]
    dialog.do("preview.look_closer(None)")
    wait_until(lambda: "zoom" not in daemon.asked[-1][1] and "x" not in daemon.asked[-1][1])


def test_an_open_dialog_follows_the_selection_the_layer_and_the_image_s_end(dialog, daemon):
    dialog.do("from gimp_bridge.ui.filters import follow as filter_follow", "from gi.repository import Gimp", f"image = Gimp.Image.get_by_id({dialog.image})",
              "told = view.told", "told.clear()",
              "filter_follow.tested = filter_follow.Follower(image, image.get_layers(), lambda: told.append(['gone']),"
              " lambda layers: told.append(['moved', layers[0].get_name()]), lambda selection: told.append(['changed', selection]))")
    try:
        dialog.client.call("create_rectangle_selection", image=dialog.image, x=2, y=2, width=5, height=5)
        dialog.wait_for(["changed", True], 60)
        # Painted beside it and in it: the layer looks otherwise
        dialog.client.call("select_none", image=dialog.image)
        wait_until(lambda: len(dialog.told()) == 2, 60)
        dialog.client.call("draw_rectangle", image=dialog.image, x=2, y=2, width=9, height=5, fill_color="#ff0000")
        dialog.wait_for(["changed", False], 60)
        dialog.client.call("create_layer", image=dialog.image, name="above")
        dialog.wait_for(["moved", "above"], 60)
        other = dialog.client.call("create_new_image", width=300, height=200)["image"]
        dialog.client.call("close_image", image=dialog.image, discard_changes=True)
        dialog.wait_for(["gone"], 60)
        dialog.image = other  # for the end of the test to close
    finally:
        dialog.do("filter_follow = __import__('gimp_bridge').ui.filters.follow", "filter_follow.tested.close()")
