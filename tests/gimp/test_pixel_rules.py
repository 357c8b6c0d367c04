"""What all colour operations and filters have in common: the selection, layer effects, precision, sizes."""

import json
from pathlib import Path

import numpy as np
import pytest
from client import CallError
from pixelwork import make, read, smooth

OPS = Path(__file__).resolve().parents[2] / "protocol" / "ops"
ROWS = [
    pytest.param(row, example, id=f"{row['name']}-{i}")
    for pack in ("color", "filters")
    for row in json.loads((OPS / f"{pack}.json").read_text())["operations"]
    for i, example in enumerate(row["examples"])
]
GROWS = {"apply_drop_shadow", "long_shadow"}


def with_alpha(data):
    data = data.copy()
    data[70:130, 100:170] //= 3  # an edge, for what works on edges
    alpha = np.full((*data.shape[:2], 1), 255, np.uint8)
    alpha[:, 70:] = 128
    alpha[50:, :20] = 0
    return np.concatenate([data, alpha], axis=2)


@pytest.mark.parametrize("row, example", ROWS)
def test_outside_of_the_selection_nothing_changes(client, row, example):
    image, layer = make(client, with_alpha(smooth()))
    before = read(client, image, layer)
    client.python("im.select_ellipse(Gimp.ChannelOps.REPLACE, 44, 30, 190, 140)")
    mask = client.stream("filter_read_mask", image=image, width=310, height=205).data
    selected = np.frombuffer(bytes(mask), np.uint8).reshape(205, 310)
    answer = client.call(row["name"], image=image, **example)
    after = read(client, image, layer)
    assert after.shape == before.shape, "the layer's size changed"
    assert answer["effect"]["changed"] is True
    assert np.array_equal(after[selected == 0], before[selected == 0])
    assert not np.array_equal(after[selected == 255], before[selected == 255])
    assert client.eval("tuple(Gimp.Selection.bounds(im))[-4:]") == [44, 30, 234, 170], "the selection is as it was"


@pytest.mark.parametrize("row, example", [p for p in ROWS if "as_effect" in p.values[0]["params"]["properties"]])
def test_as_a_layer_effect_pixels_stay_and_removing_it_brings_the_look_back(client, gimp_version, row, example):
    image, layer = make(client, with_alpha(smooth()))
    pixels, look = read(client, image, layer), read(client, image)
    try:
        answer = client.call(row["name"], image=image, as_effect=True, **example)
    except CallError as refused:
        assert refused.kind == "unsupported" and refused.hint, refused
        assert "effect" in refused.message or gimp_version == "3.0" and "3.0 crashes" in refused.message, refused
        assert np.array_equal(read(client, image), look)
        return
    made = answer["layer_effects"]
    assert answer["effect"]["changed"] is True and answer["message"].endswith("as a layer effect")
    # GIMP's buffer of a layer with effects is what they make of it; its own pixels come back when they are hidden
    changed = read(client, image)
    listed = client.call("list_layer_effects", image=image)["layer_effects"]
    assert {effect["layer_effect"] for effect in listed} == set(made)
    for effect in listed:
        client.call("edit_layer_effect", image=image, layer_effect=effect["layer_effect"], visible=False)
    assert np.array_equal(read(client, image), look)
    for effect in listed:
        client.call("edit_layer_effect", image=image, layer_effect=effect["layer_effect"], visible=True)
    again = read(client, image)
    # Some of GEGL's filters (mosaic, spherize, tile-glass) depend a little on the pieces that are drawn at a time
    off = np.abs(again.astype(int) - changed)
    assert off.mean() < 0.5, f"{(off > 0).mean():.1%} differ, by {off.max()} at most"
    assert client.call("remove_layer_effect", image=image, all=True)["left"] == 0
    assert np.array_equal(read(client, image, layer), pixels) and np.array_equal(read(client, image), look)
    if example.get("style") != "bevel":
        assert not np.array_equal(changed, look)


KEEPS = (
    ("adjust_brightness_contrast", {"brightness": 20}), ("adjust_levels", {"gamma": 1.3}),
    ("adjust_curves", {"points": [[0, 0], [120, 140], [255, 255]]}),
    ("adjust_curves", {"points": [[0, 10], [255, 250]], "curve_type": "linear"}),
    ("adjust_hue_saturation", {"lightness": -20}), ("adjust_exposure", {"exposure": -0.5}), ("invert_colors", {}),
    ("adjust_color_balance", {"cyan_red": 20}), ("colorize", {}), ("desaturate", {}), ("apply_sepia", {}),
    ("adjust_color_temperature", {"warmth": 20}), ("apply_blur", {"radius": 1.0}), ("apply_sharpen", {}),
    ("auto_levels", {"mode": "equalize"}), ("apply_gradient_map", {"colors": ["black", "orange"]}),
    ("apply_blur", {"blur_type": "median", "radius": 1}), ("adjust_shadows_highlights", {"shadows": 80, "radius": 5}),
)


