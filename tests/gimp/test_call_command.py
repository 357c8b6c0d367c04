"""The daemon's own operations against a real GIMP, by way of `gimp-bridge call`.

GIMP_BRIDGE_BIN is the binary; without it the debug build is used.
"""

import base64
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("GIMP_BRIDGE_BIN", ROOT / "target" / "debug" / "gimp-bridge"))
WIDTH, HEIGHT = 301, 203


class Answer:
    def __init__(self, process):
        self.status, self.stderr = process.returncode, process.stderr
        self.result = json.loads(process.stdout) if process.returncode == 0 else None


@pytest.fixture
def call(gimp, client):
    """call(operation, arguments, *flags) -> Answer; `client` closes the images afterwards."""
    assert BINARY.is_file(), f"no binary `{BINARY}`; run cargo build, or set GIMP_BRIDGE_BIN"

    def run(operation, arguments=None, *flags):
        # Through stdin: an upload is longer than a command line may be.
        command = [BINARY, "--log-level", "warn", "call", operation, "-", *map(str, flags)]
        environment = {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)}
        return Answer(subprocess.run(command, input=json.dumps(arguments or {}), env=environment, capture_output=True, text=True, timeout=120))

    return run


@pytest.fixture
def photo(tmp_path):
    """A picture whose every pixel differs from its neighbours, and its file."""
    pixels = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return pixels, path


@pytest.fixture
def image(call, photo):
    return call("open_image", {"path": str(photo[1])}).result["image"]


def pixels_of(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_the_whole_image_comes_pixel_for_pixel(call, photo, image, tmp_path):
    out = tmp_path / "out.png"
    result = call("get_image_bitmap", {"image": image}, "--out", out).result
    assert (pixels_of(out) == photo[0]).all()
    assert result["scale_map"] == {"offset_x": 0, "offset_y": 0, "scale_x": 1.0, "scale_y": 1.0}
    assert result["processing_applied"] == {"region_extracted": False, "scaled": False, "fitted_to_max_bytes": False, "region_coords": None}
    assert (result["original_width"], result["original_height"]) == (WIDTH, HEIGHT)
    assert result["bytes"] == out.stat().st_size


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_fitting_keeps_the_aspect_ratio_and_enlarges_nothing(call, image, tmp_path, name):
    result = call("get_image_bitmap", {"image": image, "max_width": 100, "max_height": 90, "format": name}, "--out", tmp_path).result
    picture = Image.open(tmp_path / f"get_image_bitmap.{name}")
    assert picture.format.lower() == name
    assert picture.size == (result["width"], result["height"]) == (100, 67)
    same = call("get_image_bitmap", {"image": image, "max_width": 9999}).result
    assert (same["width"], same["processing_applied"]["scaled"]) == (WIDTH, False)
    larger = call("get_image_bitmap", {"image": image, "max_width": 602, "enlarge": True}).result
    assert (larger["width"], larger["height"], larger["scale_map"]["scale_x"]) == (602, 406, 0.5)


def test_a_region_comes_pixel_for_pixel_and_is_clipped(call, photo, image, tmp_path):
    out = tmp_path / "out.png"
    region = {"image": image, "origin_x": 280, "origin_y": 30, "width": 50, "height": 40}
    result = call("get_image_bitmap", region, "--out", out).result
    assert (pixels_of(out) == photo[0][30:70, 280:]).all()
    assert result["processing_applied"]["region_coords"] == {"x": 280, "y": 30, "w": 21, "h": 40}
    scaled = call("get_image_bitmap", {**region, "scaled_to_height": 10}).result
    assert (scaled["height"], scaled["scale_map"]["offset_x"], scaled["scale_map"]["scale_y"]) == (10, 280, 4.0)


def test_a_region_outside_names_the_images_size(call, image):
    answer = call("get_image_bitmap", {"image": image, "origin_x": WIDTH, "origin_y": 0, "width": 5, "height": 5})
    assert answer.status == 2
    assert "the region of 5 x 5 at (301, 0) is outside the 301 x 203 pixels (invalid_argument)" in answer.stderr


@pytest.mark.parametrize(("name", "limit"), [("png", 40_000), ("jpeg", 8_000), ("webp", 4_000)])
def test_a_byte_limit_is_kept_used_and_said(call, image, tmp_path, name, limit):
    result = call("get_image_bitmap", {"image": image, "max_bytes": limit, "format": name}, "--out", tmp_path).result
    size = (tmp_path / f"get_image_bitmap.{name}").stat().st_size
    assert limit / 2 < size <= limit
    assert result["processing_applied"]["fitted_to_max_bytes"] and result["width"] < WIDTH


def test_a_link_stands_for_the_picture(call, image):
    answer = call("get_image_bitmap", {"image": image, "max_width": 64, "format": "jpeg", "as": "link"})
    assert answer.result["uri"] == f"gimp://images/{image}/bitmap?max_width=64&format=jpeg"
    assert (answer.result["encoding"], answer.result["width"], answer.result["height"]) == ("link", 64, 43)
    assert "picture of" not in answer.stderr


def test_bytes_are_opened_as_image_and_as_layer(call, photo, image):
    data = base64.b64encode(photo[1].read_bytes()).decode()
    opened = call("open_image", {"image_data": f"data:image/png;base64,{data}", "name": "sent"}).result
    assert opened["image"] != image and (opened["width"], opened["height"]) == (WIDTH, HEIGHT)
    layer = call("open_image", {"image_data": data, "as": "layer", "image": image}).result
    assert layer["image"] == image and len(layer["layers"]) == 1
    metadata = call("get_image_metadata", {"image": image}).result
    assert metadata["structure"]["num_layers"] == 2
    refused = call("open_image", {"image_data": base64.b64encode(b"no picture").decode()})
    assert refused.status == 1 and "(io_error)" in refused.stderr


def test_saved_bytes_come_back_as_the_format_asked_for(call, photo, image, tmp_path):
    result = call("save_image", {"image": image, "format": "png"}).result
    data = base64.b64decode(result.pop("image_data"))
    assert (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) == photo[0]).all()
    assert (result["bytes"], result["encoding"], result["path"]) == (len(data), "base64", None)
    out = tmp_path / "out.jpg"
    call("save_image", {"image": image, "format": "jpeg", "quality": 60}, "--out", out)
    assert Image.open(out).format == "JPEG"


