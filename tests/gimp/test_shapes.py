"""Lines, rectangles, ellipses and polygons: exact colours at exact places."""

import numpy as np
import pytest
from looking import add_layer, box, error, layer_pixels, mask, picture

BLUE = (40, 80, 160, 255)
RED = (255, 0, 0, 255)


def blank(client):
    image, layer = picture(client, color="transparent")
    return image, layer


def painted(client, layer):
    found = layer_pixels(client, layer)
    return found, found[..., 3] > 0


def test_rectangles(client):
    image, layer = blank(client)
    client.call("draw_rectangle", x=5, y=6, width=20, height=10, fill_color="rgb(40,80,160)")
    found, some = painted(client, layer)
    assert box(some) == (5, 6, 20, 10) and (found[6:16, 5:25] == BLUE).all() and some.sum() == 200
    client.call("fill_selection", fill_type="transparent")
    client.call(
        "draw_rectangle",
        x=5,
        y=6,
        width=20,
        height=10,
        fill_color="rgb(40,80,160)",
        outline_color="red",
        outline_width=2,
    )
    found, some = painted(client, layer)
    assert box(some) == (5, 6, 20, 10) and (found[8:14, 7:23] == BLUE).all()
    inner = np.zeros_like(some)
    inner[8:14, 7:23] = True
    assert (found[some & ~inner] == RED).all() and some.sum() == 200
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_rectangle", x=5, y=5, width=40, height=30, outline_color="red", corner_radius=10, outline_width=3)
    found, some = painted(client, layer)
    assert (
        box(some) == (5, 5, 40, 30) and found[5, 5, 3] == 0 and (found[5:8, 25] == RED).all() and found[8, 25, 3] == 0
    )
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_rectangle", x=5, y=5, width=4, height=4, outline_color="red", outline_width=50)
    assert painted(client, layer)[1].sum() == 16


def test_ellipses(client):
    image, layer = blank(client)
    client.call("draw_ellipse", x=10, y=5, width=30, height=30, fill_color="rgb(40,80,160)", antialias=False)
    found, some = painted(client, layer)
    assert box(some) == (10, 5, 30, 30) and (found[some] == BLUE).all() and abs(some.sum() - np.pi * 225) < 16
    client.call("fill_selection", fill_type="transparent")
    client.call(
        "draw_ellipse",
        x=10,
        y=5,
        width=30,
        height=30,
        fill_color="rgb(40,80,160)",
        outline_color="red",
        outline_width=4,
    )
    found, some = painted(client, layer)
    assert (found[20, 11:13] == RED).all() and (found[20, 16:34] == BLUE).all() and found[20, 25, 3] == 255
    edge = found[20, 9:18].astype(int)
    assert (edge[2:, 3] == 255).all(), "no seam between fill and outline"
    soft = found[..., 3]
    assert len(np.unique(soft)) > 6 and abs(soft.sum() / 255 - np.pi * 225) < 8


def test_polygons(client):
    image, layer = blank(client)
    client.call(
        "draw_polygon", points=[[10, 10], [50, 10], [50, 30], [10, 30]], fill_color="rgb(40,80,160)", antialias=False
    )
    found, some = painted(client, layer)
    assert box(some) == (10, 10, 40, 20) and some.sum() == 800 and (found[some] == BLUE).all()
    client.call("draw_polygon", points=[[10, 10], [50, 10], [50, 30], [10, 30]], outline_color="red", outline_width=4)
    found, some = painted(client, layer)
    assert box(some) == (8, 8, 44, 24) and (found[8:12, 10:50] == RED).all() and (found[13:27, 13:47] == BLUE).all()
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_polygon", points=[[20, 10], [40, 10], [40, 30], [20, 30]], smooth=True, fill_color="red")
    assert 400 < painted(client, layer)[1].sum() < 900
    assert client.call("get_image_metadata")["structure"]["paths"] == [], "no path stays"


