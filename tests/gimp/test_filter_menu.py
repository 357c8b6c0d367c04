"""Filters > AI: procedures made from the daemon's list, called by another plug-in, answered by whoever is a daemon."""

import json
import threading
import time

import numpy as np
import pytest
from client import CallError
from gimp_bridge.net import wire
from harness import Gimp
from pictures import afloat

UPSCALE = {
    "name": "upscale", "title": "Upscale", "group": "Enhance", "help": "Makes it larger", "scope": "whole",
    "params": [
        {"name": "scale", "label": "Scale", "type": "int", "min": 2, "max": 4, "default": 2, "unit": "x"},
        {"name": "source", "label": "Source", "type": "choice", "choices": ["auto", "clean"], "default": "auto"},
        {"name": "strength", "label": "Strength", "type": "float", "min": 0, "max": 100, "default": "auto", "auto": "noise-level"},
        {"name": "keep", "label": "Keep", "type": "bool", "default": True},
    ],
}


def publish(gimp, filters, program="/nowhere/gimp-bridge"):
    path = gimp.state_dir / "filters.json"
    path.with_suffix(".new").write_text(json.dumps({"version": 1, "program": program, "filters": filters}))
    path.with_suffix(".new").rename(path)


@pytest.fixture(scope="module")
def own(gimp_version):
    with Gimp(gimp_version, plug_ins=["caller"]) as running:
        yield running


def ask(gimp, seconds=60, **call):
    """What the other plug-in was answered."""
    answer = gimp.home / "answer.json"
    answer.unlink(missing_ok=True)
    (gimp.home / "call.tmp").write_text(json.dumps(call))
    (gimp.home / "call.tmp").rename(gimp.home / "call.json")
    deadline = time.monotonic() + seconds
    while not answer.exists():
        assert time.monotonic() < deadline, f"no answer within {seconds} s: {gimp.log()[-2000:]}"
        time.sleep(0.02)
    return json.loads(answer.read_text())


def wait_for(gimp, status, name, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        answer = ask(gimp, procedure=f"plug-in-gimp-bridge-{name}", describe=True)
        if answer["status"] == status:
            return answer
        assert time.monotonic() < deadline, answer


class Daemon(threading.Thread):
    """A client that answers one `filters/run` as `work(client, params)` does."""

    def __init__(self, gimp, work):
        super().__init__(daemon=True)
        self.gimp, self.work, self.params, self.error = gimp, work, None, None
        self.client = gimp.client("daemon", label="serve")
        self.start()

    def run(self):
        try:
            while True:
                kind, message = self.client.receive()
                if kind == wire.MESSAGE and message.get("method") == "filters/run":
                    self.params = message["params"]
                    break
            answer = self.work(self.client, self.params, message["id"])
            if answer is not None:
                self.client.send({"jsonrpc": "2.0", "id": message["id"], **answer})
        except Exception as error:  # told to the test, which runs in another thread
            self.error = error

    def finish(self):
        self.join(60)
        self.client.close()
        assert self.error is None, self.error


def picture(gimp):
    with gimp.client() as client:
        made = client.call("create_new_image", width=310, height=205, color="#204060")
    return made["image"], made["layer"]


def invert(client, params, request_id):
    """What a filter does: reads, reports, puts in place."""
    reply = client.stream("filter_read", image=params["image"], layer=params["layer"])
    client.send({"jsonrpc": "2.0", "method": "$/progress", "params": {"id": request_id, "progress": 0.5, "message": "half"}})
    header = reply.header
    shape = {key: header[key] for key in ("width", "height", "channels", "depth")}
    client.call("filter_stage", upload=bytes(255 - value if i % 4 < 3 else value for i, value in enumerate(reply.data)),
                token="x", top=0, **shape)
    placed = client.call("filter_place", image=params["image"], layer=params["layer"], token="x", kind="replace", name="x")
    return {"result": placed}


def test_procedures_come_and_go_with_the_list(own):
    publish(own, [UPSCALE])
    described = wait_for(own, "SUCCESS", "upscale")
    assert described["arguments"] == ["run-mode", "image", "drawables", "scale", "source", "strength-auto", "strength", "keep", "result"]
    publish(own, [{**UPSCALE, "name": "denoise", "params": []}])
    wait_for(own, "SUCCESS", "denoise")
    assert ask(own, procedure="plug-in-gimp-bridge-upscale", describe=True)["status"] == "MISSING"
    publish(own, [{"name": "../bad", "title": "x"}, {"name": "bad", "title": 3}])
    wait_for(own, "MISSING", "denoise")


def test_another_plug_in_runs_a_filter(own):
    publish(own, [UPSCALE])
    wait_for(own, "SUCCESS", "upscale")
    image, layer = picture(own)
    daemon = Daemon(own, invert)
    answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[layer],
                 arguments={"scale": 3, "strength-auto": False, "strength": 12.5})
    daemon.finish()
    assert answer["status"] == "SUCCESS", answer
    assert daemon.params == {"filter": "upscale", "image": image, "layer": layer, "result": "auto",
                             "parameters": {"scale": 3, "source": "auto", "strength": 12.5, "keep": True}}
    with own.client() as client:
        reply = client.stream("read_pixels", image=image)
        assert (np.frombuffer(bytes(reply.data), np.uint8).reshape(-1, 4)[:, :3] == (0xDF, 0xBF, 0x9F)).all()
        client.call("close_image", image=image, discard_changes=True)


