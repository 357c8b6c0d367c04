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
    client.call("draw_rectangle", x=50, y=60, width=220, height=130, fill_color="rgb(40,80,160)")
    found, some = painted(client, layer)
    assert box(some) == (50, 60, 220, 130) and (found[60:190, 50:270] == BLUE).all() and some.sum() == 28600
    client.call("fill_selection", fill_type="transparent")
    client.call(
        "draw_rectangle",
        x=50,
        y=60,
        width=220,
        height=130,
        fill_color="rgb(40,80,160)",
        outline_color="red",
        outline_width=2,
    )
    found, some = painted(client, layer)
    assert box(some) == (50, 60, 220, 130) and (found[62:188, 52:268] == BLUE).all()
    inner = np.zeros_like(some)
    inner[62:188, 52:268] = True
    assert (found[some & ~inner] == RED).all() and some.sum() == 28600
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_rectangle", x=100, y=110, width=200, height=90, outline_color="red", corner_radius=10, outline_width=3)
    found, some = painted(client, layer)
    assert box(some) == (100, 110, 200, 90) and found[110, 100, 3] == 0
    assert (found[110:113, 110:290] == RED).all() and (found[113:197, 103:297, 3] == 0)[10:-10, 10:-10].all()
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_rectangle", x=126, y=126, width=4, height=4, outline_color="red", outline_width=50)
    assert painted(client, layer)[1].sum() == 16


def test_ellipses(client):
    image, layer = blank(client)
    client.call("draw_ellipse", x=60, y=20, width=180, height=180, fill_color="rgb(40,80,160)", antialias=False)
    found, some = painted(client, layer)
    assert box(some) == (60, 20, 180, 180) and (found[some] == BLUE).all() and abs(some.sum() - np.pi * 8100) < 60
    client.call("fill_selection", fill_type="transparent")
    client.call(
        "draw_ellipse",
        x=60,
        y=20,
        width=180,
        height=180,
        fill_color="rgb(40,80,160)",
        outline_color="red",
        outline_width=4,
    )
    found, some = painted(client, layer)
    assert (found[110, 61:63] == RED).all() and (found[110, 66:234] == BLUE).all() and found[110, 150, 3] == 255
    edge = found[110, 59:68].astype(int)
    assert (edge[2:, 3] == 255).all(), "no seam between fill and outline"
    soft = found[..., 3]
    assert len(np.unique(soft)) > 6 and abs(soft.sum() / 255 - np.pi * 8100) < 40


def test_polygons(client):
    image, layer = blank(client)
    client.call(
        "draw_polygon", points=[[40, 50], [280, 50], [280, 170], [40, 170]], fill_color="rgb(40,80,160)", antialias=False
    )
    found, some = painted(client, layer)
    assert box(some) == (40, 50, 240, 120) and some.sum() == 28800 and (found[some] == BLUE).all()
    client.call("draw_polygon", points=[[40, 50], [280, 50], [280, 170], [40, 170]], outline_color="red", outline_width=4)
    found, some = painted(client, layer)
    assert box(some) == (38, 48, 244, 124) and (found[48:52, 40:280] == RED).all() and (found[53:167, 43:277] == BLUE).all()
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_polygon", points=[[80, 50], [240, 50], [240, 160], [80, 160]], smooth=True, fill_color="red")
    assert 17600 < painted(client, layer)[1].sum() < 39600
    assert client.call("get_image_metadata")["structure"]["paths"] == [], "no path stays"


