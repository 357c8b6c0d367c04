"""Filters > AI > Generate without its dialogs: called by another plug-in, answered by whoever is a daemon."""

import socket
import threading

import pytest
from client import CallError
from gimp_bridge.net import wire
from harness import Gimp
from pictures import afloat
from test_filter_menu import ask, picture

from gimp_bridge.ui.generate.kinds import offered

CAN = {"image_to_image": True, "masks": True, "num_inference_steps": True}
HOME = {"name": "home", "kind": "a1111", "default": True, "takes_over": False, "can": CAN, "ready": True, "models": ["dreamer"]}
MADE = {"image_id": "x", "url": None, "metadata": {"seed": 5}, "layers": [1]}


@pytest.fixture(scope="module")
def own(gimp_version):
    with Gimp(gimp_version, plug_ins=["caller"], environment={"GIMP_BRIDGE_BIN": "/nowhere/gimp-bridge"}) as running:
        yield running


class Daemon(threading.Thread):
    """Answers each request of the plug-in by `answers[method](params)`, and keeps what was asked."""

    def __init__(self, gimp, backends, **answers):
        super().__init__(daemon=True)
        self.client, self.asked = gimp.client("daemon", label="serve"), []
        self.answers = {"generate/backends": lambda params: {"result": {"backends": backends}}}
        self.answers.update({name.replace("_", "/"): answer for name, answer in answers.items()})
        self.start()

    def run(self):
        try:
            while True:
                kind, message = self.client.receive()
                if kind != wire.MESSAGE or "method" not in message:
                    continue
                if message["method"] in self.answers:
                    self.asked.append((message["method"], message["params"]))
                    answer = self.answers[message["method"]](message["params"])
                    if answer is not None:
                        self.client.send({"jsonrpc": "2.0", "id": message["id"], **answer})
        except (OSError, ConnectionError):
            pass  # closed by the test

    def finish(self):
        # Closed alone, it would leave the other thread waiting for what comes next.
        self.client.sock.shutdown(socket.SHUT_RDWR)
        self.join(20)
        self.client.close()
        return self.asked


def run(gimp, name, image, layer, **arguments):
    named = {key.replace("_", "-"): value for key, value in arguments.items()}
    return ask(gimp, procedure=f"plug-in-gimp-bridge-{name}", image=image, drawables=[layer], arguments=named)


def made(kinds):
    return {kind.method.replace("/", "_"): lambda params: {"result": MADE} for kind in kinds}


def test_the_arguments_go_to_a_daemon_that_has_a_generator(own):
    """Each entry's, of those that this daemon has operations for."""
    image, layer = picture(own)
    calls = {
        "layer-from-words": (
            {"prompt": " a quiet lake ", "count": 3, "seed": 7.0, "width": 320, "height": 200},
            {"prompt": "a quiet lake", "count": 3, "seed": 7, "into": "new_layer", "width": 320, "height": 200},
        ),
        "fill-from-words": (
            {"prompt": "a boat", "negative_prompt": "fog", "backend": "home", "model": "dreamer"},
            {"prompt": "a boat", "negative_prompt": "fog", "backend": "home", "model": "dreamer", "layer": layer, "strength": 1.0},
        ),
        "vary-layer": ({"strength": 0.25}, {"layer": layer, "strength": 0.25}),
    }
    usual = {"image": image, "count": 1, "num_inference_steps": 50, "guidance_scale": 7.5}
    kinds = offered()
    assert kinds
    without, daemon = Daemon(own, []), Daemon(own, [HOME], **made(kinds))
    for kind in kinds:
        answer = run(own, kind.name, image, layer, **calls[kind.name][0])
        assert answer["status"] == "SUCCESS", answer
    asked = [row for row in daemon.finish() if row[0] != "generate/backends"]
    assert asked == [(kind.method, {**usual, **calls[kind.name][1]}) for kind in kinds]
    assert {method for method, _ in without.finish()} <= {"generate/backends"}


def test_without_a_size_a_layer_has_the_one_that_the_model_makes_of_the_image_s_shape(own):
    image, layer = picture(own)  # 310 x 205
    models = {"models": ["large"], "of_models": {"large": {"can": CAN, "limits": {}, "size": [1448, 720]}}}
    for arguments, size in (({}, (720, 360)), ({"model": "large"}, (1448, 720)), ({"width": 320, "height": 200}, (320, 200))):
        daemon = Daemon(own, [{**HOME, **models, "size": [720, 360]}], generate_layer=lambda params: {"result": MADE})
        assert run(own, "layer-from-words", image, layer, prompt="x", **arguments)["status"] == "SUCCESS"
        asked = dict(daemon.finish())
        assert asked["generate/backends"] == {"width": 310, "height": 205}
        assert (asked["generate/layer"]["width"], asked["generate/layer"]["height"]) == size, arguments


def test_nothing_is_made_for_an_image_in_which_something_floats(own):
    image, layer = picture(own)
    with own.client() as client:
        floating = afloat(client, image, layer)
    for kind in offered():
        daemon = Daemon(own, [HOME], **made([kind]))
        answer = run(own, kind.name, image, floating, prompt="x")
        assert answer["status"] == "EXECUTION_ERROR" and "is a floating selection" in answer["error"], answer
        assert [method for method, _ in daemon.finish() if method != "generate/backends"] == []


def test_what_cannot_be_is_said_in_words_for_callers(own):
    image, layer = picture(own)
    refused = {"error": {"code": -32012, "message": "`home` cannot be asked", "data": {"kind": "io_error"}}}
    lost = {"result": {**MADE, "into_error": {"kind": "image_gone", "message": "no image `7`", "hint": "call list_images"}}}
    for arguments, daemon, said in (
        ({"prompt": "  "}, [HOME], "only blanks"),
        ({"prompt": "x"}, [], "no backend that generates images is configured"),
        ({"prompt": "x"}, refused, "`home` cannot be asked"),
        ({"prompt": "x"}, lost, "no image `7`. call list_images"),
    ):
        answers = {"generate_layer": lambda params, daemon=daemon: daemon} if isinstance(daemon, dict) else {}
        made = Daemon(own, [HOME] if isinstance(daemon, dict) else daemon, **answers)
        answer = run(own, "layer-from-words", image, layer, **arguments)
        made.finish()
        assert answer["status"] == "EXECUTION_ERROR" and said in answer["error"], answer


def test_a_channel_is_nothing_to_begin_from(own):
    image, layer = picture(own)
    with own.client() as client:
        channel = client.call("create_channel", image=image, name="spot")["channel"]
    for kind in offered():
        daemon = Daemon(own, [HOME], **made([kind]))
        answer = run(own, kind.name, image, channel, prompt="x")
        daemon.finish()
        if kind.area:
            assert answer["status"] == "EXECUTION_ERROR" and "no layer is chosen" in answer["error"], answer
        else:
            assert answer["status"] == "SUCCESS", answer


def test_code_that_the_bridge_runs_cannot_wait_for_itself(own):
    image, layer = picture(own)
    with own.client() as client:
        code = f"(plug-in-gimp-bridge-layer-from-words #:run-mode RUN-NONINTERACTIVE #:image {image} #:drawables (vector {layer}))"
        with pytest.raises(CallError) as raised:
            client.call("call_api", api_path="plug-in-script-fu-eval", kwargs={"script": code}, timeout=20)
        assert "use generate_image" in str(raised.value), raised.value