def test_a_filter_leaves_an_image_alone_in_which_something_floats(own):
    publish(own, [UPSCALE])
    wait_for(own, "SUCCESS", "upscale")
    image, layer = picture(own)
    with own.client() as client:
        floating = afloat(client, image, layer)
        before = client.call("get_image_metadata", image=image)["structure"]
        for chosen in (floating, layer):
            answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[chosen])
            assert answer["status"] == "EXECUTION_ERROR" and "is a floating selection" in answer["error"], answer
        assert client.call("get_image_metadata", image=image)["structure"] == before
        client.call("close_image", image=image, discard_changes=True)


def test_what_enlarges_is_asked_for_the_whole_image_and_not_for_a_layer(own):
    publish(own, [UPSCALE, {**UPSCALE, "name": "enlarge", "enlarges": True}])
    wait_for(own, "SUCCESS", "enlarge")
    image, layer = picture(own)
    for result, asked in (("auto", {}), ("scaled_image", {}), ("new_layer", {"layer": layer})):
        daemon = Daemon(own, lambda client, params, request_id: {"result": {}})
        answer = ask(own, procedure="plug-in-gimp-bridge-enlarge", image=image, drawables=[layer], arguments={"result": result})
        daemon.finish()
        assert answer["status"] == "SUCCESS", answer
        told = {name: value for name, value in daemon.params.items() if name != "parameters"}
        assert told == {"filter": "enlarge", "image": image, "result": result, **asked}
    with own.client() as client:
        client.call("close_image", image=image, discard_changes=True)


def test_gimp_serves_others_while_a_filter_runs(own):
    image, layer = picture(own)
    seen = []

    def slow(client, params, request_id):
        with own.client("painter") as painter:
            other = painter.call("create_new_image", width=300, height=200)["image"]
            seen.append(painter.call("close_image", image=other, discard_changes=True)["closed"] == other)
        return {"error": {"code": -32007, "message": "the filter was cancelled", "data": {"kind": "cancelled"}}}

    daemon = Daemon(own, slow)
    answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[layer])
    daemon.finish()
    assert seen == [True] and answer["status"] == "CANCEL"


def test_a_daemon_that_dies_leaves_the_image_and_the_next_try_works(own):
    image, layer = picture(own)

    def die(client, params, request_id):
        client.close()

    daemon = Daemon(own, die)
    answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[layer])
    daemon.finish()
    assert answer["status"] == "EXECUTION_ERROR" and "gimp-bridge ended while it worked" in answer["error"]
    daemon = Daemon(own, invert)
    assert ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[layer])["status"] == "SUCCESS"
    daemon.finish()


def test_a_channel_is_no_layer_and_the_error_says_so(own):
    image, layer = picture(own)
    with own.client() as client:
        channel = client.call("create_channel", image=image, name="spot")["channel"]
    answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[channel])
    assert answer["status"] == "EXECUTION_ERROR" and "`spot` is a channel, not a layer" in answer["error"], answer


def test_without_a_daemon_and_a_program_the_error_says_what_to_do(own):
    image, layer = picture(own)
    answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[layer])
    assert answer["status"] == "EXECUTION_ERROR" and "gimp-bridge install" in answer["error"], answer
    # The list's program is not a procedure: that of another filter tells that the list was read
    publish(own, [UPSCALE, {**UPSCALE, "name": "upscale-again"}], program="/bin/false")
    wait_for(own, "SUCCESS", "upscale-again")
    answer = ask(own, procedure="plug-in-gimp-bridge-upscale", image=image, drawables=[layer])
    assert answer["status"] == "EXECUTION_ERROR" and "did not start" in answer["error"], answer


def test_code_that_the_bridge_runs_cannot_wait_for_itself(own):
    image, layer = picture(own)
    with own.client() as client:
        with pytest.raises(CallError, match="is the bridge itself"):
            client.call("call_api", api_path="plug-in-gimp-bridge-upscale", kwargs={"image": image, "drawables": [layer]})
        code = f"(plug-in-gimp-bridge-upscale #:run-mode RUN-NONINTERACTIVE #:image {image} #:drawables (vector {layer}))"
        with pytest.raises(CallError) as raised:
            client.call("call_api", api_path="plug-in-script-fu-eval", kwargs={"script": code}, timeout=20)
        assert "use run_ai_filter" in str(raised.value), raised.value
