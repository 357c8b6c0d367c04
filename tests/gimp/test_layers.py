"""Layers and masks: structure, and pixels against formulas."""

import numpy as np
import pytest
from looking import channel_pixels
from pictures import added, error, layers, noise, opened, read, structure
from pixelwork import make, to_linear, to_srgb


def flat(width, height, color):
    return np.full((height, width, len(color)), color, np.uint8)


def row(client, image, layer, detail="normal"):
    def walk(rows):
        for each in rows:
            yield each
            yield from walk(each.get("children", ()))

    return next(each for each in walk(layers(client, image, detail)) if each["id"] == layer)


def test_create_layer(client):
    image, ground = opened(client, noise(310, 205, 3))
    answer = client.call(
        "create_layer", image=image, name="tint", width=200, height=140, type_id=1, opacity=40, mode="multiply", position=1,
        fill="#ff8000", x=150, y=-30,
    )  # fmt: skip
    found = layers(client, image)
    assert [each["id"] for each in found] == [ground, answer["layer"]]
    made = found[1]
    assert (made["name"], made["width"], made["height"], made["offset_x"], made["offset_y"]) == ("tint", 200, 140, 150, -30)
    assert (made["opacity"], made["blend_mode"], made["layer_type"]) == (
        pytest.approx(40, abs=0.01),
        "MULTIPLY",
        "RGBA_IMAGE",
    )
    assert np.array_equal(read(client, image, answer["layer"]), flat(200, 140, (255, 128, 0, 255)))
    assert structure(client, image)["structure"]["selected_layers"] == [answer["layer"]]
    plain = client.call("create_layer", image=image, type_id="RGB")
    assert plain["has_alpha"] is False and (plain["width"], plain["height"]) == (310, 205)
    assert np.array_equal(read(client, image, plain["layer"]), flat(310, 205, (255, 255, 255)))
    assert plain["position"] == 1, "above the selected layer"


def test_a_position_of_minus_one_is_above_the_selected_layer(client):
    image, ground = opened(client, noise(310, 205, 3))
    top = client.call("create_layer", image=image, name="top")["layer"]
    client.call("select_layers", image=image, layers=[ground])
    made = client.call("create_layer", image=image, name="between", position=-1)
    assert [each["id"] for each in layers(client, image)] == [top, made["layer"], ground]


def test_bad_layers(client):
    image, _ = opened(client, noise(310, 205, 3))
    assert "0 (RGB) or 1 (RGBA)" in error(client, "create_layer", image=image, type_id=2).hint
    assert "0 (top) to 1" in error(client, "create_layer", image=image, position=7).hint
    assert "not opaque" in error(client, "create_layer", image=image, type_id=0, fill="#fff8").message
    assert "layer groups only" in error(client, "create_layer", image=image, mode="pass_through").message
    assert error(client, "create_layer", image=image, parent=99999).kind == "not_found"
    assert error(client, "create_layer", image=image, width=500_000, height=500_000).kind == "too_large"


A, B = noise(310, 205, 3, 5), noise(310, 205, 3, 6)
FORMULAS = {
    "normal": lambda a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: 1 - (1 - a) * (1 - b),
    "difference": lambda a, b: abs(a - b),
    "addition": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "darken_only": np.minimum,
    "lighten_only": np.maximum,
    "overlay": lambda a, b: np.where(a < 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b)),
    "hardlight": lambda a, b: np.where(b > 0.5, 1 - (1 - a) * (1 - 2 * (b - 0.5)), a * 2 * b),
    "exclusion": lambda a, b: 0.5 - 2 * (a - 0.5) * (b - 0.5),
    "grain_extract": lambda a, b: a - b + 0.5,
    "grain_merge": lambda a, b: a + b - 0.5,
    "linear_burn": lambda a, b: a + b - 1,
}


