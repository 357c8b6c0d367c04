"""Scale, crop, rotate, flip and canvas: pixels against numpy and Pillow."""

import numpy as np
import pytest
from PIL import Image
from pictures import added, error, layers, noise, opened, read, structure
from pixelwork import make
from pixelwork import read as deep


def size(client, image):
    basic = structure(client, image)["basic"]
    return basic["width"], basic["height"]


def test_nearest_scaling_is_exact(client):
    array = noise(310, 205)
    image, _ = opened(client, array)
    answer = client.call("resize_image", image=image, width=930, height=615, interpolation="none")
    assert (answer["width"], answer["height"], answer["scale_x"]) == (930, 615, 3)
    assert np.array_equal(read(client, image), array.repeat(3, 0).repeat(3, 1))
    client.call("resize_image", image=image, width=310, height=205, interpolation="none")
    assert np.array_equal(read(client, image), array)


@pytest.mark.parametrize(
    "arguments, wanted",
    (
        ({"width": 400}, (400, 200)),
        ({"height": 400}, (800, 400)),
        ({"percent": 50}, (300, 150)),
        ({"width": 400, "height": 400}, (400, 400)),
        ({"width": 400, "height": 400, "fit": "contain"}, (400, 200)),
        ({"width": 400, "height": 400, "fit": "cover"}, (400, 400)),
        ({"width": 1}, (1, 1)),
        ({"width": 6000, "only_shrink": True}, (600, 300)),
        ({"width": 6000, "height": 150, "only_shrink": True, "fit": "contain"}, (300, 150)),
    ),
)
def test_sizes(client, arguments, wanted):
    image, _ = opened(client, noise(600, 300, 3))
    answer = client.call("resize_image", image=image, **arguments)
    assert (answer["width"], answer["height"]) == wanted == size(client, image)
    assert f"to {wanted[0]}x{wanted[1]}" in answer["message"]
    assert answer["effect"]["changed"] is (wanted != (600, 300))


def test_cover_crops_about_the_middle(client):
    array = noise(400, 200, 3)
    image, _ = opened(client, array)
    client.call("resize_image", image=image, width=200, height=200, fit="cover", interpolation="none")
    assert np.array_equal(read(client, image), array[:, 100:300])


def test_smooth_scaling_is_near_pillows(client):
    ramp = np.linspace(20, 230, 310).astype(np.uint8)
    array = np.stack([np.tile(ramp, (205, 1)), np.tile(ramp[:205, None], (1, 310)), np.full((205, 310), 90, np.uint8)], 2)
    image, _ = opened(client, array)
    client.call("resize_image", image=image, width=620, height=410)
    wanted = np.asarray(Image.fromarray(array).resize((620, 410), Image.BICUBIC)).astype(int)
    assert (
        np.abs(read(client, image).astype(int) - wanted).max() <= 3
    )  # GIMP works in linear light, and clips at the edge


def test_bad_sizes(client):
    image, _ = opened(client, noise(310, 205, 3))
    assert "neither" in error(client, "resize_image", image=image).message
    assert "one of them" in error(client, "resize_image", image=image, width=4, percent=50).hint
    problem = error(client, "resize_image", image=image, width=500_000, height=500_000)
    assert problem.kind == "too_large" and "500000 x 500000" in problem.message and "limit" in problem.hint


def test_crop_to_a_box(client):
    array = noise(500, 400)
    image, _ = opened(client, array)
    answer = client.call("crop_image", image=image, x=70, y=50, width=200, height=300)
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (70, 50, 200, 300)
    assert np.array_equal(read(client, image), array[50:350, 70:270])
    answer = client.call("crop_image", image=image, x=100, y=-50, width=1000, height=100)
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (100, 0, 100, 50)
    assert "beyond" in answer["note"]
    assert np.array_equal(read(client, image), array[50:100, 170:270])
    client.call("undo", image=image, steps=2)
    client.call("crop_image", image=image, x=0.5, y=0, width=0.5, height=1, units="relative")
    assert np.array_equal(read(client, image), array[:, 250:])


