"""The reference runtime in its image: words, pictures and masks, with seeds, asked directly and by the daemon."""

import base64
import io
import json
import os
import shutil
import socket
import time
from pathlib import Path

import containers
import pytest
from PIL import Image, ImageChops
from support import DEPLOY, ask, free_port, generate, is_up, until

TAG = "localhost/diffusers-runtime"
NAME = "stable-diffusion"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    containers.make_base()
    begun = time.monotonic()
    # GIMP_BRIDGE_TEST_KEEP=1: the one that is there.
    if not (os.environ.get("GIMP_BRIDGE_TEST_KEEP") and containers.has(TAG)):
        containers.build("deploy/kserve/runtime/Dockerfile", TAG, context="deploy/kserve/runtime", TORCH="debian")
    took = time.monotonic() - begun
    one = containers.Container(TAG)
    print(f"\n{TAG}: built in {took:.0f} s, {one.megabytes()} MB")
    yield one
    one.remove()


@pytest.fixture(scope="session")
def model(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    shutil.chown(folder, 10001, 10001)
    made = image.run(["/opt/runtime/venv/bin/python", "/make/tiny_pipeline.py", "/out"], mounts={"/make": (HERE, "ro"), "/out": (folder, "rw")})
    assert (folder / "model_index.json").is_file(), made
    return folder


class Runtime:
    def __init__(self, image, model, *arguments):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1/models/{NAME}"
        self.image = image
        self.process = image.start("--http_port", str(self.port), "--host", "127.0.0.1", *arguments, mounts={"/mnt/models": (model, "ro")})
        until(lambda: is_up(self.url), "the runtime starts", self.process, 180)

    def predict(self, **instance):
        given = {"prompt": "a red bicycle", "width": 96, "height": 64, "num_inference_steps": 4, **instance}
        if "image" in instance:
            given.pop("width"), given.pop("height")
        status, text = ask(f"{self.url}:predict", {"instances": [given]}, timeout=300)
        return status, json.loads(text)

    def paint(self, **instance):
        status, answer = self.predict(**instance)
        assert status == 200, answer
        (prediction,) = answer["predictions"]
        assert set(prediction) == {"model_name", "prompt", "seed", "image"} and prediction["image"]["format"] == "PNG"
        assert prediction["model_name"] == NAME and prediction["prompt"] == "a red bicycle"
        data = base64.b64decode(prediction["image"]["b64"])
        return data, Image.open(io.BytesIO(data)).convert("RGB"), prediction["seed"]


@pytest.fixture(scope="session")
def runtime(image, model):
    return Runtime(image, model)


def encoded(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def source(size):
    return Image.merge("RGB", [Image.linear_gradient("L").resize(size), Image.radial_gradient("L").resize(size), Image.new("L", size, 90)])


def test_a_seed_makes_the_same_picture_and_another_one_another(runtime):
    first, picture, seed = runtime.paint(seed=7)
    again, _, _ = runtime.paint(seed=7)
    other, _, _ = runtime.paint(seed=8)
    assert seed == 7 and first == again and first != other
    assert picture.size == (96, 64) and len(picture.getcolors(1 << 20)) > 500
    # Without one, the answer names the one that was used.
    chance, _, used = runtime.paint()
    assert 0 <= used < 2**32 and runtime.paint(seed=used)[0] == chance
    assert runtime.paint(seed=7, negative_prompt="rain")[0] != first != runtime.paint(seed=7, guidance_scale=2)[0]


def test_any_size_is_made_exactly(runtime):
    assert runtime.paint(width=101, height=77)[1].size == (101, 77)


def test_image_to_image_begins_from_the_picture(runtime):
    here, there = source((192, 128)), source((192, 128)).rotate(180)
    first, picture, seed = runtime.paint(image=encoded(here), strength=0.5, seed=7)
    assert seed == 7 and picture.size == (192, 128) and first == runtime.paint(image=encoded(here), strength=0.5, seed=7)[0]
    assert first != runtime.paint(image=encoded(there), strength=0.5, seed=7)[0]
    assert first != runtime.paint(image=encoded(here), strength=1.0, seed=7)[0]


def test_inpaint_changes_what_is_white_in_the_mask_and_nothing_else(runtime):
    here, hole = source((160, 107)), (40, 21, 101, 80)
    mask = Image.new("L", here.size, 0)
    mask.paste(255, hole)
    _, picture, _ = runtime.paint(image=encoded(here), mask_image=encoded(mask), seed=7)
    changed = ImageChops.difference(picture, here)
    assert picture.size == here.size and changed.crop(hole).getbbox() is not None
    changed.paste((0, 0, 0), hole)
    assert changed.getbbox() is None, "pixels outside of the mask changed"


def test_several_instances_are_several_pictures(runtime):
    instances = [{"prompt": "a", "width": 64, "height": 64, "num_inference_steps": 2, "seed": seed} for seed in (1, 2)]
    status, text = ask(f"{runtime.url}:predict", {"instances": instances}, timeout=300)
    answer = json.loads(text)["predictions"]
    assert status == 200 and [one["seed"] for one in answer] == [1, 2] and answer[0]["image"] != answer[1]["image"]


def test_what_is_wrong_is_said(runtime):
    for instance, said in [({"scheduler": "euler"}, "unexpected keyword argument 'scheduler'"), ({"width": 4096}, "from 64 to 2048"),
                           ({"image": "x"}, "no base64"), ({"prompt": ""}, "`prompt` is needed")]:
        status, answer = runtime.predict(**instance)
        assert status == 400 and said in answer["error"], answer
    for body in ({}, {"instances": []}, {"instances": [{"prompt": "a"}] * 9}, {"instances": "a"}):
        status, text = ask(f"{runtime.url}:predict", body)
        assert status == 400 and b"instances" in text, text
    # A body that no request can have is refused by its length alone.
    with socket.create_connection(("127.0.0.1", runtime.port), timeout=30) as link:
        link.sendall(f"POST /v1/models/{NAME}:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 413")
    assert is_up(runtime.url)


def test_the_daemon_generates_with_it(runtime, daemon):
    one = daemon(KSERVE_ENDPOINT=runtime.url, KSERVE_TIMEOUT="300").ready()
    made = {}
    for seed in (7, 7, 8):
        status, told = generate(one.url, prompt="a red bicycle", width=192, height=128, num_inference_steps=3, seed=seed)
        # The backend confirms it, so it is claimed.
        assert status == 200 and told["metadata"]["seed"] == seed and told["metadata"]["model"] == NAME, told
        made.setdefault(seed, []).append(ask(told["url"])[1])
    assert made[7][0] == made[7][1] != made[8][0]
    assert Image.open(io.BytesIO(made[7][0])).size == (192, 128)
    status, told = generate(one.url, prompt="a red bicycle", width=64, height=64, num_inference_steps=2, seed=None)
    assert status == 200 and isinstance(told["metadata"]["seed"], int), told


def test_a_picture_that_takes_too_long_is_given_up(image, model):
    slow = Runtime(image, model, "--most_seconds", "0.2")
    status, answer = slow.predict(num_inference_steps=200)
    assert status == 400 and "took longer than 0.2 s" in answer["error"], answer
    begun = time.monotonic()
    image.stop(slow.process)
    assert time.monotonic() - begun < 30


def test_what_is_no_model_ends_the_start(image, tmp_path):
    shutil.chown(tmp_path, 10001, 10001)
    said = image.run(image.config["Entrypoint"], mounts={"/mnt/models": (tmp_path, "ro")}, status=1)
    assert "`/mnt/models` has no model_index.json" in said and "MODEL_DIR" in said, said


def test_its_root_is_read_only_and_its_user_nobody(image):
    told = image.run(["/usr/bin/python3", "-c", "import os; print(os.getuid(), os.access('/opt/runtime', os.W_OK)); open('/opt/x', 'w')"], status=1)
    assert "10001 False" in told and "Read-only file system" in told, told


def test_kserves_classes_have_every_key_of_the_manifests(image):
    told = image.run(["/opt/runtime/venv/bin/python", "/check/check_kserve.py", "/deploy/inference-service.yaml"],
                     mounts={"/check": (HERE, "ro"), "/deploy": (DEPLOY / "kserve", "ro")})
    assert told.startswith("2 checked"), told
