"""A long generation: how far it is by MCP, event stream, WebSocket and /jobs; cancelled, it stops at the backend; it goes on
without whoever asked for it. The backend is Automatic1111's API, which tells how far it is."""

import base64
import json
import sys
import threading
import time
import urllib.request
from pathlib import Path

import anyio
import pytest
from mcp import Client
from painter import Answering, StandIn, png
from serving import until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jsonrpc"))

from websocket import WebSocket  # noqa: E402

WANTED = {"prompt": "a lake", "width": 128, "height": 96, "seed": 3}


class Handler(Answering):
    def do_GET(self):
        self.answer(200, [] if "sd-models" in self.path else {"progress": self.owner.progress, "state": {}})

    def do_POST(self):
        asked, ui = self.body(), self.owner
        if self.path.endswith("interrupt"):
            ui.interrupted += 1
            ui.gate.set()
            return self.answer(200, None)
        ui.painting += 1
        ui.gate.wait(60)
        made = png(asked["prompt"], asked["seed"], asked["width"], asked["height"])
        info = json.dumps({"seed": asked["seed"]})
        return self.answer(200, {"images": [base64.b64encode(made).decode()], "info": info})


class WebUi(StandIn):
    """Paints while `gate` is set; `progress` is how far it says it is, `interrupted` how often it was told to stop."""

    handler = Handler

    def __init__(self):
        super().__init__()
        self.progress, self.painting, self.interrupted = 0.0, 0, 0
        self.gate.clear()

    def steps(self, seen):
        """Goes on to each of these once the last one was `seen`."""
        until(lambda: self.painting, "it paints")
        for step in (0.25, 0.5, 0.75):
            self.progress = step
            until(lambda: any(share >= step - 0.01 for share in seen()), f"{step} is told")
        self.gate.set()


@pytest.fixture
def webui():
    with WebUi() as started:
        yield started


@pytest.fixture
def one(daemon, webui, tmp_path):
    declared = tmp_path / "backends.toml"
    declared.write_text(f'[[backend]]\nname = "home"\nkind = "a1111"\nurl = "{webui.url}"\n')
    return daemon("", GIMP_BRIDGE_GENERATE_BACKENDS=str(declared))


def begin(one):
    """A job's address."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "generate_image", "params": WANTED}
    status, headers, text = one.ask("POST", "/jsonrpc", body, {"Prefer": "respond-async"})
    assert status == 202
    return f"/jobs/{json.loads(text)['job']}"


def is_there(one, answer):
    assert one.get(answer["url"]) == (200, png("a lake", 3, 128, 96)) and answer["metadata"]["seed"] == 3


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_progress_over_mcp(one, webui, mode):
    told = []

    async def heard(progress, total, message):
        told.append(progress / (total or 1))

    async def call():
        async with Client(one.url + "/mcp", mode=mode, read_timeout_seconds=60) as client:
            steps = threading.Thread(target=webui.steps, args=(lambda: told,))
            steps.start()
            answer = await client.call_tool("generate_image", WANTED, progress_callback=heard)
            steps.join()
            return answer.structured_content

    is_there(one, anyio.run(call))
    assert told == sorted(told) and {0.25, 0.5, 0.75} <= {round(share, 2) for share in told}, told


def test_progress_over_an_event_stream_and_jobs(one, webui):
    job, told, last = begin(one), [], {}

    def follow():
        with urllib.request.urlopen(one.url + job + "/events", timeout=60) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    last.update(json.loads(line[5:]))
                    told.append((last.get("progress") or {}).get("progress", 0))

    follower = threading.Thread(target=follow)
    follower.start()
    webui.steps(lambda: told)
    follower.join(timeout=60)
    assert told == sorted(told) and last["status"] == "done"
    is_there(one, last["response"]["result"]["result"] | last["response"]["result"])
    shown = one.json(job)
    assert shown["status"] == "done" and shown["response"] == last["response"]
    assert [known["job"] for known in one.json("/jobs")["jobs"]] == [job.removeprefix("/jobs/")]


def test_progress_over_a_websocket(one, webui):
    told, answer = [], {}

    def listen(socket):
        while "result" not in answer:
            message = socket.receive()
            if message.get("method") == "progress":
                told.append(message["params"]["progress"])
            else:
                answer.update(message)

    with WebSocket(one.url) as socket:
        socket.send({"jsonrpc": "2.0", "id": 4, "method": "generate_image", "params": WANTED})
        listener = threading.Thread(target=listen, args=(socket,))
        listener.start()
        webui.steps(lambda: told)
        listener.join(timeout=60)
    assert answer["id"] == 4 and told == sorted(told)
    is_there(one, answer["result"]["result"] | answer["result"])


def test_a_job_says_how_far_it_is_and_goes_on_without_its_caller(one, webui):
    job = begin(one)
    until(lambda: webui.painting, "it paints")
    for step in (0.25, 0.75):
        webui.progress = step
        until(lambda: one.json(job).get("progress", {}).get("progress", 0) >= step, f"{step} is told")
    shown = one.json(job)
    assert shown["status"] == "running" and "response" not in shown
    # Whoever asked is long gone: `begin` closed its connection.
    webui.gate.set()
    until(lambda: one.json(job)["status"] == "done", "it ends")
    result = one.json(job)["response"]["result"]
    is_there(one, result["result"] | result)
    assert webui.interrupted == 0


def test_who_cancels_stops_the_backend(one, webui):
    job = begin(one)
    until(lambda: webui.painting == 1, "it paints")
    assert json.loads(one.ask("DELETE", job)[2])["status"] in ("cancelling", "cancelled")
    until(lambda: webui.interrupted == 1, "the backend is told")
    until(lambda: one.json(job)["status"] == "cancelled", "it ends")
    webui.gate.clear()

    # A call over MCP that its client gives up, and a request whose caller hangs up.
    async def give_up():
        async with Client(one.url + "/mcp", read_timeout_seconds=60) as client:
            with anyio.move_on_after(30) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.call_tool, "generate_image", WANTED)
                    while webui.painting < 2:
                        await anyio.sleep(0.02)
                    group.cancel_scope.cancel()
            assert not scope.cancelled_caught

    anyio.run(give_up)
    until(lambda: webui.interrupted == 2, "the backend is told of that too")
    webui.gate.clear()
    with one.asking("/mcp/v1/tools/generate_image", WANTED):
        until(lambda: webui.painting == 3, "it paints again")
    until(lambda: webui.interrupted == 3, "and of the caller that hung up")
    webui.gate.set()
    began = time.monotonic()
    status, made = one.generate("after it")
    assert status == 200 and time.monotonic() - began < 60
    assert one.json("/images")["total"] == 1, "what was cancelled is not kept"
