"""`units` and `from_preview` for every operation that has them: places count in them, and lengths as the catalogue says."""

import copy

import numpy as np
import pytest
from example_setups import SETUP
from pixelwork import make
from test_examples import PICTURE, SIZE, outline, rows
from truth import pixels

PAIRS = ("center", "point", "start", "end", "source")
FLAT = ("points", "stroke_points", "corners")
ALONG_X = ("x", "width", "dx", "offset_x", "vertical")
LONELY = {"amount", "axis"}  # along x or y as the direction says


def cases():
    """(row, example) of each operation with places or lengths: its first example that gives one."""
    seen = set()
    for parameter in rows():
        row, example = parameter.values
        named = row.get("places", []) + row.get("lengths", [])
        given = any(name in example for name in named) and not {"units", "from_preview"} & set(example)
        if given and row["name"] not in seen:
            seen.add(row["name"])
            properties = row["params"]["properties"]
            lengths = {name: properties[name]["default"] for name in row.get("lengths", ()) if "default" in properties[name]}
            yield pytest.param(row, {**lengths, **example}, id=row["name"])


def converted(row, example, across, down, lengths):
    """The example with its places divided by `across` and `down`, and its lengths by `lengths`."""
    given = copy.deepcopy(example)
    for name in row.get("places", ()):
        value = given.get(name)
        if value is None:
            continue
        if name in PAIRS:
            given[name] = [value[0] / across, value[1] / down]
        elif name in FLAT:
            flat = value if isinstance(value[0], list) else [value]
            flat = [[part / (down if place % 2 else across) for place, part in enumerate(point)] for point in flat]
            given[name] = flat if isinstance(value[0], list) else flat[0]
        elif name == "strokes":
            for stroke in given[name]:
                stroke["points"] = [[part / (down if place % 2 else across) for place, part in enumerate(point)]
                                    for point in stroke["points"]]  # fmt: skip
        else:
            along_x = example.get("direction", "horizontal") == "horizontal" if name in LONELY else name in ALONG_X
            by = across if along_x else down
            given[name] = [part / by for part in value] if isinstance(value, list) else value / by
    for name in row.get("lengths", ()):
        if given.get(name) is not None:
            given[name] = given[name] / lengths
    return given


def outcome(client, row, arguments):
    image, _ = make(client, PICTURE)
    more = SETUP[row["name"]](client, image) if row["name"] in SETUP else {}
    client.call(row["name"], image=image, **{**arguments, **more})
    selected = client.stream("filter_read_mask", image=image, width=SIZE[0], height=SIZE[1])
    return pixels(client.stream("read_pixels", image=image)), bytes(selected.data), outline(client, image)


@pytest.mark.parametrize("row, example", list(cases()))
def test_relative_and_preview_units_are_the_same_places(client, row, example):
    wanted = outcome(client, row, example)
    others = [{**converted(row, example, 2, 2, 2), "from_preview": {"scale_x": 2, "scale_y": 2}}]
    if row.get("places"):
        others.append({**converted(row, example, *SIZE, 1), "units": "relative"})
    for arguments in others:
        got = outcome(client, row, arguments)
        assert got[0].shape == wanted[0].shape, arguments
        assert np.abs(got[0].astype(int) - wanted[0]).mean() < 0.05, arguments
        assert got[1] == wanted[1], arguments
        assert got[2] == wanted[2], arguments


def test_type_in_relative_units_has_its_size_in_pixels(client):
    image = client.call("create_new_image", width=640, height=480)["image"]
    plain = client.call("add_text_layer", image=image, text="Caffè", size=80, x=128, y=192)
    relative = client.call("add_text_layer", image=image, text="Caffè", size=80, x=0.2, y=0.4, units="relative")
    assert {**relative, "layer": 0, "effect": 0, "message": 0} == {**plain, "layer": 0, "effect": 0, "message": 0}
    edited = client.call("edit_text_layer", image=image, layer=relative["layer"], size=40, x=0.5, units="relative")
    assert edited["properties"]["size"] == 40 and edited["x"] == 320