def test_crop_to_selection_content_and_aspect(client):
    array = np.full((330, 460, 3), 200, np.uint8)
    array[60:260, 100:400] = noise(300, 200, 3)
    image, _ = opened(client, array)
    answer = client.call("crop_image", image=image, to="content")
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (100, 60, 300, 200)
    assert np.array_equal(read(client, image), array[60:260, 100:400])
    assert structure(client, image)["structure"]["num_paths"] == 0
    client.call("undo", image=image)
    client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 30, 40, 200, 120)", image=image)
    client.call("crop_image", image=image, to="selection")
    assert np.array_equal(read(client, image), array[40:160, 30:230])
    client.call("undo", image=image)
    answer = client.call("crop_image", image=image, to="aspect", aspect="1:1")
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (65, 0, 330, 330)


def test_bad_crops(client):
    image, _ = opened(client, noise(310, 205, 3))
    problem = error(client, "crop_image", image=image, x=320, y=0, width=5, height=5)
    assert "310x205" in problem.message and "resize_canvas" in problem.hint
    assert "`width`, `height`" in error(client, "crop_image", image=image, x=1, y=2).message
    assert "nothing is selected" in error(client, "crop_image", image=image, to="selection").message
    assert "aspect" in error(client, "crop_image", image=image, to="aspect").hint


@pytest.mark.parametrize("angle, turns", ((90, -1), (180, 2), (270, 1), (-90, 1), (450, -1), (0, 0)))
def test_quarter_turns_are_exact(client, angle, turns):
    array = noise(310, 205)
    image, _ = opened(client, array)
    answer = client.call("rotate_image", image=image, angle=angle)
    assert np.array_equal(read(client, image), np.rot90(array, turns))
    assert answer["effect"]["changed"] is (turns != 0)


def test_a_quarter_turn_can_keep_the_canvas(client):
    array = noise(310, 210)
    image, _ = opened(client, array)
    answer = client.call("rotate_image", image=image, angle=90, expand=False, fill="white")
    assert (answer["width"], answer["height"]) == (310, 210)
    wanted = np.full((210, 310, 4), 255, np.uint8)
    wanted[:, 50:260] = np.rot90(array, -1)[50:260]
    got = read(client, image)
    assert np.array_equal(got[:, :50], wanted[:, :50]) and np.array_equal(got[:, 260:], wanted[:, 260:])
    top = read(client, image, layers(client, image)[0]["id"])
    assert np.array_equal(top[50:260], np.rot90(array, -1)[50:260])


def disc(width=311, height=205):
    y, x = np.mgrid[:height, :width]
    array = np.zeros((height, width, 3), np.uint8)
    array[..., 0], array[..., 1], array[..., 2] = 60 + x * 0.6, 60 + y * 0.9, 128
    return array