@pytest.mark.parametrize("precision", ("U16_NON_LINEAR", "FLOAT_LINEAR"))
@pytest.mark.parametrize("operation, arguments", KEEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_more_than_8_bits_stay(client, precision, operation, arguments):
    """8192 shades of a ramp: through 8 bits there would be 256 at most."""
    ramp = (np.arange(8192, dtype=np.uint16) * 7 + 1000).reshape(64, 128, 1) * np.array([1, 0.9, 0.8])
    ramp = ramp.astype(np.uint16)
    image, _ = make(client, ramp, precision)
    answer = client.call(operation, image=image, **arguments)
    assert answer["effect"]["changed"] is True
    after = read(client, image, depth=16)
    shades = max(len(np.unique(after[..., channel])) for channel in range(3))
    # GIMP's equalize counts in 1024 steps
    assert shades > (600 if arguments.get("mode") == "equalize" else 2500), f"{shades} shades are left"


@pytest.mark.parametrize("precision", ("U8_LINEAR", "U16_LINEAR", "HALF_NON_LINEAR", "DOUBLE_LINEAR", "U32_NON_LINEAR"))
def test_every_precision_gives_the_same_picture(client, precision):
    data = smooth()
    wanted = {}
    for kind in ("U8_NON_LINEAR", precision):
        image, _ = make(client, data, kind)
        for operation, arguments in (
            ("adjust_levels", {"low_input": 20, "gamma": 0.8}),
            ("adjust_curves", {"points": [[0, 0], [100, 140], [255, 255]]}),
            ("apply_blur", {"radius": 2}),
            ("posterize", {"levels": 5}),
        ):
            client.call(operation, image=image, **arguments)
            got = read(client, image)
            key = operation
            if kind == "U8_NON_LINEAR":
                wanted[key] = got
            else:
                off = np.abs(got.astype(int) - wanted[key])
                # a value that lies at a step of posterize may fall to either side
                coarse = 10 if precision == "U8_LINEAR" else 3  # 8 linear bits have few dark shades
                assert (off > coarse).mean() < (0.03 if operation == "posterize" else 0.004), f"{operation}: {off.max()}"
            client.call("undo", image=image)


def test_layers_off_the_canvas_keep_their_size(client):
    image, layer = make(client, with_alpha(smooth()), x=-30, y=20, canvas=(300, 200))
    for arguments in ({"blur_type": "box", "radius": 4}, {"blur_type": "motion", "radius": 8}, {"radius": 3}):
        client.call("apply_blur", image=image, **arguments)
        assert client.eval("[l.get_width(), l.get_height(), *l.get_offsets()[-2:]]") == [310, 205, -30, 20]
    assert client.eval("Gimp.Selection.is_empty(im)") is True
    client.call("apply_blur", image=image, blur_type="box", radius=4, clip=False)
    assert client.eval("l.get_width()") == 318


def test_a_text_layer_says_that_it_becomes_pixels_and_stays_text_under_an_effect(client):
    image, _ = make(client, smooth())
    client.python(
        "t = Gimp.TextLayer.new(im, 'Hello', Gimp.fonts_get_list('')[0], 30, Gimp.Unit.pixel())",
        "im.insert_layer(t, None, 0)")
    text = client.eval("t.get_id()")
    answer = client.call("invert_colors", image=image, layer=text, as_effect=True)
    assert "note" not in answer and client.eval("t.is_text_layer()") is True
    client.call("remove_layer_effect", image=image, layer=text)
    assert "became pixels" in client.call("apply_blur", image=image, layer=text, radius=2)["note"]


def test_groups(client):
    image, _ = make(client, smooth())
    client.python("g = Gimp.GroupLayer.new(im, 'group'); im.insert_layer(g, None, 0); im.reorder_item(l, g, 0)")
    group = client.eval("g.get_id()")
    with pytest.raises(CallError) as raised:
        client.call("invert_colors", image=image, layer=group)
    assert "group" in raised.value.message
    look = read(client, image)
    client.call("invert_colors", image=image, layer=group, as_effect=True)
    assert np.array_equal(read(client, image)[..., :3], 255 - look[..., :3])
    client.call("undo", image=image)
    assert np.array_equal(read(client, image), look)
