"""Scale, crop, rotate, flip and canvas: pixels against numpy and Pillow."""

import numpy as np
import pytest
from PIL import Image
from pictures import added, error, layers, noise, opened, read, structure


def size(client, image):
    basic = structure(client, image)["basic"]
    return basic["width"], basic["height"]


def test_nearest_scaling_is_exact(client):
    array = noise(12, 9)
    image, _ = opened(client, array)
    answer = client.call("resize_image", image=image, width=36, height=27, interpolation="none")
    assert (answer["width"], answer["height"], answer["scale_x"]) == (36, 27, 3)
    assert np.array_equal(read(client, image), array.repeat(3, 0).repeat(3, 1))
    client.call("resize_image", image=image, width=12, height=9, interpolation="none")
    assert np.array_equal(read(client, image), array)


@pytest.mark.parametrize(
    "arguments, wanted",
    (
        ({"width": 40}, (40, 20)),
        ({"height": 40}, (80, 40)),
        ({"percent": 50}, (30, 15)),
        ({"width": 40, "height": 40}, (40, 40)),
        ({"width": 40, "height": 40, "fit": "contain"}, (40, 20)),
        ({"width": 40, "height": 40, "fit": "cover"}, (40, 40)),
        ({"width": 1}, (1, 1)),
        ({"width": 600, "only_shrink": True}, (60, 30)),
        ({"width": 600, "height": 15, "only_shrink": True, "fit": "contain"}, (30, 15)),
    ),
)
def test_sizes(client, arguments, wanted):
    image, _ = opened(client, noise(60, 30, 3))
    answer = client.call("resize_image", image=image, **arguments)
    assert (answer["width"], answer["height"]) == wanted == size(client, image)
    assert f"to {wanted[0]}x{wanted[1]}" in answer["message"]
    assert answer["effect"]["changed"] is (wanted != (60, 30))


def test_cover_crops_about_the_middle(client):
    array = noise(40, 20, 3)
    image, _ = opened(client, array)
    client.call("resize_image", image=image, width=20, height=20, fit="cover", interpolation="none")
    assert np.array_equal(read(client, image), array[:, 10:30])


def test_smooth_scaling_is_near_pillows(client):
    ramp = np.linspace(20, 230, 64).astype(np.uint8)
    array = np.stack([np.tile(ramp, (48, 1)), np.tile(ramp[:48, None], (1, 64)), np.full((48, 64), 90, np.uint8)], 2)
    image, _ = opened(client, array)
    client.call("resize_image", image=image, width=128, height=96)
    wanted = np.asarray(Image.fromarray(array).resize((128, 96), Image.BICUBIC)).astype(int)
    assert (
        np.abs(read(client, image).astype(int) - wanted).max() <= 3
    )  # GIMP works in linear light, and clips at the edge


def test_bad_sizes(client):
    image, _ = opened(client, noise(8, 8, 3))
    assert "neither" in error(client, "resize_image", image=image).message
    assert "one of them" in error(client, "resize_image", image=image, width=4, percent=50).hint
    problem = error(client, "resize_image", image=image, width=500_000, height=500_000)
    assert problem.kind == "too_large" and "500000 x 500000" in problem.message and "limit" in problem.hint


def test_crop_to_a_box(client):
    array = noise(50, 40)
    image, _ = opened(client, array)
    answer = client.call("crop_image", image=image, x=7, y=5, width=20, height=30)
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (7, 5, 20, 30)
    assert np.array_equal(read(client, image), array[5:35, 7:27])
    answer = client.call("crop_image", image=image, x=10, y=-5, width=100, height=10)
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (10, 0, 10, 5)
    assert "beyond" in answer["note"]
    assert np.array_equal(read(client, image), array[5:10, 17:27])
    client.call("undo", image=image, steps=2)
    client.call("crop_image", image=image, x=0.5, y=0, width=0.5, height=1, units="relative")
    assert np.array_equal(read(client, image), array[:, 25:])