@pytest.mark.parametrize("mode", sorted(FORMULAS))
def test_blend_modes_are_their_formulas(client, mode):
    """In perceptual space, where the numbers are the formulas' own; then half of it, mixed there too, before clipping."""
    image, _ = opened(client, A)
    top = added(client, image, B)
    client.call(
        "set_layer_properties",
        image=image,
        layer=top,
        mode=mode,
        blend_space="perceptual",
        composite_space="perceptual",
    )
    a, b = A / 255, B / 255
    wanted = FORMULAS[mode](a, b)
    assert np.abs(read(client, image)[..., :3] - np.clip(wanted, 0, 1) * 255).max() <= 1
    client.call("set_layer_properties", image=image, layer=top, opacity=50)
    assert np.abs(read(client, image)[..., :3] - np.clip((wanted + a) / 2, 0, 1) * 255).max() <= 1.5


@pytest.mark.parametrize("how", ("moved", "grouped", "masked", "GRAY", "16 bits"))
def test_a_blend_is_where_the_layer_is(client, how):
    channels = 1 if how == "GRAY" else 3
    ground, array = noise(310, 205, channels, 5), noise(420, 260, channels, 6)
    image, _ = opened(client, ground)
    if how == "16 bits":
        client.call("convert_image_precision", image=image, precision="u16")
    top = added(client, image, array)
    client.call("move_layer", image=image, layer=top, x=-150, y=-90)
    properties = {"mode": "multiply", "blend_space": "perceptual", "composite_space": "perceptual"}
    client.call("set_layer_properties", image=image, layer=top, **properties)
    shown = np.zeros((205, 310, 1), bool)
    shown[:170, :270] = True
    if how == "grouped":
        client.call("create_layer_group", image=image, layers=[top], mode="pass_through")
    elif how == "masked":
        client.call("create_rectangle_selection", image=image, x=100, y=30, width=200, height=150)
        client.call("add_layer_mask", image=image, layer=top, fill="selection")
        shown[:30] = shown[:, :100] = False
    a, b = ground / 255, laid(ground, array, -150, -90) / 255
    assert np.abs(read(client, image)[..., :channels] - np.where(shown, a * b, a) * 255).max() <= 1


def test_every_blend_mode_is_taken(client):
    import json
    from pathlib import Path

    shared = json.loads((Path(__file__).resolve().parents[2] / "protocol" / "ops" / "shared.json").read_text())
    image, layer = opened(client, noise(310, 205))
    client.call("create_layer", image=image, name="top")
    group = client.call("create_layer_group", image=image)["layer"]
    for mode in shared["any_blend_mode"]["enum"]:
        target = group if mode == "pass_through" else layer
        answer = client.call("set_layer_properties", image=image, layer=target, mode=mode)
        assert answer["mode"] == mode == row(client, image, target)["blend_mode"].lower()
    theirs = client.eval("sorted(n.lower() for n in dir(Gimp.LayerMode) if n.isupper() and not n.startswith('_'))")
    # GIMP gives these to brushes only, and takes overlay_legacy for softlight_legacy
    not_for_layers = {"behind", "behind_legacy", "color_erase_legacy", "overlay_legacy", "replace", "overwrite"}
    assert set(theirs) - not_for_layers == set(shared["any_blend_mode"]["enum"])


def test_properties(client):
    image, ground = opened(client, noise(310, 205))
    answer = client.call(
        "set_layer_properties", image=image, name="photo", opacity=25, visible=False, color_tag="red",
        composite_mode="clip-to-backdrop", mode="overlay",
    )  # fmt: skip
    assert answer["message"].startswith("Set name, visible, opacity") and "note" not in answer
    full = row(client, image, ground, "full")
    assert (full["name"], full["visible"], full["color_tag"], full["composite_mode"]) == (
        "photo",
        False,
        "RED",
        "CLIP_TO_BACKDROP",
    )
    assert full["opacity"] == pytest.approx(25, abs=0.01)
    top = client.call("create_layer", image=image, name="top")["layer"]
    taken = client.call("set_layer_properties", image=image, layer=top, name="photo")
    assert "taken" in taken["note"] and taken["name"] != "photo"
    assert "nothing to set" in error(client, "set_layer_properties", image=image, layer=top).message
    assert (
        "layer groups only"
        in error(client, "set_layer_properties", image=image, layer=top, mode="pass_through").message
    )
    assert error(client, "set_layer_properties", image=image, layer=98765, opacity=3).kind == "not_found"