def test_lines(client):
    image, layer = blank(client)
    for width, rows in ((1, [20]), (3, [19, 20, 21]), (2, [19, 20]), (4, [18, 19, 20, 21])):
        for antialias in (True, False):
            client.call("fill_selection", fill_type="transparent")
            client.call(
                "draw_line", points=[[10, 20], [40, 20]], color="rgb(40,80,160)", width=width, antialias=antialias
            )
            found, some = painted(client, layer)
            assert list(np.nonzero(some.any(axis=1))[0]) == rows, (width, antialias)
            last = 40 if width % 2 else 39
            assert (found[np.ix_(rows, range(10, last + 1))] == BLUE).all(), (width, antialias)
            assert some.sum() == len(rows) * (last - 9), (width, antialias)
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_line", points=[[5, 5], [35, 35]], color="red")
    found, some = painted(client, layer)
    assert all(found[i, i, 3] > 120 for i in range(5, 36)) and box(some)[0] >= 4
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_line", points=[[0, 20], [60, 20]], color="red", width=2, dashes=[10, 5])
    row = painted(client, layer)[1][20]
    assert (np.diff(row.astype(int)) == 1).sum() >= 3 and abs(row.sum() - 40) <= 2
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_line", points=[[5, 20], [50, 20]], color="rgb(40,80,160)", width=2, arrow="end", arrow_size=10)
    found, some = painted(client, layer)
    height = some.sum(axis=0)
    assert (
        height[41] >= 8
        and height[10] == 2
        and np.nonzero(height)[0][-1] in (48, 49, 50)
        and (found[19, 20] == BLUE).all()
    )


def test_a_shape_keeps_to_the_selection_which_stays(client):
    image, layer = blank(client)
    client.call("create_ellipse_selection", x=0, y=0, width=30, height=40, feather=3)
    before = mask(client, image)
    paths = client.call("get_image_metadata")["structure"]
    for call, more in (
        ("draw_rectangle", {"x": 5, "y": 6, "width": 50, "height": 20, "fill_color": "red", "outline_color": "blue"}),
        ("draw_ellipse", {"x": 5, "y": 6, "width": 50, "height": 20, "fill_color": "red"}),
        ("draw_polygon", {"points": [[1, 1], [59, 1], [30, 39]], "fill_color": "red", "outline_color": "blue"}),
        ("draw_line", {"points": [[0, 20], [60, 20]], "color": "lime", "width": 5, "arrow": "both"}),
    ):
        made = client.call(call, **more)
        assert np.array_equal(mask(client, image), before), call
        assert "selection" not in made["effect"]["properties_changed"], call
    assert (painted(client, layer)[0][before == 0][:, 3] == 0).all()
    assert client.call("get_image_metadata")["structure"]["selected_layers"] == paths["selected_layers"]
    client.call("undo", steps=4)
    assert (layer_pixels(client, layer)[..., 3] == 0).all() and np.array_equal(mask(client, image), before)


def test_shapes_on_a_moved_layer_a_mask_and_in_layer_units(client):
    image, _ = picture(client)
    layer = add_layer(client, image, 40, 30, 10, 5)
    masked = int(
        client.python(
            f"l = Gimp.Item.get_by_id({layer}); m = l.create_mask(Gimp.AddMaskType.BLACK)",
            "l.add_mask(m); print(m.get_id())",
        )
    )
    client.call("draw_rectangle", layer=layer, x=15, y=10, width=6, height=4, fill_color="red")
    assert box(painted(client, layer)[1]) == (5, 5, 6, 4)
    client.call("draw_rectangle", layer=layer, x=1, y=2, width=6, height=2, fill_color="red", units="layer")
    assert box(painted(client, layer)[1]) == (1, 2, 10, 7)
    client.call("draw_rectangle", layer=masked, x=15, y=10, width=6, height=4, fill_color="white")
    assert box(layer_pixels(client, masked)[..., 0]) == (5, 5, 6, 4)
    client.call("draw_line", layer=layer, points=[[10, 20], [50, 20]], color="rgb(40,80,160)", width=2)
    assert (painted(client, layer)[0][14:16, 0:40] == BLUE).all()


@pytest.mark.parametrize(
    "call, more, words",
    [
        ("draw_rectangle", {"x": 1, "y": 1, "width": 5, "height": 5}, "neither"),
        ("draw_ellipse", {"x": 100, "y": 1, "width": 5, "height": 5, "fill_color": "red"}, "outside"),
        ("draw_polygon", {"points": [[1, 1], [2, 2], [3, 1]], "fill_color": "reddish"}, "reddish"),
        ("draw_line", {"points": [[3, 3], [3, 3]], "color": "red"}, "all (3, 3)"),
    ],
)
def test_bad_shapes(client, call, more, words):
    image, layer = blank(client)
    assert words in error(client, call, **more).message
    assert not painted(client, layer)[1].any()
