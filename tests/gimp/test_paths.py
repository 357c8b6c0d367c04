"""Paths: made, read, painted, and text along them."""

import math

import numpy as np
import pytest
from looking import box, error, layer_pixels, mask, picture

BLUE = (40, 80, 160, 255)
SQUARE = [[40, 50], [280, 50], [280, 170], [40, 170]]


def test_a_path_has_the_points_it_was_given(client):
    image, _ = picture(client)
    made = client.call(
        "create_path", strokes=[{"points": SQUARE, "closed": True}, {"points": [[0, 0], [3, 4]]}], name="Two"
    )
    assert made["name"] == "Two" and made["length"] == pytest.approx(725, abs=0.1)
    seen = client.call("get_path")
    assert [point[2:4] for point in seen["strokes"][0]["points"]] == SQUARE and seen["strokes"][0]["closed"] is True
    assert seen["strokes"][1]["length"] == 5 and seen["bounds"] == {"x": 0, "y": 0, "width": 280, "height": 170}
    curve = [[10, 130, 10, 130, 130, 5], [160, 255, 285, 130, 285, 130]]
    made = client.call("create_path", strokes=[{"points": curve}])
    assert client.call("get_path", path=made["path"])["strokes"][0]["points"] == curve
    made = client.call(
        "create_path", strokes=[{"points": [[160, 20], [240, 100], [160, 180], [80, 100]], "closed": True, "smooth": True}]
    )
    assert 400 < made["length"] < 2 * math.pi * 80
    relative = client.call("create_path", strokes=[{"points": [[0, 0], [1, 1]]}], units="relative")
    assert relative["length"] == pytest.approx(math.hypot(320, 210), abs=0.1)
    assert error(client, "create_path", strokes=[{"points": [[1, 2, 3], [1, 2]]}]).kind == "invalid_argument"
    assert (
        error(client, "create_path", strokes=[{"points": [[1] * 6, [1, 2]], "smooth": True}]).kind == "invalid_argument"
    )


def test_svg_both_ways(client, tmp_path):
    image, _ = picture(client)
    shapes = '<path id="tri" d="M 40 50 L 280 50 L 280 170 Z"/><circle cx="160" cy="100" r="80"/>'
    document = f'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="210">{shapes}</svg>'
    made = client.call("path_from_svg", svg=document)
    assert {row["name"] for row in made["paths"]} >= {"tri"} and len(made["paths"]) == 2
    svg = client.call("path_to_svg", path=next(row["path"] for row in made["paths"] if row["name"] == "tri"))["svg"]
    assert "<svg" in svg and 'd="M 40.00,50.00' in svg
    again = client.call("path_from_svg", svg=svg, name="Again")
    points = client.call("get_path", path=again["path"])["strokes"][0]["points"]
    assert [point[2:4] for point in points][:3] == [[40, 50], [280, 50], [280, 170]]
    data = client.call("path_from_svg", svg="M40,50 h240 v120 h-240 z", name="Box")
    assert client.call("get_path", path=data["path"])["bounds"] == {"x": 40, "y": 50, "width": 240, "height": 120}
    target = tmp_path / "out.svg"
    written = client.call("path_to_svg", all_paths=True, file=str(target))
    assert written["bytes"] == target.stat().st_size and target.read_text().count("<path") >= 3
    merged = client.call("path_from_svg", file=str(target), merge=True)
    assert len(merged["paths"]) == 1
    for bad in ("<svg broken", "<html></html>", "nonsense", '<svg xmlns="http://www.w3.org/2000/svg"/>'):
        assert error(client, "path_from_svg", svg=bad).kind == "invalid_argument", bad
    assert error(client, "path_from_svg", file=str(tmp_path / "none.svg")).kind == "not_found"
    assert error(client, "path_from_svg").kind == "invalid_argument"


def test_a_selection_becomes_a_path_and_back(client):
    image, _ = picture(client)
    client.call("create_ellipse_selection", x=40, y=20, width=240, height=170)
    before = mask(client, image)
    made = client.call("path_from_selection", name="Oval")
    client.call("select_none")
    client.call("select_from", source="path", item=made["path"])
    assert np.abs(mask(client, image).astype(int) - before).mean() < 3
    bounds = client.call("get_path", path=made["path"])["bounds"]
    assert abs(bounds["x"] - 40) < 2 and abs(bounds["width"] - 240) < 3
    client.call("select_none")
    assert "no selection" in error(client, "path_from_selection").message