def test_locks(client):
    image, ground = opened(client, noise(310, 205))
    answer = client.call("set_layer_locks", image=image, pixels=True, position=True, visibility=True, alpha=True)
    full = row(client, image, ground, "full")
    assert all(full[f"lock_{name}"] for name in ("content", "position", "visibility", "alpha"))
    assert all(answer[name] is True for name in ("pixels", "position", "visibility", "alpha"))
    assert "set_layer_locks" in error(client, "move_layer", image=image, x=3).hint
    assert "set_layer_locks" in error(client, "set_layer_properties", image=image, visible=False).hint
    assert "set_layer_locks" in error(client, "delete_layer", image=image).hint
    client.call("set_layer_locks", image=image, position=False)
    assert client.call("move_layer", image=image, x=3)["x"] == 3
    assert "no lock" in error(client, "set_layer_locks", image=image).message


def test_groups_and_order(client):
    image, first = opened(client, noise(310, 205))
    second = client.call("create_layer", image=image, name="second", fill="red")["layer"]
    third = client.call("create_layer", image=image, name="third")["layer"]
    before = read(client, image)
    answer = client.call("create_layer_group", image=image, name="pair", layers=[second, first])
    group = answer["layer"]
    assert answer["children"] == [second, first], "they keep their order"
    assert [each["id"] for each in layers(client, image)] == [third, group]
    assert np.array_equal(read(client, image), before)
    inner = client.call("create_layer_group", image=image, parent=group, position=2, name="inner", mode="normal")
    assert (inner["parent"], inner["position"]) == (group, 2)
    client.call("reorder_layer", image=image, layer=second, parent=inner["layer"], position=0)
    assert row(client, image, inner["layer"])["children"][0]["id"] == second
    assert (
        "itself" in error(client, "reorder_layer", image=image, layer=group, parent=inner["layer"], position=0).message
    )
    out = client.call("reorder_layer", image=image, layer=second, parent=0, position=0)
    assert (out["parent"], out["position"]) == (None, 0)
    client.call("set_layer_locks", image=image, layer=second, position=True)
    assert client.call("reorder_layer", image=image, layer=second, to="down")["position"] == 1
    assert [each["id"] for each in layers(client, image)] == [third, second, group]
    assert client.call("reorder_layer", image=image, layer=second, to="bottom")["position"] == 2
    assert row(client, image, second, "full")["lock_position"] is True
    again = client.call("reorder_layer", image=image, layer=second, to="down")
    assert again["effect"]["changed"] is False and "nothing in the image changed" in again["message"]
    assert "neither" in error(client, "reorder_layer", image=image, layer=second).message
    assert (
        "create_layer_group" in error(client, "reorder_layer", image=image, layer=second, parent=third, position=0).hint
    )


def test_duplicates(client):
    array = noise(310, 205)
    image, layer = opened(client, array)
    client.call("add_layer_mask", image=image, fill="copy")
    answer = client.call("duplicate_layer", image=image, layer_id=layer)
    assert [each["id"] for each in layers(client, image)] == [answer["layer"], layer]
    assert answer["name"].endswith(" copy") and row(client, image, answer["layer"])["mask"]
    assert np.array_equal(read(client, image, answer["layer"]), array)
    other = client.call("create_new_image", width=320, height=210)["image"]
    copied = client.call("duplicate_layer", image=image, layer_id=layer, to_image=other, name="guest")
    assert copied["image"] == other and copied["effect"]["image"] == other
    assert layers(client, other)[0]["name"] == "guest"
    assert np.array_equal(read(client, other, copied["layer"]), array)
    client.call("undo", image=other)
    assert len(layers(client, other)) == 1
    assert error(client, "duplicate_layer", image=image, layer_id=layer, to_image=12345).kind == "image_gone"