def test_lines(client):
    image, layer = blank(client)
    for width, rows in ((1, [128]), (3, [127, 128, 129]), (2, [127, 128]), (4, [126, 127, 128, 129])):
        for antialias in (True, False):
            client.call("fill_selection", fill_type="transparent")
            client.call(
                "draw_line", points=[[40, 128], [280, 128]], color="rgb(40,80,160)", width=width, antialias=antialias
            )
            found, some = painted(client, layer)
            assert list(np.nonzero(some.any(axis=1))[0]) == rows, (width, antialias)
            last = 280 if width % 2 else 279
            assert (found[np.ix_(rows, range(40, last + 1))] == BLUE).all(), (width, antialias)
            assert some.sum() == len(rows) * (last - 39), (width, antialias)
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_line", points=[[50, 40], [210, 200]], color="red")
    found, some = painted(client, layer)
    assert all(found[i - 10, i, 3] > 120 for i in range(50, 211)) and box(some)[0] >= 49
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_line", points=[[0, 128], [320, 128]], color="red", width=2, dashes=[10, 5])
    row = painted(client, layer)[1][128]
    assert (np.diff(row.astype(int)) == 1).sum() >= 21 and abs(row.sum() - 215) <= 2
    client.call("fill_selection", fill_type="transparent")
    client.call("draw_line", points=[[40, 128], [260, 128]], color="rgb(40,80,160)", width=2, arrow="end", arrow_size=10)
    found, some = painted(client, layer)
    height = some.sum(axis=0)
    assert height[251] >= 8 and (height[41:250] == 2).all() and np.nonzero(height)[0][-1] in (258, 259, 260)
    assert (found[127:129, 41:250] == BLUE).all()


def test_a_shape_keeps_to_the_selection_which_stays(client):
    image, layer = blank(client)
    client.call("create_ellipse_selection", x=0, y=0, width=160, height=210, feather=3)
    before = mask(client, image)
    paths = client.call("get_image_metadata")["structure"]
    for call, more in (
        ("draw_rectangle", {"x": 20, "y": 30, "width": 280, "height": 110, "fill_color": "red", "outline_color": "blue"}),
        ("draw_ellipse", {"x": 20, "y": 30, "width": 280, "height": 110, "fill_color": "red"}),
        ("draw_polygon", {"points": [[5, 5], [315, 5], [160, 205]], "fill_color": "red", "outline_color": "blue"}),
        ("draw_line", {"points": [[0, 128], [320, 128]], "color": "lime", "width": 5, "arrow": "both"}),
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
    layer = add_layer(client, image, 250, 160, 40, 30)
    masked = int(
        client.python(
            f"l = Gimp.Item.get_by_id({layer}); m = l.create_mask(Gimp.AddMaskType.BLACK)",
            "l.add_mask(m); print(m.get_id())",
        )
    )
    client.call("draw_rectangle", layer=layer, x=110, y=130, width=60, height=40, fill_color="red")
    assert box(painted(client, layer)[1]) == (70, 100, 60, 40)
    client.call("draw_rectangle", layer=layer, x=10, y=20, width=60, height=20, fill_color="red", units="layer")
    assert box(painted(client, layer)[1]) == (10, 20, 120, 120)
    client.call("draw_rectangle", layer=masked, x=110, y=130, width=60, height=40, fill_color="white")
    assert box(layer_pixels(client, masked)[..., 0]) == (70, 100, 60, 40)
    client.call("draw_line", layer=layer, points=[[40, 158], [290, 158]], color="rgb(40,80,160)", width=2)
    assert (painted(client, layer)[0][127:129, 0:250] == BLUE).all()


@pytest.mark.parametrize(
    "call, more, words",
    [
        ("draw_rectangle", {"x": 1, "y": 1, "width": 5, "height": 5}, "neither"),
        ("draw_ellipse", {"x": 330, "y": 1, "width": 5, "height": 5, "fill_color": "red"}, "outside"),
        ("draw_polygon", {"points": [[1, 1], [2, 2], [3, 1]], "fill_color": "reddish"}, "reddish"),
        ("draw_line", {"points": [[3, 3], [3, 3]], "color": "red"}, "all (3, 3)"),
    ],
)
def test_bad_shapes(client, call, more, words):
    image, layer = blank(client)
    assert words in error(client, call, **more).message
    assert not painted(client, layer)[1].any()
