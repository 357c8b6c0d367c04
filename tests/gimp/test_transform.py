"""Transforms on pixels: exact where they only move pixels, by place and direction elsewhere."""

import numpy as np
import pytest
from pixelwork import assert_near, error, make, noise, read, smooth

DATA = noise(310, 205, 4, seed=8)
DATA[..., 3] = 255


def layer_pixels(client, image, layer):
    return read(client, image, layer)


def test_flips_and_quarter_turns_are_exact(client):
    for operation, arguments, wanted in (
        ("flip_layer", {}, DATA[:, ::-1]),
        ("flip_layer", {"direction": "vertical"}, DATA[::-1]),
        ("rotate_layer", {"angle": 90}, np.rot90(DATA, -1)),
        ("rotate_layer", {"angle": 180}, np.rot90(DATA, 2)),
        ("rotate_layer", {"angle": 270}, np.rot90(DATA, 1)),
        ("rotate_layer", {"angle": -90}, np.rot90(DATA, 1)),
    ):
        image, layer = make(client, DATA)
        answer = client.call(operation, image=image, **arguments)
        assert np.array_equal(layer_pixels(client, image, layer), wanted), (operation, arguments)
        assert answer["layer"] == layer and (answer["width"], answer["height"]) == wanted.shape[1::-1]
        client.call("undo", image=image)
        assert np.array_equal(read(client, image), DATA)


def test_flip_about_an_axis(client):
    image, _ = make(client, DATA, x=-30, y=0, canvas=(800, 220))
    answer = client.call("flip_layer", image=image, axis=400)
    assert (answer["x"], answer["width"]) == (520, 310)


def test_interpolation_is_really_used(client):
    small = noise(300, 200, 3, seed=2)
    results = {}
    for interpolation in ("none", "linear", "cubic", "nohalo", "lohalo"):
        image, layer = make(client, small)
        answer = client.call("scale_layer", image=image, factor=2, interpolation=interpolation)
        assert (answer["width"], answer["height"]) == (600, 400)
        results[interpolation] = layer_pixels(client, image, layer)
    assert np.array_equal(results["none"], small.repeat(2, axis=0).repeat(2, axis=1))
    for one, other in (("none", "cubic"), ("linear", "cubic"), ("cubic", "nohalo"), ("nohalo", "lohalo")):
        assert not np.array_equal(results[one], results[other]), (one, other)
    turned = {}
    for interpolation in ("none", "cubic"):
        image, layer = make(client, small)
        client.call("rotate_layer", image=image, angle=20, interpolation=interpolation, resize="clip")
        turned[interpolation] = layer_pixels(client, image, layer)
    assert not np.array_equal(turned["none"], turned["cubic"])


def test_a_turn_is_clockwise_and_about_its_centre(client):
    data = np.zeros((261, 341, 4), np.uint8)
    data[128:133, 250:255] = 255  # a spot on the right of the middle
    image, _ = make(client, data)
    client.call("rotate_layer", image=image, angle=45, resize="clip")
    y, x = np.argwhere(read(client, image)[..., 3] > 128).mean(axis=0)
    assert abs(x - (170.5 + 82 * np.cos(np.pi / 4))) < 1.5 and abs(y - (130.5 + 82 * np.sin(np.pi / 4))) < 1.5
    image, _ = make(client, data)
    answer = client.call("rotate_layer", image=image, angle=30)
    assert answer["width"] > 400 and answer["height"] > 380, "the layer grew"
    image, _ = make(client, data)
    client.call("rotate_layer", image=image, angle=180, center=[252.5, 130.5])
    y, x = np.argwhere(read(client, image)[..., 3] > 128).mean(axis=0)
    assert abs(x - 252) < 1.5 and abs(y - 130) < 1.5


def test_scale(client):
    data = smooth(320, 210)
    image, layer = make(client, data)
    answer = client.call("scale_layer", image=image, width=160)
    assert (answer["width"], answer["height"]) == (160, 105) and client.eval("im.get_width()") == 320
    client.call("undo", image=image)
    answer = client.call("scale_layer", image=image, height=105, keep_ratio=False)
    assert (answer["width"], answer["height"]) == (320, 105)
    client.call("undo", image=image)
    answer = client.call("scale_layer", image=image, factor=0.5, center=[320, 210])
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (160, 105, 160, 105)
    got = layer_pixels(client, image, client.call("get_image_metadata", image=image)["structure"]["layers"][0]["id"])
    assert_near(got[8:-8, 8:-8].mean(axis=(0, 1)), data[16:-16, 16:-16].mean(axis=(0, 1)), 5)
    assert "`factor`" in error(client, "scale_layer", image=image).hint
    assert "one of them" in error(client, "scale_layer", image=image, factor=2, width=5).hint
    problem = error(client, "scale_layer", image=image, factor=1000)
    assert problem.kind == "too_large" and "160000 x 105000" in problem.message and "500,000,000" in problem.hint
    far = [[0, 0], [200000, 0], [200000, 50000], [0, 50000]]
    assert error(client, "change_perspective", image=image, corners=far).kind == "too_large"
    assert error(client, "shear_layer", image=image, amount=-65536 * 100, timeout=20).kind == "too_large"