def test_deleting(client):
    image, ground = opened(client, noise(310, 205))
    inside = client.call("create_layer", image=image, name="inside")["layer"]
    group = client.call("create_layer_group", image=image, layers=[inside])["layer"]
    answer = client.call("delete_layer", image=image, layers=[group, inside])
    assert answer["deleted"] == [group, inside] and [each["id"] for each in layers(client, image)] == [ground]
    client.call("undo", image=image)
    assert [each["kind"] for each in layers(client, image)] == ["group", "layer"]
    client.call("delete_layer", image=image, layer=inside)  # by the id from before the undo
    assert layers(client, image)[0]["children"] == []
    assert "one of them" in error(client, "delete_layer", image=image, layer=ground, layers=[ground]).hint


def test_offsets(client):
    """Of a layer that is larger than the canvas, whose pixels go with it."""
    ground, array = noise(320, 210, 3), noise(420, 240, 3, 9)
    image, _ = opened(client, ground)
    top = added(client, image, array, "top")
    old_y = row(client, image, top)["offset_y"]
    for arguments, wanted in (
        ({"x": 7}, (7, old_y)), ({"y": -40}, (7, -40)), ({"x": 20, "y": 15, "relative": True}, (27, -25)),
        ({"x": 0.5, "y": 0.5, "units": "relative"}, (160, 105)), ({"align": "center"}, (-50, -15)),
        ({"align": "bottom-right"}, (-100, -30)), ({"align": "top"}, (-50, 0)),
    ):  # fmt: skip
        answer = client.call("move_layer", image=image, layer=top, **arguments)
        assert (answer["x"], answer["y"]) == wanted, arguments
        found = row(client, image, top)
        assert (found["offset_x"], found["offset_y"]) == wanted
        assert np.array_equal(read(client, image)[..., :3], laid(ground, array, *wanted)), arguments
    assert "neither" in error(client, "move_layer", image=image, layer=top).message


def laid(ground, array, x, y):
    """A picture with another laid on it: what of that one is on the canvas."""
    wanted, (high, wide) = ground.copy(), array.shape[:2]
    shown = wanted[max(y, 0) : max(y + high, 0), max(x, 0) : max(x + wide, 0)]
    shown[:] = array[max(-y, 0) :, max(-x, 0) :][: shown.shape[0], : shown.shape[1]]
    return wanted


@pytest.mark.parametrize("x, y", ((35, 24), (-70, -60), (200, 130)))
def test_a_layers_own_canvas(client, x, y):
    image, _ = opened(client, noise(420, 290, 3))
    array = noise(310, 205)
    layer = added(client, image, array, "moved")
    client.call("move_layer", image=image, layer=layer, x=x, y=y)
    answer = client.call(
        "resize_layer", image=image, layer=layer, to="size", width=330, height=240, anchor="bottom-right", fill="#010203"
    )
    wanted = flat(330, 240, (1, 2, 3, 255))
    wanted[35:, 20:] = array
    assert (answer["x"], answer["y"]) == (x - 20, y - 35) and np.array_equal(read(client, image, layer), wanted)
    client.call("undo", image=image)
    layer = row(client, image, layers(client, image)[0]["id"])["id"]
    client.call("resize_layer", image=image, layer=layer)
    assert np.array_equal(read(client, image, layer), laid(np.zeros((290, 420, 4), np.uint8), array, x, y))
    answer = client.call("resize_layer", image=image, layer=layer, to="content")
    inside = array[max(-y, 0) : 290 - y, max(-x, 0) : 420 - x]
    assert (answer["x"], answer["y"]) == (max(x, 0), max(y, 0))
    assert (answer["height"], answer["width"]) == inside.shape[:2]
    assert np.array_equal(read(client, image, layer), inside)
    assert "without one" in error(client, "resize_layer", image=image, layer=layer, to="size").message


