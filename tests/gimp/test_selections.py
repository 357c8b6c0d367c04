"""Selections and channels against masks that numpy makes."""

import numpy as np
import pytest
from looking import box, channel_pixels, error, layer_pixels, mask, picture

SIZE = 320, 210


def rectangle(x, y, width, height, size=SIZE):
    found = np.zeros((size[1], size[0]), bool)
    found[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    return found


def ellipse(x, y, width, height):
    """Pixels whose centres lie inside."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    return ((columns - x - width / 2) / (width / 2)) ** 2 + ((rows - y - height / 2) / (height / 2)) ** 2 <= 1


def test_rectangles_and_their_algebra(client):
    image, _ = picture(client)
    first, second = rectangle(50, 60, 150, 100), rectangle(110, 90, 200, 110)
    for operation, wanted in (
        ("replace", second),
        ("add", first | second),
        ("subtract", first & ~second),
        ("intersect", first & second),
    ):
        made = client.call("create_rectangle_selection", image=image, x=50, y=60, width=150, height=100)
        assert made["selection"] == {"empty": False, "bounds": {"x": 50, "y": 60, "width": 150, "height": 100}}
        made = client.call("create_rectangle_selection", x=110, y=90, width=200, height=110, operation=operation)
        found = mask(client, image)
        assert np.array_equal(found, np.where(wanted, 255, 0)), operation
        assert tuple(made["selection"]["bounds"].values()) == box(found)
        measured = client.call("get_selection")
        assert measured["area"] == measured["pixels"] == wanted.sum() and measured["soft"] is False
        assert measured["share_of_image"] == pytest.approx(wanted.sum() / 67200, abs=1e-6)


def test_what_hangs_over_the_edge_is_cut_and_what_is_outside_is_refused(client):
    image, _ = picture(client)
    client.call("create_rectangle_selection", x=-10, y=150, width=150, height=90)
    assert np.array_equal(mask(client, image) > 0, rectangle(-10, 150, 150, 90))
    before = mask(client, image)
    problem = error(client, "create_rectangle_selection", x=320, y=0, width=10, height=10)
    assert problem.kind == "invalid_argument" and "320x210" in problem.message and "select_none" in problem.hint
    assert error(client, "create_ellipse_selection", x=-20, y=0, width=20, height=10).kind == "invalid_argument"
    for points in ([[1, 1], [9, 9], [5, 5]], [[1, 5], [9, 5], [5, 5]], [[3, 3], [3, 3], [3, 3]]):
        assert "one line" in error(client, "create_polygon_selection", points=points).message
    assert np.array_equal(mask(client, image), before)


def test_a_selection_that_comes_out_empty_says_what_that_means(client):
    picture(client)
    client.call("create_rectangle_selection", x=50, y=50, width=200, height=100)
    made = client.call("create_rectangle_selection", x=0, y=0, width=320, height=210, operation="subtract")
    assert made["selection"] == {"empty": True, "bounds": None} and "whole layer" in made["note"]
    assert client.call("get_selection")["area"] == 0


def test_units_and_a_pictures_scale_map(client):
    image, _ = picture(client)
    client.call("create_rectangle_selection", x=0.5, y=0.2, width=0.5, height=0.6, units="relative")
    assert box(mask(client, image)) == (160, 42, 160, 126)
    scale = {"offset_x": 100, "offset_y": 50, "scale_x": 2, "scale_y": 2}
    client.call("create_rectangle_selection", x=1, y=2, width=80, height=50, from_preview=scale)
    assert box(mask(client, image)) == (102, 54, 160, 100)
    layer = client.python(
        f"im = Gimp.Image.get_by_id({image}); l = im.get_layers()[0]; l.set_offsets(70, 30)",
        "im.set_selected_layers([l]); print(l.get_id())",
    )
    assert int(layer)
    client.call("create_rectangle_selection", x=1, y=2, width=100, height=120, units="layer")
    assert box(mask(client, image)) == (71, 32, 100, 120)


def test_ellipse_polygon_and_rounded_corners(client):
    image, _ = picture(client)
    client.call("create_ellipse_selection", x=40, y=20, width=240, height=170, antialias=False)
    found = mask(client, image)
    assert set(np.unique(found)) == {0, 255} and ((found > 0) != ellipse(40, 20, 240, 170)).sum() <= 60
    client.call("create_ellipse_selection", x=40, y=20, width=240, height=170)
    soft = mask(client, image)
    assert len(np.unique(soft)) > 8 and abs(soft.sum() / 255 - np.pi * 120 * 85) < 40
    assert client.call("get_selection")["soft"] is True
    client.call("create_polygon_selection", points=[[40, 50], [280, 50], [280, 170], [40, 170]], antialias=False)
    assert np.array_equal(mask(client, image) > 0, rectangle(40, 50, 240, 120))
    client.call("create_polygon_selection", points=[[0, 0], [200, 0], [0, 200]])
    assert abs(mask(client, image).sum() / 255 - 20000) < 15
    client.call("create_rectangle_selection", x=40, y=20, width=240, height=170, corner_radius=40)
    found = mask(client, image)
    assert box(found) == (40, 20, 240, 170) and found[20, 40] == 0 and (found[20, 81:239] == 255).all()
    assert abs(found.sum() / 255 - (40800 - (4 - np.pi) * 1600)) < 24


def test_feather_is_soft_and_centred_on_the_edge(client):
    image, _ = picture(client)
    client.call("create_rectangle_selection", x=128, y=0, width=192, height=210, feather=8)
    row = mask(client, image)[128].astype(int)
    assert (np.diff(row[116:140]) >= 0).all() and len(set(row[116:140])) > 10
    assert abs(int(row[127]) + int(row[128]) - 255) < 12
    hard = client.call("create_rectangle_selection", x=128, y=0, width=100, height=210)
    assert hard["selection"]["bounds"]["x"] == 128, "the feather of one call stays in it"


def test_grow_shrink_border_and_holes(client):
    image, _ = picture(client)

    def start():
        client.call("create_rectangle_selection", x=100, y=90, width=100, height=80)
        client.call("create_rectangle_selection", x=126, y=126, width=4, height=4, operation="subtract")

    start()
    client.call("modify_selection", action="grow", amount=3)
    found = mask(client, image)
    assert box(found) == (97, 87, 106, 86) and (found[126:130, 126:130] > 0).all()
    start()
    client.call("modify_selection", action="shrink", amount=3)
    found = mask(client, image)
    assert box(found) == (103, 93, 94, 74) and (found[124:132, 124:132] == 0).sum() >= 50
    start()
    client.call("modify_selection", action="remove_holes")
    assert np.array_equal(mask(client, image) > 0, rectangle(100, 90, 100, 80))
    client.call("modify_selection", action="border", amount=2)
    found = mask(client, image)
    assert box(found) == (98, 88, 104, 84) and (found[94:166, 104:196] == 0).all()
    start()
    client.call("modify_selection", action="feather", amount=4)
    assert client.call("get_selection")["soft"] is True
    client.call("modify_selection", action="sharpen")
    assert client.call("get_selection")["soft"] is False
    client.call("move_selection", dx=-5, dy=6)
    assert error(client, "modify_selection", action="grow").kind == "invalid_argument"
    assert error(client, "modify_selection", action="sharpen", amount=3).kind == "invalid_argument"
    client.call("select_none")
    problem = error(client, "modify_selection", action="shrink", amount=2)
    assert "no selection" in problem.message and "create_rectangle_selection" in problem.hint


def test_none_all_invert_and_move(client):
    image, _ = picture(client)
    client.call("select_all")
    assert (mask(client, image) == 255).all()
    client.call("invert_selection")
    assert (mask(client, image) == 0).all()
    client.call("create_rectangle_selection", x=50, y=60, width=100, height=120)
    client.call("invert_selection")
    assert np.array_equal(mask(client, image) > 0, ~rectangle(50, 60, 100, 120))
    client.call("invert_selection")
    client.call("move_selection", dx=-100, dy=30)
    assert np.array_equal(mask(client, image) > 0, rectangle(-50, 90, 100, 120))
    client.call("select_none")
    assert client.call("get_selection")["empty"] is True


def blocks(client):
    """White with a red block up to a tile's corner, another across it, and a near-red one apart from them."""
    image, layer = picture(client)
    client.python(
        f"im = Gimp.Image.get_by_id({image}); l = im.get_layers()[0]; b = l.get_buffer()",
        "def fill(x, y, w, h, c): b.set(Gegl.Rectangle.new(x, y, w, h), \"R'G'B'A u8\", bytes(c) * (w * h))",
        "fill(50, 50, 78, 78, (255, 0, 0, 255)); fill(220, 140, 60, 60, (250, 4, 3, 255))",
        "fill(128, 128, 40, 40, (255, 0, 0, 255))",
        "b.flush(); l.update(0, 0, 320, 210); im.set_selected_layers([l])",
    )
    return image, layer


def test_by_colour_and_by_connection(client):
    image, layer = blocks(client)
    first, far, corner = rectangle(50, 50, 78, 78), rectangle(220, 140, 60, 60), rectangle(128, 128, 40, 40)
    found = client.call("select_by_color", color="red", threshold=0)
    assert np.array_equal(mask(client, image) > 0, first | corner) and found["color"] == "rgba(255,0,0,1)"
    client.call("select_by_color", point=[60, 60], threshold=12)
    assert np.array_equal(mask(client, image) > 0, first | corner | far)
    client.call("select_contiguous", point=[60, 60], threshold=12)
    assert np.array_equal(mask(client, image) > 0, first)
    client.call("select_contiguous", point=[60, 60], threshold=12, diagonal=True)
    assert np.array_equal(mask(client, image) > 0, first | corner)
    client.call("select_contiguous", point=[250, 170], threshold=12, operation="add")
    assert np.array_equal(mask(client, image) > 0, first | corner | far)
    client.call("select_by_color", color="white", criterion="green", threshold=10)
    assert np.array_equal(mask(client, image) > 0, ~(first | corner | far))
    client.python(f"l = Gimp.Item.get_by_id({layer}); l.set_offsets(30, 20)")
    for merged in (False, True):
        client.call("select_contiguous", point=[100, 90], sample_merged=merged)
        assert box(mask(client, image)) == (80, 70, 78, 78), merged
    client.call("select_contiguous", point=[60, 60], units="layer")
    assert box(mask(client, image)) == (80, 70, 78, 78)
    assert "not on" in error(client, "select_contiguous", point=[1, 1]).message
    assert error(client, "select_by_color", threshold=3).kind == "invalid_argument"
    assert error(client, "select_by_color", color="red", point=[1, 1]).kind == "invalid_argument"


def test_from_alpha_mask_channel_path_and_bounds(client):
    image, layer = picture(client, color="transparent")
    client.python(
        f"im = Gimp.Image.get_by_id({image}); l = Gimp.Item.get_by_id({layer}); b = l.get_buffer()",
        "b.set(Gegl.Rectangle.new(80, 90, 100, 80), \"R'G'B'A u8\", bytes((9, 9, 9, 100)) * 8000)",
        "b.flush(); l.update(0, 0, 320, 210)",
        "l.set_offsets(20, 10); m = l.create_mask(Gimp.AddMaskType.BLACK); l.add_mask(m)",
        "b = m.get_buffer(); b.set(Gegl.Rectangle.new(30, 40, 150, 120), \"Y' u8\", b'\\xff' * 18000)",
        "b.flush(); m.update(0, 0, 320, 210)",
        "p = Gimp.Path.new(im, 'p'); corners = (100, 100), (300, 100), (300, 200), (100, 200)",
        "points = [v for corner in corners for v in corner * 3]",
        "p.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, points, True)",
        "im.insert_path(p, None, 0); im.set_selected_layers([l])",
    )
    client.call("select_from", source="alpha")
    assert np.array_equal(mask(client, image), np.where(rectangle(100, 100, 100, 80), 100, 0))
    client.call("select_from", source="mask")
    assert np.array_equal(mask(client, image) > 0, rectangle(50, 50, 150, 120))
    client.call("select_from", source="path")
    assert np.array_equal(mask(client, image) > 0, rectangle(100, 100, 200, 100))
    client.call("select_from", source="bounds")
    assert np.array_equal(mask(client, image) > 0, rectangle(20, 10, 300, 200))
    assert "no channel" in error(client, "select_from", source="channel").message
    assert error(client, "select_from", source="path", item=layer).kind == "invalid_argument"
    client.python(f"Gimp.Item.get_by_id({layer}).remove_mask(Gimp.MaskApplyMode.DISCARD)")
    assert "has no mask" in error(client, "select_from", source="mask").message


def test_a_channel_keeps_a_soft_selection_exactly(client):
    image, layer = picture(client)
    client.call("create_ellipse_selection", x=40, y=20, width=240, height=170, feather=20)
    before = mask(client, image)
    saved = client.call("save_selection_to_channel", name="Oval")
    assert saved["name"] == "Oval" and np.array_equal(channel_pixels(client, saved["channel"]), before)
    assert client.call("get_image_metadata")["structure"]["selected_layers"] == [layer]
    client.call("select_none")
    client.call("select_from", source="channel", item=saved["channel"])
    assert np.array_equal(mask(client, image), before)
    client.call("create_rectangle_selection", x=0, y=0, width=160, height=210)
    client.call("save_selection_to_channel", channel=saved["channel"], operation="subtract")
    assert np.array_equal(channel_pixels(client, saved["channel"]), np.where(rectangle(0, 0, 160, 210), 0, before))
    assert len(client.call("get_image_metadata")["structure"]["channels"]) == 1
    assert error(client, "save_selection_to_channel", operation="add").kind == "invalid_argument"


def test_channels(client):
    image, layer = blocks(client)
    rgb = layer_pixels(client, layer)
    for source, wanted in (("red", rgb[..., 0]), ("green", rgb[..., 1]), ("alpha", rgb[..., 3])):
        made = client.call("create_channel", source=source, name=source)
        assert made["name"] == source and np.array_equal(channel_pixels(client, made["channel"]), wanted)
    made = client.call("create_channel", source="luminosity", name="luma")
    # As GIMP's conversion to grey has it: summed in linear light, with the weights of D50
    color = rgb[..., :3] / 255
    light = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4) @ (0.2225, 0.7169, 0.0606)
    luma = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(channel_pixels(client, made["channel"]) - luma).max() < 2
    assert (channel_pixels(client, client.call("create_channel", source="empty")["channel"]) == 0).all()
    full = client.call("create_channel", source="full", name="full")["channel"]
    assert (channel_pixels(client, full) == 255).all()
    client.call("create_rectangle_selection", x=40, y=40, width=100, height=100)
    chosen = client.call("create_channel", source="selection", name="chosen")["channel"]
    assert np.array_equal(channel_pixels(client, chosen), mask(client, image))
    copy = client.call("create_channel", source="copy", channel=chosen, name="copy")["channel"]
    assert np.array_equal(channel_pixels(client, copy), mask(client, image))
    client.call("fill_selection", layer=full, fill_type="color", color="black")
    assert np.array_equal(channel_pixels(client, full) == 0, rectangle(40, 40, 100, 100))
    row = client.call(
        "set_channel_properties", channel=full, name="x", opacity=25, color="#0f0", visible=True, position=0
    )
    assert row["color"] == "rgba(0,255,0,1)" and row["opacity"] == pytest.approx(25, abs=0.3) and row["position"] == 0
    listed = client.call("get_image_metadata")["structure"]
    assert listed["channels"][0]["name"] == "x" and listed["channels"][0]["visible"] is True
    assert listed["selected_layers"] == [layer]
    client.call("set_channel_properties", channel=full, select=True)
    assert client.call("get_image_metadata")["structure"]["selected_layers"] == []
    client.call("set_channel_properties", channel=full, select=False)
    assert client.call("get_image_metadata")["structure"]["selected_layers"] == [layer]
    count = len(listed["channels"])
    assert client.call("delete_channel", channel=full)["deleted"] == full
    assert len(client.call("get_image_metadata")["structure"]["channels"]) == count - 1
    assert error(client, "delete_channel", channel=full).kind == "not_found"
    client.python(f"im = Gimp.Image.get_by_id({image}); im.set_selected_layers([Gimp.Item.get_by_id({layer})])")
    assert "must say which" in error(client, "set_channel_properties", name="y").message
    assert error(client, "set_channel_properties", channel=copy).kind == "invalid_argument"
    assert error(client, "create_channel", source="gray").kind == "invalid_argument"


@pytest.mark.parametrize("precision", ["u16", "float"])
def test_other_precisions(client, precision):
    image, layer = picture(client, precision=precision, linear=precision == "float")
    client.call("create_ellipse_selection", x=40, y=20, width=240, height=170, feather=20)
    before = mask(client, image)
    client.call("save_selection_to_channel", name="Oval")
    client.call("select_none")
    client.call("select_from", source="channel")
    assert np.array_equal(mask(client, image), before)
    client.call("undo", steps=2)
    assert np.array_equal(mask(client, image), before)