def test_any_angle_is_near_pillows_and_fills_the_corners(client):
    array = disc()
    image, layer = opened(client, array)
    answer = client.call("rotate_image", image=image, angle=30, fill="#102030")
    wanted = Image.fromarray(array).rotate(-30, Image.BICUBIC, expand=True, fillcolor=(16, 32, 48))
    assert abs(answer["width"] - wanted.width) <= 1 and abs(answer["height"] - wanted.height) <= 1
    got = read(client, image).astype(int)
    assert got.shape == (answer["height"], answer["width"], 3), "the background layer is opaque again"
    assert [row["id"] for row in layers(client, image)] == [layer]
    assert [got[y, x].tolist() for y in (0, -1) for x in (0, -1)] == [[16, 32, 48]] * 4
    # The same distances from the middle show the same picture
    reference = np.asarray(Image.fromarray(array).rotate(-30, Image.BICUBIC, expand=False)).astype(int)
    middle = got[got.shape[0] // 2 - 60 : got.shape[0] // 2 + 60, got.shape[1] // 2 - 60 : got.shape[1] // 2 + 60]
    assert np.abs(middle - reference[42:162, 95:215]).max() <= 2


def test_an_angle_without_expanding_turns_everything(client):
    image, layer = opened(client, noise(310, 210))
    client.python(
        f"im = Gimp.Image.get_by_id({image}); l = im.get_layers()[0]",
        "l.add_mask(l.create_mask(Gimp.AddMaskType.WHITE)); l.set_lock_position(True)",
        "im.select_rectangle(Gimp.ChannelOps.REPLACE, 105, 80, 100, 50); Gimp.Selection.save(im).set_name('kept')",
        "p = Gimp.Path.new(im, 'p'); im.insert_path(p, None, 0)",
        "p.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, [155.0, 105.0] * 3 + [255.0, 105.0] * 3, False)",
        image=image,
    )
    answer = client.call("rotate_image", image=image, angle=45, expand=False)
    assert (answer["width"], answer["height"]) == (310, 210)
    found = structure(client, image, "full")
    assert found["structure"]["num_channels"] == 1, "the channel that carried the selection is gone"
    row = found["structure"]["layers"][0]
    assert row["id"] == layer and row["mask"] and row["lock_position"] is True
    bounds = found["selection"]["bounds"]
    for side in (bounds["width"], bounds["height"]):  # an edge is soft over two pixels
        assert 106 <= side <= 110
    end = client.eval(f"list(Gimp.Image.get_by_id({image}).get_paths()[0].stroke_get_points(1)[1])[-2:]")
    assert end == pytest.approx([155 + 100 * 0.7071, 105 + 100 * 0.7071], abs=0.1)


def test_straightening_leaves_no_empty_corner(client):
    for angle in (3, -7.5, 45, 120):
        image, _ = opened(client, noise(310, 205, 3) // 2 + 100)
        answer = client.call("rotate_image", image=image, angle=angle, cut_corners=True)
        got = read(client, image)
        assert got.shape[2] == 3, "opaque as before"
        assert got[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 60, "no corner is empty"
        assert answer["width"] * answer["height"] > 310 * 205 * 0.2
        client.call("close_image", image=image, discard_changes=True)


def test_rotating_a_text_layer_says_what_becomes_of_it(client):
    image, _ = opened(client, noise(310, 205, 3))
    client.python(
        f"im = Gimp.Image.get_by_id({image})",
        "t = Gimp.TextLayer.new(im, 'Hi', Gimp.context_get_font(), 120.0, Gimp.Unit.pixel()); im.insert_layer(t, None, 0)",
        image=image,
    )
    before = read(client, image)
    answer = client.call("rotate_image", image=image, angle=20)
    assert "became pixels: `Hi`" in answer["note"]
    client.call("undo", image=image)
    assert layers(client, image)[0]["kind"] == "text" and np.array_equal(read(client, image), before)
    assert "note" not in client.call("resize_canvas", image=image, width=350)


def test_bad_rotations(client):
    image, _ = opened(client, noise(310, 205, 3))
    assert "translucent" in error(client, "rotate_image", image=image, angle=5, fill="#fff8").message
    assert error(client, "rotate_image", image=image, angle=5, fill="nosuch").kind == "invalid_argument"


def test_flips_are_exact(client):
    array = noise(311, 205)
    image, _ = opened(client, array)
    client.call("flip_image", image=image, direction="horizontal")
    assert np.array_equal(read(client, image), array[:, ::-1])
    client.call("flip_image", image=image, direction="vertical")
    assert np.array_equal(read(client, image), array[::-1, ::-1])


@pytest.mark.parametrize("channels", (3, 4))
def test_canvas(client, channels):
    array = noise(310, 205, channels)
    image, layer = opened(client, array)
    answer = client.call("resize_canvas", image=image, width=400, height=260, anchor="bottom-right", fill="#ff8000")
    assert (answer["offset_x"], answer["offset_y"]) == (90, 55)
    wanted = np.zeros((260, 400, channels), np.uint8)
    wanted[:] = (255, 128, 0, 255)[:channels]
    wanted[55:, 90:] = array
    assert np.array_equal(read(client, image), wanted)
    assert [(row["id"], row["width"], row["height"]) for row in layers(client, image)] == [(layer, 400, 260)]
    client.call("resize_canvas", image=image, width=220, height=180, offset_x=-70, offset_y=25, layers="none")
    inside = read(client, image, None)
    assert np.array_equal(inside[25:, :, :channels], wanted[:155, 70:290]) and (inside[:25] == 0).all()
    answer = client.call("resize_canvas", image=image, to="layers")
    assert np.array_equal(read(client, image), wanted) and (answer["width"], answer["height"]) == (400, 260)


WHOLE = (
    ("flip_image", {"direction": "horizontal"}, lambda seen: seen[:, ::-1]),
    ("resize_canvas", {"width": 290, "height": 190, "offset_x": -15, "offset_y": -10}, lambda seen: seen[10:200, 15:305]),
    ("rotate_image", {"angle": 90}, lambda seen: np.rot90(seen, -1)),
    ("crop_image", {"x": 10, "y": 20, "width": 170, "height": 260}, lambda seen: seen[20:280, 10:180]),
    ("resize_image", {"width": 340, "height": 520, "interpolation": "none"}, lambda seen: seen.repeat(2, 0).repeat(2, 1)),
)


@pytest.mark.parametrize("how", ("moved", "grouped", "masked", "GRAY", "INDEXED", "16 bits"))
def test_whole_images_go_with_every_kind_of_layer(client, how):
    """One that begins left of the canvas and above it, and ends right of it."""
    array, precision = noise(420, 230, 2 if how == "GRAY" else 4), "U8_NON_LINEAR"
    if how == "16 bits":
        array, precision = array.astype(np.uint16) * 251 + 3, "U16_NON_LINEAR"
    image, layer = make(client, array, precision, -70, -60, canvas=(310, 205), gray=how == "GRAY")
    if how == "grouped":
        client.call("create_layer_group", image=image, layers=[layer], opacity=60)
    elif how == "masked":
        client.call("create_ellipse_selection", image=image, x=60, y=-20, width=200, height=170, feather=9)
        client.call("add_layer_mask", image=image, fill="selection")
        client.call("select_none", image=image)
    elif how == "INDEXED":
        client.call("convert_image_mode", image=image, mode="INDEXED")
    wanted = deep(client, image, depth=16)
    for operation, arguments, turned in WHOLE:
        client.call(operation, image=image, **arguments)
        wanted = turned(wanted)
        assert np.array_equal(deep(client, image, depth=16), wanted), operation


def test_transparent_canvas_gives_the_opaque_background_an_alpha_channel(client):
    array = noise(330, 205, 3)
    image, _ = opened(client, array)
    small = added(client, image, noise(300, 200, 4), "small")
    x = client.call("move_layer", image=image, layer=small, x=12)["x"]
    client.call("resize_canvas", image=image, width=370, height=205)
    rows = layers(client, image)
    assert (rows[0]["id"], rows[0]["width"], rows[0]["offset_x"]) == (small, 300, x + 20)
    got = read(client, image, rows[1]["id"])
    assert got.shape == (205, 370, 4) and np.array_equal(got[:, 20:350, :3], array) and (got[:, :20, 3] == 0).all()
    assert error(client, "resize_canvas", image=image, to="layers", width=4).kind == "invalid_argument"


def test_a_duplicate_is_a_new_image(client):
    array = noise(310, 205)
    image, _ = opened(client, array)
    answer = client.call("duplicate_image", image=image, name="variant")
    assert answer["id"] == answer["image"] != image and answer["name"] == "variant"
    assert client.call("list_images")["selected"] == answer["id"]
    client.call("flip_image", direction="horizontal")
    assert np.array_equal(read(client, image), array)
    assert np.array_equal(read(client, answer["id"]), array[:, ::-1])
    assert error(client, "duplicate_image", image=987654).kind == "image_gone"