def test_alpha(client):
    array = noise(310, 205)
    image, layer = opened(client, array)
    answer = client.call("set_layer_alpha", image=image, alpha=False, background="rgb(40,80,160)")
    assert answer["has_alpha"] is False and row(client, image, layer)["layer_type"] == "RGB_IMAGE"
    assert np.abs(read(client, image, layer) - over(array, (40, 80, 160))).max() <= 1
    same = client.call("set_layer_alpha", image=image, alpha=False)
    assert same["effect"]["changed"] is False
    assert client.call("set_layer_alpha", image=image, alpha=True)["has_alpha"] is True
    group = client.call("create_layer_group", image=image)["layer"]
    assert "group" in error(client, "set_layer_alpha", image=image, layer=group, alpha=False).message


def over(array, color):
    """What GIMP's flattening gives: a blend in linear light."""
    share = array[..., 3:] / 255
    return to_srgb(to_linear(array[..., :3]) * share + to_linear(np.array(color)) * (1 - share))


def test_merging(client):
    ground = noise(310, 205, 3)
    image, bottom = opened(client, ground)
    moved = noise(300, 200, 3, 9)
    top = added(client, image, moved, "moved")
    client.call("move_layer", image=image, layer=top, x=150, y=-30)
    wanted = laid(ground, moved, 150, -30)
    picture = read(client, image)
    assert np.array_equal(picture[..., :3], wanted)
    for merge_type, size in (("expand_as_necessary", (450, 235)), ("clip_to_image", (310, 205)), (2, (310, 205))):
        answer = client.call("merge_layers", image=image, merge_type=merge_type)
        assert (answer["width"], answer["height"]) == size and len(layers(client, image)) == 1
        assert np.array_equal(read(client, image)[..., :3], wanted)
        client.call("undo", image=image)
    top = layers(client, image)[0]["id"]
    answer = client.call("merge_layers", image=image, layers="down", layer=top, merge_type="clip_to_bottom_layer")
    assert len(layers(client, image)) == 1 and np.array_equal(read(client, image)[..., :3], wanted)
    client.call("undo", image=image)
    lowest = layers(client, image)[-1]["id"]
    assert (
        "no visible layer is below" in error(client, "merge_layers", image=image, layers="down", layer=lowest).message
    )
    assert "no group" in error(client, "merge_layers", image=image, layers="group", layer=lowest).message
    assert bottom


def test_flattening_and_merging_a_group(client):
    array = noise(310, 205)
    image, layer = opened(client, array)
    hidden = client.call("create_layer", image=image, name="hidden", fill="red")["layer"]
    client.call("set_layer_properties", image=image, layer=hidden, visible=False)
    answer = client.call("merge_layers", image=image, merge_type="flatten_image", background="black")
    got = read(client, image)
    assert answer["has_alpha"] is False and got.shape[2] == 3 and len(layers(client, image)) == 1
    assert np.abs(got - over(array, (0, 0, 0))).max() <= 1
    client.call("undo", image=image)
    ids = [each["id"] for each in layers(client, image)]
    before = read(client, image)
    group = client.call("create_layer_group", image=image, layers=ids)["layer"]
    answer = client.call("merge_layers", image=image, layers="group", layer=group)
    assert [each["kind"] for each in layers(client, image)] == ["layer"]
    assert np.array_equal(read(client, image), before)
    assert "leave" in error(client, "merge_layers", image=image, merge_type=3, layers="down").hint
    assert layer


