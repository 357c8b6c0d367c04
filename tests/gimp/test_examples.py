"""Each example of the catalogue in a real GIMP: it works, says what it did, and undo gives the pixels back."""

import json
from pathlib import Path

import numpy as np
import pytest
from example_setups import SETUP
from pixelwork import make
from truth import pixels

from gimp_bridge.dispatch import catalogue

OPS = Path(__file__).resolve().parents[2] / "protocol" / "ops"
SIZE = 300, 200


def picture():
    """RGBA: smooth and varied, so that hardly any filter leaves it as it is."""
    width, height = SIZE
    grain = np.random.default_rng(7).integers(0, 24, (height, width, 3))
    y, x = np.mgrid[0:height, 0:width]
    plain = np.stack([x * 5 % 200 + 20, y * 3 % 190, 200 - (x + y) % 170], axis=2) + grain
    return np.dstack([plain.clip(0, 255), np.where(x < width - 50, 255, 128)]).astype(np.uint8)


PICTURE = picture()


def rows():
    """(operation, example) of all that run in GIMP and clients may call."""
    shared = json.loads((OPS / "shared.json").read_text())
    for path in sorted(OPS.glob("*.json")):
        file = json.loads(path.read_text()) if path.name != "shared.json" else {}
        for row in file.get("operations", ()):
            row.setdefault("pack", file["pack"])
            if row["runs"] == "gimp" and row.get("audience", "public") == "public":
                row = catalogue.expand(row, shared)
                yield from (pytest.param(row, example, id=f"{row['name']}-{i}") for i, example in enumerate(row["examples"]))


@pytest.mark.parametrize("row, example", list(rows()))
def test_example(client, row, example):
    image, _ = make(client, PICTURE)
    more = SETUP[row["name"]](client, image) if row["name"] in SETUP else {}
    arguments = {**example, **more}
    if row["image"] != "none":
        arguments["image"] = image
    before, structure = pixels(client.stream("read_pixels", image=image)), outline(client, image)
    answer = client.call(row["name"], **arguments)
    entry = catalogue.Entry(row)
    missing = set(row["result"].get("required", ())) - set(answer)
    assert not missing, f"the answer lacks {missing}"
    if not entry.changes:
        assert outline(client, image) == structure
        assert np.array_equal(pixels(client.stream("read_pixels", image=image)), before), "a read changed pixels"
        return
    if row["name"] == "call_api":
        return  # its examples only look
    assert answer.get("message", "").strip(), "a change says what it did"
    if not entry.checkpoint or row["name"] in ("undo", "close_image") or row["image"] == "none":
        return
    assert answer["effect"]["changed"] is True, f"the example changes nothing: {answer}"
    if answer["effect"]["checkpoint"] is None:
        return  # the change was outside the image, such as an image that it made
    client.call("undo", image=image)
    assert outline(client, image) == structure
    assert np.array_equal(pixels(client.stream("read_pixels", image=image)), before), "undo did not bring the pixels back"


def outline(client, image):
    """An image's structure without what a restore may replace: ids."""

    def without_ids(value):
        if isinstance(value, dict):
            return {key: without_ids(item) for key, item in value.items() if key not in ("id", "selected_layers", "is_dirty", "image")}
        return [without_ids(item) for item in value] if isinstance(value, list) else value

    return without_ids(client.call("get_image_metadata", image=image))
