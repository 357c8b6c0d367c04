"""`gimp-bridge batch`: the same steps on many pictures in a real GIMP; each result's pixels are looked at."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BINARY = Path(os.environ.get("GIMP_BRIDGE_BIN", Path(__file__).resolve().parents[2] / "target" / "debug" / "gimp-bridge"))
STEPS = [
    {"name": "flip_image", "arguments": {"direction": "horizontal"}},
    {"name": "crop_image", "arguments": {"x": 0, "y": 0, "width": 300, "height": 150}},
]


@pytest.fixture
def batch(gimp, client, tmp_path):
    """batch(IN, OUT, *flags, steps=STEPS) -> (exit status, lines of JSON, stderr)."""

    def run(source, target, *flags, steps=STEPS):
        command = [BINARY, "batch", "-", source, target, "--json", *flags]
        environment = {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)}
        done = subprocess.run(list(map(str, command)), input=json.dumps(steps), env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return run


@pytest.fixture
def pictures(tmp_path):
    """Six pictures of 320x210 below `in`, by name."""
    noise, made = np.random.default_rng(5), {}
    (tmp_path / "in").mkdir()
    for number in range(6):
        made[f"photo {number}.png"] = noise.integers(0, 256, (210, 320, 3), dtype=np.uint8)
        Image.fromarray(made[f"photo {number}.png"]).save(tmp_path / "in" / f"photo {number}.png")
    return made


def wanted(pixels):
    return pixels[:, ::-1][:150, :300]


def test_every_picture_goes_through_the_steps(batch, client, pictures, tmp_path):
    before = client.eval("len(Gimp.get_images())")
    status, lines, said = batch(tmp_path / "in", tmp_path / "out")
    assert status == 0 and "6 of 6 pictures done" in said, said
    assert [line["in"] for line in lines] == [str(tmp_path / "in" / name) for name in pictures]
    for name, pixels in pictures.items():
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / name)), wanted(pixels)), name
    assert client.eval("len(Gimp.get_images())") == before, "no picture stays open"


def test_shares_formats_and_what_is_there(batch, pictures, tmp_path):
    done = []
    for index in range(2):
        status, lines, said = batch(tmp_path / "in", tmp_path / "out", "--format", "tiff", "--shard", f"{index}/2")
        assert status == 0 and f"share {index}/2 of 6" in said
        done += lines
    assert sorted(line["out"] for line in done) == sorted(str(tmp_path / "out" / name.replace("png", "tiff")) for name in pictures)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "photo 3.tiff")), wanted(pictures["photo 3.png"]))
    status, lines, said = batch(tmp_path / "in", tmp_path / "out", "--format", "tiff", "--skip-existing")
    assert (status, lines) == (0, []) and "6 left out" in said


def test_one_that_fails_stops_no_other_and_stays_closed(batch, client, pictures, tmp_path):
    (tmp_path / "in" / "broken.png").write_bytes(b"not a picture")
    Image.new("RGB", (200, 160), "red").save(tmp_path / "in" / "small.png")
    before = client.eval("len(Gimp.get_images())")
    too_far = [{"name": "crop_image", "arguments": {"x": 250, "y": 0, "width": 60, "height": 50}}]
    status, lines, said = batch(tmp_path / "in", tmp_path / "out", steps=too_far)
    assert status == 1 and len(lines) == 6 and "6 of 8 pictures done" in said
    assert "broken.png" in said and "small.png" in said
    assert not (tmp_path / "out" / "small.png").exists() and not (tmp_path / "out" / "broken.png").exists()
    assert client.eval("len(Gimp.get_images())") == before


def test_no_result_replaces_another(batch, pictures, tmp_path):
    Image.fromarray(pictures["photo 1.png"]).save(tmp_path / "in" / "photo 1.tiff")
    status, lines, said = batch(tmp_path / "in", tmp_path / "out", "--format", "webp")
    assert status in (1, 2) and not lines and "would both become" in said and "photo 1.tiff" in said
    assert not list((tmp_path / "out").iterdir())
    status, lines, said = batch(tmp_path / "in", tmp_path / "out", "--format", "../webp")
    assert status == 2 and not lines and "without a dot" in said


def test_a_single_picture_and_steps_that_are_wrong(batch, pictures, tmp_path):
    status, [line], _ = batch(tmp_path / "in" / "photo 1.png", tmp_path / "one.png")
    assert status == 0 and (line["width"], line["height"]) == (300, 150)
    status, lines, said = batch(tmp_path / "in" / "photo 1.png", tmp_path / "two.png", steps=[{"name": "flip_imagee"}])
    assert status in (1, 2) and not lines and "flip_image" in said and not (tmp_path / "two.png").exists()
    assert batch(tmp_path / "in" / "photo 1.png", tmp_path / "x.png", "--shard", "0/2")[0] in (1, 2)


def test_an_image_that_a_step_makes_is_the_result(batch, client, pictures, tmp_path):
    before = client.eval("len(Gimp.get_images())")
    source = tmp_path / "in" / "photo 2.png"
    upscale = {"name": "run_ai_filter", "arguments": {"filter": "upscale", "parameters": {"scale": 2}}}
    status, [line], said = batch(source, tmp_path / "large.png", steps=[{"name": "duplicate_image"}, upscale])
    assert status == 0 and (line["width"], line["height"]) == (640, 420), said
    assert client.eval("len(Gimp.get_images())") == before, "neither it nor the duplicate stays open"
    small = np.asarray(Image.open(tmp_path / "large.png").resize((320, 210), Image.Resampling.BOX), dtype=float)
    assert abs(small - pictures["photo 2.png"]).mean() < 40, "other noise would be 85 apart"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_picture_open(gimp, client, pictures, tmp_path, ending):
    before = client.eval("len(Gimp.get_images())")
    begun = tmp_path / "begun"
    code = [f"open({str(begun)!r}, 'w').close()", "while True: pass"]
    steps = [{"name": "flip_image", "arguments": {"direction": "horizontal"}},
             {"name": "call_api", "arguments": {"api_path": "exec", "args": ["pyGObject-console", code]}}]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    command = [BINARY, "batch", tmp_path / "steps.json", tmp_path / "in", tmp_path / "out"]
    environment = {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)}
    process = subprocess.Popen(list(map(str, command)), env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(ending)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "cancelled" in said, said
    assert client.eval("len(Gimp.get_images())") == before and not list((tmp_path / "out").glob("*"))
