"""What a picture of one tile cannot show: fields, masks and channels over several tiles, and layers off the canvas."""

import numpy as np
import pytest
from pixelwork import assert_near, error, make, read, smooth
from test_filter_pixels import stage

WIDTH, HEIGHT = 310, 205


def dot(width, height, x, y):
    data = np.zeros((height, width, 3), np.uint8)
    data[y - 2 : y + 3, x - 2 : x + 3] = 255
    return data


def middle(picture):
    weights = picture[..., 0].astype(float)
    y, x = np.nonzero(weights > 60)
    return np.average(x, weights=weights[y, x]), np.average(y, weights=weights[y, x])


@pytest.mark.parametrize("place", ((0, 0), (-70, -30)))
def test_a_warp_goes_where_it_is_told_however_large_the_layer_is(client, place):
    left, top = place
    image, layer = make(client, dot(WIDTH, HEIGHT, 150, 100), x=left, y=top, canvas=(300, 200))
    for dx, dy in ((12, 0), (0, 12), (8, 8), (-9, 7), (11, -10)):
        points = [[150 + left, 100 + top, 150 + left + dx, 100 + top + dy]]
        client.call("warp_layer", image=image, layer=layer, points=points, radius=30)
        got = read(client, image, layer)
        x, y = middle(got)
        assert abs(x - 150 - dx) < 1 and abs(y - 100 - dy) < 1, (dx, dy, x, y)
        outside = np.ones(got.shape[:2], bool)
        outside[60:142, 108:194] = False
        assert not got[outside].any()
        client.call("undo", image=image)


def test_a_warp_of_several_points_moves_each_by_its_own(client):
    data = np.maximum(dot(900, 600, 100, 100), np.maximum(dot(900, 600, 800, 90), dot(900, 600, 450, 520)))
    image, layer = make(client, data)
    client.call("warp_layer", image=image, points=[[100, 100, 110, 105], [800, 90, 795, 101]], radius=40)
    got = read(client, image, layer)
    for (left, right), wanted in (((0, 300), (110, 105)), ((600, 900), (795, 101))):
        part = np.zeros_like(got)
        part[:300, left:right] = got[:300, left:right]
        x, y = middle(part)
        assert abs(x - wanted[0]) < 1 and abs(y - wanted[1]) < 1
    assert np.array_equal(got[300:], data[300:])


def test_a_warp_that_reaches_nothing_says_so(client):
    image, _ = make(client, smooth(WIDTH, HEIGHT))
    answer = client.call("warp_layer", image=image, points=[[-400, -400, -390, -390]], radius=30)
    assert answer["effect"]["changed"] is False and "do not reach" in answer["note"]


def test_displacement_takes_a_map_for_each_direction_or_is_refused(client):
    data = smooth(WIDTH, HEIGHT)
    image, layer = make(client, data)
    white = client.eval(
        "(lambda b: (im.insert_layer(b, None, 1), b.fill(Gimp.FillType.WHITE), b.set_visible(False), b.get_id())[-1])"
        f"(Gimp.Layer.new(im, 'b', {WIDTH}, {HEIGHT}, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL))"
    )
    both = {"operation": "gegl:displace", "layer": layer, "properties": {"amount_x": 10.0, "amount_y": 20.0}}
    for given, missing in (({"aux_layer": white}, "aux2_layer"), ({"aux2_layer": white}, "aux_layer")):
        problem = error(client, "apply_gegl_operation", image=image, **both, **given)
        assert problem.kind == "invalid_argument" and f"give `{missing}`" in problem.hint
    client.call("apply_gegl_operation", image=image, **both, aux_layer=white, aux2_layer=white)
    got = read(client, image, layer)[..., :3]
    moved = np.abs(got[40:-40, 40:-40].astype(float) - data[60:-20, 50:-30])
    assert moved.mean() < 2 and moved.max() < 12  # (a white map moves by a little less than the amount)
    assert client.call("describe_gegl_operation", operation="gegl:displace")["inputs"] == ["aux_layer", "aux2_layer"]
    problem = error(client, "apply_gegl_operation", image=image, layer=layer, operation="gegl:mix", aux2_layer=white)
    assert "`aux_layer`" in problem.hint


@pytest.mark.parametrize("base, precision", (("RGB", "u8"), ("GRAY", "u8"), ("RGB", "u16"), ("RGB", "float")))
def test_channels_are_what_their_source_says_in_every_tile(client, base, precision):
    arguments = {"width": WIDTH, "height": HEIGHT, "base_type": base, "precision": precision, "color": "#ff8000"}
    image = client.call("create_new_image", **arguments)["image"]
    for source, value in (("empty", 0), ("full", 255)):
        channel = client.call("create_channel", image=image, source=source, name=source)["channel"]
        got = read(client, image, channel)[..., 0]
        assert got.shape == (HEIGHT, WIDTH) and (got == value).all(), (source, np.unique(got))
    luma = client.call("create_channel", image=image, source="luminosity", name="luma")["channel"]
    assert len(np.unique(read(client, image, luma))) == 1
    client.call("create_ellipse_selection", image=image, x=-40, y=20, width=200, height=120)
    chosen = client.call("create_channel", image=image, source="selection", name="chosen")["channel"]
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    wanted = ((x + 0.5 - 60) / 100) ** 2 + ((y + 0.5 - 80) / 60) ** 2 < 1
    assert ((read(client, image, chosen)[..., 0] > 127) != wanted).mean() < 0.005


@pytest.mark.parametrize("place", ((0, 0), (-5, -5), (-40, -30), (200, 150), (-400, 10), (30, -60)))
def test_a_result_as_selection_is_cut_to_the_canvas(client, place):
    """A layer of 260x300 on a canvas of 300x200: off to each side, larger, and wholly outside."""
    left, top = place
    image, layer = make(client, smooth(260, 300), x=left, y=top, canvas=(300, 200))  # small: less wide than the canvas
    client.call("create_rectangle_selection", image=image, x=200, y=100, width=90, height=90)
    ramp = (np.mgrid[0:300, 0:260].sum(axis=0) % 255 + 1).astype(np.uint8)
    stage(client, ramp[..., np.newaxis])
    answer = client.call("filter_place", image=image, token="t", kind="selection", name="x", layer=layer, x=left, y=top)
    wanted = np.zeros((200, 300), np.uint8)
    box = max(left, 0), max(top, 0), min(left + 260, 300), min(top + 300, 200)
    if box[0] < box[2] and box[1] < box[3]:
        wanted[box[1] : box[3], box[0] : box[2]] = ramp[box[1] - top : box[3] - top, box[0] - left : box[2] - left]
        assert answer["selection"] == {"x": box[0], "y": box[1], "width": box[2] - box[0], "height": box[3] - box[1]}
    else:
        assert answer["selection"] is None
    reply = client.stream("filter_read_mask", image=image, width=300, height=200)
    got = np.frombuffer(bytes(reply.data), np.uint8).reshape(200, 300)
    if wanted.any():
        assert_near(got, wanted, 1)
    reply = client.stream("filter_read_mask", image=image, x=left, y=top, width=260, height=300)
    seen = np.frombuffer(bytes(reply.data), np.uint8).reshape(300, 260)
    assert not seen[: max(-top, 0)].any() and not seen[:, : max(-left, 0)].any()
    assert client.call("list_images")["images"]
