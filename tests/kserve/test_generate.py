"""Images from KServe's own model server, by both of its protocols, and what goes wrong there."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from painter import png
from serving import BINARY, Daemon

BACKENDS = """[[backend]]
name = "v1"
kind = "kserve-v1"
url = "{url}"
model = "painter"
timeout = 2

[[backend]]
name = "v2"
kind = "oip-v2"
url = "{url}"
model = "painter"
timeout = 2
seed_honoured = true
"""


def generate(folder, *arguments, **environment):
    command = [BINARY, "generate", "a lake", "--width", "128", "--height", "96", "--out", "lake.png", *arguments]
    given = {"HOME": str(folder), "PATH": os.environ["PATH"], "STORAGE_PATH": str(folder / "store"), **environment}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), (folder / "lake.png").read_bytes()


@pytest.fixture
def daemon(tmp_path, painter):
    """Both protocols as backends called v1 and v2."""
    started = []

    def start(url=painter.url, **environment):
        declared = tmp_path / "backends.toml"
        declared.write_text(BACKENDS.format(url=url))
        started.append(Daemon(tmp_path, "", GIMP_BRIDGE_GENERATE_BACKENDS=str(declared), **environment))
        return started[-1].ready()

    yield start
    for one in started:
        one.stop()


def test_v1_by_the_models_url_and_by_the_servers(painter, tmp_path):
    told, picture = generate(tmp_path, "--seed", "7", KSERVE_ENDPOINT=f"{painter.url}/v1/models/painter")
    assert picture == png("a lake", 7, 128, 96)
    # The model took the seed, but does not say so.
    assert told["metadata"]["seed"] is None and "unknown" in told["message"], told
    _, picture = generate(tmp_path, KSERVE_ENDPOINT=painter.url, KSERVE_MODEL_NAME="painter")
    assert picture == png("a lake", 5, 128, 96)
    # No negative prompt was given, and none came: a null would have been refused.


def test_a_key_that_the_pipeline_does_not_know_is_left_out(painter, tmp_path):
    told, picture = generate(tmp_path, "--seed", "7", KSERVE_ENDPOINT=f"{painter.url}/v1/models/strict")
    assert picture == png("a lake", 5, 128, 96)
    assert told["metadata"]["seed"] is None and "does not know `seed`" in told["message"], told


@pytest.mark.parametrize("backend", ["v1", "v2"])
def test_the_same_words_and_seed_are_the_same_picture_by_either_protocol(daemon, backend):
    one = daemon()
    wanted = {"backend": backend, "negative_prompt": "rain", "num_inference_steps": 3, "guidance_scale": 2.5}
    for prompt, seed, width, height in [("a lake", 3, 128, 96), ("ein Häuschen, 山", 4294967295, 300, 200)]:
        status, made = one.generate(prompt, seed=seed, width=width, height=height, **wanted)
        assert status == 200, made
        assert one.get(made["url"]) == (200, png(f"{prompt} without rain", seed, width, height))
        assert made["metadata"]["seed"] == (seed if backend == "v2" else None), made
    told = {row["name"]: row for row in json.loads(one.ask(
        "POST", "/jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": "list_generation_backends", "params": {}}
    )[2])["result"]["result"]["backends"]}
    assert told[backend]["ready"] and "painter" in told[backend]["models"], told


@pytest.mark.parametrize("backend", ["v1", "v2"])
def test_what_goes_wrong_there_is_told_and_the_next_picture_is_well(daemon, backend):
    one = daemon()
    for fault, kind, said in [
        ("fails", "io_error", "CUDA out of memory"),
        ("slow", "timeout", "did not answer within 2 s"),
        ("words", "protocol_error", "bytes that are no picture"),
        ("half", "protocol_error", "cut short"),
        ("empty", "protocol_error", "without `predictions`" if backend == "v1" else "output"),
    ]:
        status, refused = one.generate(f"a lake that {fault}", backend=backend)
        assert status >= 400 and refused["error"]["kind"] == kind and said in refused["message"], (fault, refused)
        assert refused["error"]["hint"]
        # Between them one that is well, so that the breaker stays closed; the server was busy at first.
        prompt = f"{backend} after {fault} starting"
        status, made = one.generate(prompt, backend=backend)
        assert status == 200 and one.get(made["url"]) == (200, png(prompt, 3, 128, 96)), made
    assert one.metric("gimp_bridge_upstream_retries_total") >= 5
    status, refused = one.generate("a lake", backend=backend, model="nobody")
    assert status >= 400 and "nobody" in refused["message"], refused
    assert one.json("/images")["total"] == 5


def test_a_server_that_dies_at_work_is_told_and_another_takes_over(daemon, painter, own_painter):
    one = daemon(own_painter.url, KSERVE_ENDPOINT=f"{painter.url}/v1/models/painter", GIMP_BRIDGE_GENERATE_ORDER="v1,kserve")
    # It would die of it too.
    status, refused = one.generate("a lake that dies", backend="v2")
    assert status >= 400 and "cannot be asked" in refused["message"], refused
    assert own_painter.process.wait(timeout=60) == 1
    status, made = one.generate("a lake")
    assert status == 200 and made["metadata"]["backend"] == "kserve" and "took over" in made["message"], made
    assert one.get(made["url"]) == (200, png("a lake", 3, 128, 96))


def test_many_at_once_by_both_protocols(daemon):
    one = daemon()
    with ThreadPoolExecutor(24) as pool:
        made = list(pool.map(lambda n: one.generate(f"lake {n}", backend=["v1", "v2"][n % 2]), range(24)))
        assert [status for status, _ in made] == [200] * 24
        pictures = list(pool.map(lambda answer: one.get(answer[1]["url"])[1], made))
    assert pictures == [png(f"lake {n}", 3, 128, 96) for n in range(24)]