def test_a_preview_shows_the_change(call, photo, image, tmp_path):
    out = tmp_path / "preview.png"
    code = ["l = [i for i in Gimp.get_images() if i.get_id() == %d][0].get_layers()[0]" % image,
            "Gimp.context_set_foreground(Gegl.Color.new('lime'))", "l.fill(Gimp.FillType.FOREGROUND)"]
    answer = call("call_api", {"api_path": "exec", "args": ["pyGObject-console", code], "image": image, "preview": 64}, "--out", out)
    assert answer.result["preview"]["width"] == 64 and answer.result["preview"]["image"] == image
    assert (pixels_of(out) == (0, 255, 0)).all()


def test_a_preview_that_cannot_be_made_fails_no_change(call, image):
    result = call("close_image", {"image": image, "discard_changes": True, "preview": 64}).result
    assert result["closed"] == image
    assert result["preview_error"]["kind"] in ("no_image", "image_gone")


def test_each_image_of_the_command_line_is_opened_and_used(call, photo, tmp_path):
    process = call("get_image_bitmap", {"max_width": 10}, "--out", tmp_path, "--image", photo[1])
    assert process.result["width"] == 10 and (tmp_path / "get_image_bitmap.png").is_file()
    twice = call("get_image_bitmap", {"image": 1}, "--image", photo[1])
    assert twice.status == 2 and "the image is given twice" in twice.stderr


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_filter_and_the_image_stays_as_it_was(gimp, client, call, tmp_path, ending):
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (900, 1200, 3), dtype=np.uint8)).save(path)
    image = call("open_image", {"path": str(path)}).result["image"]

    def look():
        return client.eval(f"[(l.get_name(), l.get_width()) for l in Gimp.Image.get_by_id({image}).get_layers()]")

    def begin():
        arguments = {"filter": "oil-painting", "image": image, "result": "new_layer"}
        command = [BINARY, "call", "run_ai_filter", json.dumps(arguments)]
        environment = {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    before, began = look(), time.monotonic()
    out, said = begin().communicate(timeout=300)
    whole = time.monotonic() - began
    assert len(look()) == len(before) + 1, out + said
    call("undo", {"image": image})
    assert look() == before
    ended = 0
    for share in (0.2, 0.4, 0.6, 0.8):
        process = begin()
        time.sleep(whole * share)
        process.send_signal(ending)
        out, said = process.communicate(timeout=60)
        if process.returncode == 0:
            call("undo", {"image": image})
        else:
            assert process.returncode == 130 and "cancelled" in said and not out, (process.returncode, said)
            ended += 1
        assert look() == before, share
    assert ended