def test_crop_to_selection_content_and_aspect(client):
    array = np.full((60, 80, 3), 200, np.uint8)
    array[20:45, 30:70] = noise(40, 25, 3)
    image, _ = opened(client, array)
    answer = client.call("crop_image", image=image, to="content")
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (30, 20, 40, 25)
    assert (
        np.array_equal(read(client, image), array[20:45, 30:70])
        and structure(client, image)["structure"]["num_paths"] == 0
    )
    client.call("undo", image=image)
    client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 3, 4, 10, 12)", image=image)
    client.call("crop_image", image=image, to="selection")
    assert np.array_equal(read(client, image), array[4:16, 3:13])
    client.call("undo", image=image)
    answer = client.call("crop_image", image=image, to="aspect", aspect="1:1")
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (10, 0, 60, 60)


def test_bad_crops(client):
    image, _ = opened(client, noise(20, 10, 3))
    problem = error(client, "crop_image", image=image, x=30, y=0, width=5, height=5)
    assert "20x10" in problem.message and "resize_canvas" in problem.hint
    assert "`width`, `height`" in error(client, "crop_image", image=image, x=1, y=2).message
    assert "nothing is selected" in error(client, "crop_image", image=image, to="selection").message
    assert "aspect" in error(client, "crop_image", image=image, to="aspect").hint


@pytest.mark.parametrize("angle, turns", ((90, -1), (180, 2), (270, 1), (-90, 1), (450, -1), (0, 0)))
def test_quarter_turns_are_exact(client, angle, turns):
    array = noise(30, 20)
    image, _ = opened(client, array)
    answer = client.call("rotate_image", image=image, angle=angle)
    assert np.array_equal(read(client, image), np.rot90(array, turns))
    assert answer["effect"]["changed"] is (turns != 0)


def test_a_quarter_turn_can_keep_the_canvas(client):
    array = noise(30, 20)
    image, _ = opened(client, array)
    answer = client.call("rotate_image", image=image, angle=90, expand=False, fill="white")
    assert (answer["width"], answer["height"]) == (30, 20)
    wanted = np.full((20, 30, 4), 255, np.uint8)
    wanted[:, 5:25] = np.rot90(array, -1)[5:25]
    got = read(client, image)
    assert np.array_equal(got[:, :5], wanted[:, :5]) and np.array_equal(got[:, 25:], wanted[:, 25:])
    top = read(client, image, layers(client, image)[0]["id"])
    assert np.array_equal(top[5:25], np.rot90(array, -1)[5:25])