def test_a_layer_from_what_is_visible(client):
    array = noise(310, 205, 3)
    image, layer = opened(client, array)
    client.call("create_layer", image=image, fill="red", opacity=50, width=420, height=260, x=-150, y=-90)
    picture = read(client, image)
    answer = client.call("create_layer_from_visible", image=image, name="stamp", position=0)
    assert layers(client, image)[0]["id"] == answer["layer"]
    assert np.array_equal(read(client, image, answer["layer"])[..., :3], picture[..., :3])
    for each in layers(client, image):
        client.call("set_layer_properties", image=image, layer=each["id"], visible=False)
    assert "no layer is visible" in error(client, "create_layer_from_visible", image=image).message
    assert layer


def test_selecting(client):
    image, first = opened(client, noise(310, 205))
    second = client.call("create_layer", image=image)["layer"]
    answer = client.call("select_layers", image=image, layers=[first, second])
    assert sorted(answer["selected"]) == sorted([first, second])
    assert sorted(structure(client, image)["structure"]["selected_layers"]) == sorted([first, second])
    assert answer["effect"]["properties_changed"] == ["selected_layers"]
    assert error(client, "select_layers", image=image, layers=[first, 98765]).kind == "not_found"


def test_text_to_pixels(client):
    image, ground = opened(client, noise(310, 205, 3))
    client.python(
        f"im = Gimp.Image.get_by_id({image})",
        "t = Gimp.TextLayer.new(im, 'Hi', Gimp.context_get_font(), 150.0, Gimp.Unit.pixel())",
        "im.insert_layer(t, None, 0); t.set_offsets(-40, -20); im.select_rectangle(Gimp.ChannelOps.REPLACE, 50, 10, 200, 150)",
        image=image,
    )
    text = layers(client, image)[0]["id"]
    before = read(client, image, text)
    answer = client.call("rasterize_layer", image=image, layer=text)
    assert answer["effect"]["changed"] is True and np.array_equal(read(client, image, text), before)
    assert client.call("get_image_metadata", image=image)["selection"]["bounds"] == {
        "x": 50,
        "y": 10,
        "width": 200,
        "height": 150,
    }
    assert "already" in error(client, "rasterize_layer", image=image, layer=text).message
    client.call("undo", image=image)
    restored = layers(client, image)[0]
    assert restored["kind"] == "text" and restored["text"]["text"] == "Hi"
    client.call("rasterize_layer", image=image, layer=restored["id"])
    assert "pixels already" in error(client, "rasterize_layer", image=image, layer=ground).message



@pytest.mark.parametrize("precision", ("u8", "float"))
def test_masks_hold_what_was_asked(client, precision):
    array = noise(310, 205)
    image, layer = opened(client, array)
    client.call("convert_image_precision", image=image, precision=precision)
    alpha = array[..., 3]
    client.python(
        f"im = Gimp.Image.get_by_id({image}); im.select_rectangle(Gimp.ChannelOps.REPLACE, 100, 30, 160, 140)",
        "Gimp.Selection.save(im); im.set_selected_layers(im.get_layers())", image=image,
    )  # fmt: skip
    channel = structure(client, image)["structure"]["channels"][0]["id"]
    selected = np.zeros((205, 310), np.uint8)
    selected[30:170, 100:260] = 255
    for fill, wanted in (("white", np.full((205, 310), 255)), ("black", np.zeros((205, 310))), ("selection", selected),
                         ("channel", selected), ("alpha", alpha), ("copy", None)):  # fmt: skip
        more = {"channel": channel} if fill == "channel" else {}
        answer = client.call("add_layer_mask", image=image, layer=layer, fill=fill, **more)
        got = channel_pixels(client, answer["mask"])
        if wanted is not None:
            assert np.array_equal(got, wanted), fill
        inverted = client.call("set_layer_mask", image=image, layer=layer, invert=True)
        assert inverted["mask"] == answer["mask"]
        difference = channel_pixels(client, answer["mask"]).astype(int) - (255 - got.astype(int))
        assert np.abs(difference).max() <= (0 if precision == "u8" else 1)
        found = structure(client, image)
        assert found["structure"]["num_channels"] == 1 and found["selection"]["bounds"]["width"] == 160
        client.call("remove_layer_mask", image=image, layer=layer)
        assert row(client, image, layer)["mask"] is None
        assert structure(client, image)["structure"]["selected_layers"] == [layer]


