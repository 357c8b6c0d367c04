"""Generated images inside a real GIMP: as a new image, as layers of an open one, and nothing where there is no place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("GIMP_BRIDGE_BIN", ROOT / "target" / "debug" / "gimp-bridge"))
sys.path.insert(0, str(ROOT / "tests" / "generate"))

from painter import Painter, rows  # noqa: E402


@pytest.fixture
def painter():
    with Painter() as started:
        yield started


@pytest.fixture
def call(gimp, client, painter, tmp_path):
    """call(operation, arguments, out) -> exit status and the result or the error's text."""

    def run(operation, arguments, out=None):
        flags = ["--out", str(out)] if out else []
        environment = {
            **os.environ,
            "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir),
            "GIMP_BRIDGE_KSERVE_ENDPOINT": painter.url,
            "GIMP_BRIDGE_STORAGE_PATH": str(tmp_path / "store"),
        }
        command = [BINARY, "--log-level", "warn", "call", operation, json.dumps(arguments), *flags]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return run


def painted(prompt, seed, width, height):
    flat = b"".join(rows(prompt, seed, width, height))
    return np.frombuffer(flat, np.uint8).reshape(height, width, 3)


def seen(call, tmp_path, **arguments):
    status, told = call("get_image_bitmap", arguments, tmp_path / "seen.png")
    assert status == 0, told
    return np.asarray(Image.open(tmp_path / "seen.png").convert("RGB"))


def test_a_generated_image_lands_where_it_is_wanted_and_is_stored_too(call, client, painter, tmp_path):
    # No image is open: said before anything is painted.
    wanted = {"prompt": "a quiet lake", "width": 320, "height": 200, "seed": 7}
    status, said = call("generate_image", {**wanted, "into": "new_layer"})
    assert status == 1 and "no_image" in said and painter.requests == []

    status, told = call("generate_image", {**wanted, "into": "new_image"})
    assert status == 0, told
    assert told["metadata"]["seed"] == 7 and "into_error" not in told
    image = told["image"]
    assert (seen(call, tmp_path, image=image) == painted("a quiet lake", 7, 320, 200)).all()
    stored = Image.open(told["url"].removeprefix("file://"))
    assert (np.asarray(stored) == painted("a quiet lake", 7, 320, 200)).all()

    # Two variants as layers of an indexed image with an offset layer: what was there stays as it is.
    client.python(
        "i = Gimp.get_images()[0]",
        "i.get_layers()[0].set_offsets(-30, 12)",
        "i.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 255, False, False, '')",
    )
    before = seen(call, tmp_path, image=image)
    two = {"prompt": "two boats", "width": 300, "height": 210, "count": 2, "into": "new_layer", "image": image}
    status, told = call("generate_image", two)
    assert status == 0, told
    assert told["image"] == image and len(told["layers"]) == 2 and len(told["images"]) == 2
    names = client.eval("[l.get_name() for l in Gimp.get_images()[0].get_layers()]")
    assert sorted(names[:2]) == ["two boats 1", "two boats 2"], names
    assert told["group"] is None  # an indexed image has no groups
    call("undo", {"image": image})
    assert (seen(call, tmp_path, image=image) == before).all()