def test_stroking_and_filling(client):
    image, layer = picture(client, color="transparent")
    client.call("create_path", strokes=[{"points": SQUARE, "closed": True}])
    client.call("fill_path", color="rgb(40,80,160)")
    found = layer_pixels(client, layer)
    assert box(found[..., 3]) == (40, 50, 240, 120) and (found[50:170, 40:280] == BLUE).all()
    assert client.call("get_selection")["empty"] is True
    client.call("fill_selection", fill_type="transparent")
    client.call("stroke_path", color="rgb(40,80,160)", width=4)
    found = layer_pixels(client, layer)
    assert (
        box(found[..., 3]) == (38, 48, 244, 124)
        and (found[48:52, 40:280] == BLUE).all()
        and (found[53:167, 43:277, 3] == 0).all()
    )
    client.call("fill_selection", fill_type="transparent")
    client.call("set_context_state", dynamics="Confetti")  # what the user chose is not what a stroke gets
    client.call("stroke_path", color="rgb(40,80,160)", method="brush", width=5, tool="pencil")
    client.call("set_context_state", reset=True)
    found = layer_pixels(client, layer)
    assert (found[50, 40:280] == BLUE).all() and (found[..., 3] > 0).sum() > 2400 and (found[55:165, 45:275, 3] == 0).all()
    client.call("fill_selection", fill_type="transparent")
    client.call("create_rectangle_selection", x=100, y=100, width=100, height=60)
    client.call("stroke_selection", color="rgb(40,80,160)", width=2)
    found = layer_pixels(client, layer)
    some = found[..., 3] > 0
    assert some[100, 101:199].all() and some[101:159, 100].all() and not some[102:158, 102:198].any() and (found[some][:, :3] == BLUE[:3]).all()
    assert error(client, "stroke_path", dynamics="Confetti").kind == "invalid_argument"
    assert error(client, "stroke_path", method="brush", dashes=[3, 3]).kind == "invalid_argument"
    client.call("select_none")
    assert "no selection" in error(client, "stroke_selection", color="red").message


def test_properties_order_transform_and_deletion(client):
    image, _ = picture(client)
    first = client.call("create_path", strokes=[{"points": SQUARE, "closed": True}], name="First")["path"]
    second = client.call("create_path", strokes=[{"points": [[90, 100], [180, 100]]}], name="Second")["path"]
    made = client.call("set_path_properties", path=first, name="Box", visible=True, position=0)
    assert (made["name"], made["visible"], made["position"]) == ("Box", True, 0)
    listed = client.call("get_image_metadata")["structure"]["paths"]
    assert [row["name"] for row in listed] == ["Box", "Second"] and listed[0]["visible"] is True
    moved = client.call("transform_path", path=first, dx=5, dy=-2, scale_x=0.5)
    assert moved["bounds"] == {"x": 105, "y": 48, "width": 120, "height": 120}
    turned = client.call("transform_path", path=second, angle=90)["bounds"]
    assert turned["width"] == pytest.approx(0, abs=1e-6) and turned["height"] == pytest.approx(90)
    client.call("undo", steps=2)
    assert client.call("get_path", path=first)["bounds"] == {"x": 40, "y": 50, "width": 240, "height": 120}
    client.call("delete_path", path=second)
    assert error(client, "get_path", path=second).kind == "not_found"
    assert error(client, "set_path_properties", path=first).kind == "invalid_argument"
    assert error(client, "set_path_properties", path=first, position=7).kind == "invalid_argument"
    client.call("delete_path", path=first)
    assert "create_path" in error(client, "get_path").hint


def test_text_becomes_a_path(client):
    image, _ = picture(client)
    text = client.call("add_text_layer", text="OK", size=140, x=40, y=20)
    made = client.call("path_from_text", layer=text["layer"])
    client.call("select_from", source="path", item=made["path"])
    inked = layer_pixels(client, text["layer"])[..., 3]
    shown = np.zeros((210, 320), int)
    shown[20 : 20 + text["height"], 40 : 40 + text["width"]] = inked
    assert np.abs(mask(client, image) - shown).mean() < 6, "the outlines are where the letters are"


def test_text_follows_a_path(client):
    image, _ = picture(client)
    for points, spot in (([[48, 128], [208, 128]], "above"), ([[128, 20], [128, 180]], "right")):
        path = client.call("create_path", strokes=[{"points": points}])["path"]
        made = client.call(
            "text_along_path", path=path, text="HHHH", size=30, color="rgb(40,80,160)", alignment="center"
        )
        found = layer_pixels(client, made["layer"])
        x, y, width, height = box(found[..., 3])
        assert (found[found[..., 3] == 255][:, :3] == BLUE[:3]).all() and made["path_length"] == pytest.approx(
            160, abs=0.1
        )
        if spot == "above":  # upright, standing on the line, in its middle
            assert 126 <= y + height <= 129 and width > 60 and abs(x + width / 2 - 128) <= 4 and 18 <= height <= 26
        else:  # going down, so its upper side is to the right
            assert 127 <= x <= 130 and height > 60 and abs(y + height / 2 - 100) <= 4 and 18 <= width <= 26
        client.call("delete_path", path=path)
    ring = client.call(
        "path_from_svg",
        svg='<svg xmlns="http://www.w3.org/2000/svg" width="320" height="210"><circle cx="160" cy="105" r="60"/></svg>',
    )
    made = client.call("text_along_path", path=ring["path"], text="all the way round the ring", size=20)
    alpha = layer_pixels(client, made["layer"])[..., 3]
    rows, columns = np.nonzero(alpha > 128)
    radii = np.hypot(rows + 0.5 - 105, columns + 0.5 - 160)
    assert radii.min() > 52 and radii.max() < 82 and (radii > 60).mean() > 0.8, "outside the circle, descenders apart"
    count = len(client.call("get_image_metadata")["structure"]["paths"])
    kept = client.call("text_along_path", path=ring["path"], text="path", result="path")
    assert kept["layer"] is None and len(client.call("get_image_metadata")["structure"]["paths"]) == count + 1
    short = client.call("create_path", strokes=[{"points": [[0, 0], [10, 0]]}])["path"]
    assert "goes on beyond" in client.call("text_along_path", path=short, text="far too long", result="path")["note"]
    assert error(client, "text_along_path", path=ring["path"], text="two\nlines").kind == "invalid_argument"
    assert error(client, "text_along_path", path=ring["path"], text="   ").kind == "invalid_argument"