@pytest.mark.parametrize("x, y", ((0, 0), (-70, -60), (30, 20)))
def test_applying_a_mask_multiplies_the_alpha(client, x, y):
    """The selection is the image's; the mask lies on the layer."""
    array = noise(310, 205, 3)
    image, layer = make(client, array, x=x, y=y, canvas=(320, 210))
    client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 50, 40, 160, 90)", image=image)
    answer = client.call("add_layer_mask", image=image, fill="selection", invert=True)
    assert answer["enabled"] and not answer["show"]
    client.call("remove_layer_mask", image=image, layer=layer, apply=True)
    got = read(client, image, layer)
    hidden = np.zeros((205, 310), bool)
    hidden[40 - y : 130 - y, 50 - x : 210 - x] = True
    assert ((got[..., 3] == 0) == hidden).all() and np.array_equal(got[~hidden][:, :3], array[~hidden])


def test_mask_states_and_selection(client):
    image, layer = opened(client, noise(310, 205))
    client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 100, 30, 160, 140)", image=image)
    client.call("add_layer_mask", image=image, fill="selection")
    client.python(f"Gimp.Selection.none(Gimp.Image.get_by_id({image}))", image=image)
    answer = client.call("set_layer_mask", image=image, enabled=False, show=True, edit=False)
    mask = row(client, image, layer)["mask"]
    assert (
        (mask["apply"], mask["show"], mask["edit"])
        == (False, True, False)
        == (answer["enabled"], answer["show"], answer["edit"])
    )
    answer = client.call("select_from", image=image, source="mask")
    assert answer["selection"]["bounds"] == {"x": 100, "y": 30, "width": 160, "height": 140}
    client.call("select_from", image=image, source="mask", operation="subtract")
    assert structure(client, image)["selection"]["empty"] is True


def test_bad_masks(client):
    image, layer = opened(client, noise(310, 205, 3))
    assert "nothing is selected" in error(client, "add_layer_mask", image=image, fill="selection").message
    assert "set_layer_alpha" in error(client, "add_layer_mask", image=image, fill="alpha").hint
    assert "goes with" in error(client, "add_layer_mask", image=image, fill="channel").hint
    assert "no channel" in error(client, "add_layer_mask", image=image, fill="channel", channel=layer).message
    for name, arguments in (("remove_layer_mask", {}), ("set_layer_mask", {"invert": True}), ("select_from", {"source": "mask"})):
        assert "add_layer_mask" in error(client, name, image=image, **arguments).hint
    client.call("add_layer_mask", image=image)
    assert "remove_layer_mask" in error(client, "add_layer_mask", image=image).hint
    assert "nothing to set" in error(client, "set_layer_mask", image=image).message


def test_a_layers_id_says_which_image_is_meant(client):
    first, layer = opened(client, noise(310, 205))
    second, _ = opened(client, noise(300, 200))
    assert client.call("list_images")["selected"] == second
    answer = client.call("set_layer_properties", layer=layer, opacity=10)
    assert answer["image"] == answer["effect"]["image"] == first and answer["effect"]["checkpoint"]
    client.call("undo", image=first)
    assert layers(client, first)[0]["opacity"] == 100
    client.call("select_image", image=second)
    assert client.call("duplicate_layer", layer_id=layer)["effect"]["image"] == first
    problem = error(client, "set_layer_properties", layer=layer, image=second, opacity=10)
    assert problem.kind == "not_found" and str(first) in problem.message