def test_move(client):
    image, layer = make(client, DATA, canvas=(400, 300))
    answer = client.call("move_layer", image=image, x=52, y=49)
    assert (answer["x"], answer["y"]) == (52, 49)
    assert np.array_equal(read(client, image)[49:254, 52:362], DATA)
    assert "note" not in answer
    answer = client.call("move_layer", image=image, x=-2, y=5, relative=True)
    assert (answer["x"], answer["y"]) == (50, 54)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 200, 100, 100, 80)")
    answer = client.call("move_layer", image=image, x=30, y=0, relative=True, what="selection")
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (230, 100, 100, 80)
    answer = client.call("move_layer", image=image, x=0.5, y=0.5, units="relative")
    assert (answer["x"], answer["y"]) == (200, 150)
    assert client.eval("tuple(Gimp.Selection.bounds(im))[-4:]") == [230, 100, 330, 180], "the selection stayed"


def test_the_whole_layer_is_transformed_whatever_is_selected(client):
    image, layer = make(client, DATA)
    client.python("im.select_ellipse(Gimp.ChannelOps.REPLACE, 50, 40, 200, 140); Gimp.Selection.feather(im, 9)")
    mask = "hash(bytes(im.get_selection().get_buffer().get(Gegl.Rectangle.new(0, 0, 310, 205), 1.0, None, Gegl.AbyssPolicy.NONE)))"
    before = client.eval(mask)
    client.call("flip_layer", image=image)
    assert np.array_equal(layer_pixels(client, image, layer), DATA[:, ::-1])
    assert client.eval(mask) == before, "the selection is as it was"
    assert client.eval("[len(im.get_channels()), len(im.get_layers())]") == [0, 1]


def test_selected_pixels_are_put_back_on_their_layer(client):
    image, layer = make(client, DATA)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 120, 120)")
    answer = client.call("flip_layer", image=image, what="selected_pixels")
    got = layer_pixels(client, image, layer)
    wanted = DATA.copy()
    wanted[30:150, 40:160] = DATA[30:150, 40:160][:, ::-1]
    assert np.array_equal(got, wanted) and answer["layer"] == layer
    assert client.eval("[len(im.get_layers()), im.get_floating_sel() is None]") == [1, True]
    client.call("undo", image=image)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 120, 120)")
    answer = client.call("move_layer", image=image, what="selected_pixels", x=20, y=10, relative=True)
    got = layer_pixels(client, image, client.call("get_image_metadata", image=image)["structure"]["layers"][0]["id"])
    assert np.array_equal(got[40:160, 60:180], DATA[30:150, 40:160])
    assert (got[30:40, 40:160, 3] == 0).all() and np.array_equal(got[:30], DATA[:30])
    client.call("undo", image=image)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 120, 120)")
    client.call("rotate_layer", image=image, what="selected_pixels", angle=90)
    got = read(client, image)
    assert np.array_equal(got[30:150, 40:160], np.rot90(DATA[30:150, 40:160], -1))


def test_the_selections_outline(client):
    image, layer = make(client, DATA, canvas=(400, 300))
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 100, 80, 120, 60)")
    answer = client.call("rotate_layer", image=image, what="selection", angle=90)
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (130, 50, 60, 120)
    client.call("flip_layer", image=image, what="selection", axis=200)
    assert client.eval("tuple(Gimp.Selection.bounds(im))[-4:]") == [210, 50, 270, 170]
    answer = client.call("scale_layer", image=image, what="selection", factor=2)
    assert abs(answer["width"] - 120) <= 2 and abs(answer["height"] - 240) <= 2, "soft edges count as selected"
    assert np.array_equal(layer_pixels(client, image, layer), DATA)
    assert "leave `layer` out" in error(client, "rotate_layer", image=image, what="selection", angle=5, layer=layer).hint
    client.python("Gimp.Selection.none(im)")
    problem = error(client, "rotate_layer", image=image, what="selection", angle=5)
    assert "nothing is selected" in problem.message and "selection first" in problem.hint