def disc(width=81, height=61):
    y, x = np.mgrid[:height, :width]
    array = np.zeros((height, width, 3), np.uint8)
    array[..., 0], array[..., 1], array[..., 2] = 60 + x, 60 + y * 2, 128
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
    middle = got[got.shape[0] // 2 - 10 : got.shape[0] // 2 + 10, got.shape[1] // 2 - 10 : got.shape[1] // 2 + 10]
    assert np.abs(middle - reference[20:40, 30:50]).max() <= 4


def test_an_angle_without_expanding_turns_everything(client):
    image, layer = opened(client, noise(60, 40))
    client.python(
        f"im = Gimp.Image.get_by_id({image}); l = im.get_layers()[0]",
        "l.add_mask(l.create_mask(Gimp.AddMaskType.WHITE)); l.set_lock_position(True)",
        "im.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 15, 20, 10); Gimp.Selection.save(im).set_name('kept')",
        "p = Gimp.Path.new(im, 'p'); im.insert_path(p, None, 0)",
        "p.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, [30.0, 20.0] * 3 + [50.0, 20.0] * 3, False)",
        image=image,
    )
    answer = client.call("rotate_image", image=image, angle=45, expand=False)
    assert (answer["width"], answer["height"]) == (60, 40)
    found = structure(client, image, "full")
    assert found["structure"]["num_channels"] == 1, "the channel that carried the selection is gone"
    row = found["structure"]["layers"][0]
    assert row["id"] == layer and row["mask"] and row["lock_position"] is True
    bounds = found["selection"]["bounds"]
    assert abs(bounds["width"] - 21) <= 3 and abs(bounds["height"] - 21) <= 3
    end = client.eval(f"list(Gimp.Image.get_by_id({image}).get_paths()[0].stroke_get_points(1)[1])[-2:]")
    assert end == pytest.approx([30 + 20 * 0.7071, 20 + 20 * 0.7071], abs=0.1)


def test_straightening_leaves_no_empty_corner(client):
    for angle in (3, -7.5, 45, 120):
        image, _ = opened(client, noise(90, 60, 3) // 2 + 100)
        answer = client.call("rotate_image", image=image, angle=angle, cut_corners=True)
        got = read(client, image)
        assert got.shape[2] == 3, "opaque as before"
        assert got[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 60, "no corner is empty"
        assert answer["width"] * answer["height"] > 90 * 60 * 0.2
        client.call("close_image", image=image, discard_changes=True)


def test_rotating_a_text_layer_says_what_becomes_of_it(client):
    image, _ = opened(client, noise(90, 60, 3))
    client.python(
        f"im = Gimp.Image.get_by_id({image})",
        "t = Gimp.TextLayer.new(im, 'Hi', Gimp.context_get_font(), 20.0, Gimp.Unit.pixel()); im.insert_layer(t, None, 0)",
        image=image,
    )
    before = read(client, image)
    answer = client.call("rotate_image", image=image, angle=20)
    assert "became pixels: `Hi`" in answer["note"]
    client.call("undo", image=image)
    assert layers(client, image)[0]["kind"] == "text" and np.array_equal(read(client, image), before)
    assert "note" not in client.call("resize_canvas", image=image, width=100)


def test_bad_rotations(client):
    image, _ = opened(client, noise(20, 10, 3))
    assert "translucent" in error(client, "rotate_image", image=image, angle=5, fill="#fff8").message
    assert error(client, "rotate_image", image=image, angle=5, fill="nosuch").kind == "invalid_argument"


def test_flips_are_exact(client):
    array = noise(21, 14)
    image, _ = opened(client, array)
    client.call("flip_image", image=image, direction="horizontal")
    assert np.array_equal(read(client, image), array[:, ::-1])
    client.call("flip_image", image=image, direction="vertical")
    assert np.array_equal(read(client, image), array[::-1, ::-1])


@pytest.mark.parametrize("channels", (3, 4))
def test_canvas(client, channels):
    array = noise(20, 10, channels)
    image, layer = opened(client, array)
    answer = client.call("resize_canvas", image=image, width=30, height=16, anchor="bottom-right", fill="#ff8000")
    assert (answer["offset_x"], answer["offset_y"]) == (10, 6)
    wanted = np.zeros((16, 30, channels), np.uint8)
    wanted[:] = (255, 128, 0, 255)[:channels]
    wanted[6:, 10:] = array
    assert np.array_equal(read(client, image), wanted)
    assert [(row["id"], row["width"], row["height"]) for row in layers(client, image)] == [(layer, 30, 16)]
    client.call("resize_canvas", image=image, width=12, height=8, offset_x=-5, offset_y=2, layers="none")
    inside = read(client, image, None)
    assert np.array_equal(inside[2:, :, :channels], wanted[:6, 5:17]) and (inside[:2] == 0).all()
    answer = client.call("resize_canvas", image=image, to="layers")
    assert np.array_equal(read(client, image), wanted) and (answer["width"], answer["height"]) == (30, 16)


def test_transparent_canvas_gives_the_opaque_background_an_alpha_channel(client):
    array = noise(20, 10, 3)
    image, _ = opened(client, array)
    small = added(client, image, noise(5, 5, 4), "small")
    client.call("resize_canvas", image=image, width=24, height=10)
    rows = layers(client, image)
    assert (rows[0]["id"], rows[0]["width"], rows[0]["offset_x"]) == (small, 5, 2)
    got = read(client, image, rows[1]["id"])
    assert got.shape == (10, 24, 4) and np.array_equal(got[:, 2:22, :3], array) and (got[:, :2, 3] == 0).all()
    assert error(client, "resize_canvas", image=image, to="layers", width=4).kind == "invalid_argument"


def test_a_duplicate_is_a_new_image(client):
    array = noise(20, 10)
    image, _ = opened(client, array)
    answer = client.call("duplicate_image", image=image, name="variant")
    assert answer["id"] == answer["image"] != image and answer["name"] == "variant"
    assert client.call("list_images")["selected"] == answer["id"]
    client.call("flip_image", direction="horizontal")
    assert np.array_equal(read(client, image), array)
    assert np.array_equal(read(client, answer["id"]), array[:, ::-1])
    assert error(client, "duplicate_image", image=987654).kind == "image_gone"