def test_shear_and_perspective(client):
    data = np.zeros((200, 200, 4), np.uint8)
    data[...] = 255
    image, _ = make(client, data, x=100, y=40, canvas=(400, 300))
    client.call("shear_layer", image=image, amount=100)
    got = read(client, image)[..., 3] > 128
    top, bottom = np.argwhere(got[41]).min(), np.argwhere(got[238]).min()
    assert abs((bottom - top) - 98.5) <= 2, (top, bottom)
    image, _ = make(client, data, x=100, y=40, canvas=(400, 300))
    client.call("change_perspective", image=image, corners=[[150, 40], [250, 40], [390, 240], [10, 240]])
    got = read(client, image)[..., 3] > 128
    assert abs(got[41].sum() - 102) <= 3 and abs(got[238].sum() - 378) <= 3
    assert got[140, 200] and not got[50, 120] and not got[50, 280]
    client.call("undo", image=image)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 160, 80, 80, 80)")
    client.call("change_perspective", image=image, what="selection", corners=[[160, 80], [320, 40], [320, 200], [160, 160]])
    assert np.abs(np.subtract(client.eval("tuple(Gimp.Selection.bounds(im))[-4:]"), [160, 40, 320, 200])).max() <= 3
    problem = error(client, "change_perspective", image=image, corners=[[0, 0], [50, 50], [50, 0], [0, 50]])
    assert "convex" in problem.message and "in this order" in problem.hint


def test_warp_pulls_and_lets_the_rest_be(client):
    data = np.zeros((205, 310, 3), np.uint8)
    data[98:103, 148:153] = 255
    image, layer = make(client, data)
    client.call("warp_layer", image=image, points=[[150, 100, 162, 100]], radius=30)
    got = layer_pixels(client, image, layer)
    y, x = np.argwhere(got[..., 0] > 128).mean(axis=0)
    assert 158 < x < 165 and abs(y - 100) < 2, (x, y)
    assert not got[:8].any() and not got[-8:].any() and not got[:, :8].any()
    client.call("undo", image=image)
    picture = smooth()
    image, layer = make(client, picture)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 30, 20, 30, 20)")
    client.call("warp_layer", image=image, points=[[40, 30, 50, 30]], radius=25)
    got = layer_pixels(client, image, layer)
    outside = np.ones(got.shape[:2], bool)
    outside[20:40, 30:60] = False
    assert np.array_equal(got[outside], picture[outside]) and not np.array_equal(got, picture)


def test_text_stays_text_and_a_group_moves_whole(client):
    image, _ = make(client, smooth())
    client.python(
        "t = Gimp.TextLayer.new(im, 'Hello', Gimp.fonts_get_list('')[0], 20, Gimp.Unit.pixel())",
        "im.insert_layer(t, None, 0); g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0)",
        "im.reorder_item(l, g, 0)")
    client.call("move_layer", image=image, layer=client.eval("t.get_id()"), x=30, y=20)
    assert client.eval("[t.is_text_layer(), t.get_text(), *t.get_offsets()[-2:]]") == [True, "Hello", 30, 20]
    client.call("move_layer", image=image, layer=client.eval("g.get_id()"), x=5, y=6)
    assert client.eval("list(l.get_offsets()[-2:])") == [5, 6]
    client.call("rotate_layer", image=image, layer=client.eval("g.get_id()"), angle=90)
    assert client.eval("[l.get_width(), l.get_height()]") == [205, 310]


def test_locks_and_wrong_layers(client):
    image, layer = make(client, DATA)
    client.python("l.set_lock_position(True)")
    problem = error(client, "move_layer", image=image, x=5)
    assert problem.kind == "forbidden" and "locked" in problem.message
    client.python("l.set_lock_position(False)")
    assert error(client, "flip_layer", image=image, layer=99999).kind == "not_found"
    assert "selection first" in error(client, "flip_layer", image=image, what="selected_pixels").hint


@pytest.mark.parametrize("precision", ("U16_NON_LINEAR", "FLOAT_LINEAR"))
def test_precision_stays(client, precision):
    ramp = (np.arange(310 * 205, dtype=np.uint16) + 1000).reshape(205, 310, 1).repeat(3, axis=2)
    image, layer = make(client, ramp, precision)
    client.call("rotate_layer", image=image, angle=10, resize="clip")
    assert len(np.unique(read(client, image, depth=16)[..., 0])) > 20_000
    client.call("undo", image=image)
    client.call("warp_layer", image=image, points=[[60, 30, 66, 32]], radius=40)
    assert len(np.unique(read(client, image, depth=16)[..., 0])) > 20_000
