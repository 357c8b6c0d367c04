"""Brushes, gradients, palettes: found by name, made of parameters, used, deleted."""

import numpy as np
import pytest
from looking import box, error, layer_pixels, picture


def test_lists_search_and_page(client):
    for kind, name in (
        ("brush", "2. Hardness 050"),
        ("pattern", "Pine"),
        ("gradient", "Full Saturation Spectrum CW"),
        ("palette", "Web"),
        ("font", "Sans-serif"),
        ("dynamics", "Confetti"),
    ):
        everything = client.call("list_resources", kind=kind, limit=200)
        names = [row["name"] for row in everything["resources"]]
        assert name in names and everything["total"] == len(names) and everything["next_offset"] is None
        found = client.call("list_resources", kind=kind, search=name.upper())
        assert [row["name"] for row in found["resources"]][:1] == [name]
        paged, offset = [], 0
        while offset is not None:
            page = client.call("list_resources", kind=kind, offset=offset, limit=13)
            assert len(page["resources"]) <= 13
            paged += [row["name"] for row in page["resources"]]
            offset = page["next_offset"]
        assert paged == names
    assert client.call("list_resources", kind="font", search="no such font")["total"] == 0


def test_a_gradient_of_given_stops(client):
    made = client.call(
        "create_gradient", name="Stops", colors=["red", "rgb(40,80,160)", "white"], positions=[0, 0.3, 0.9]
    )
    assert made["segments"] == 3
    seen = client.call("get_resource", kind="gradient", name="stops")
    assert seen["editable"] is True and seen["segments"] == 3
    assert (
        seen["samples"][0] == "rgba(255,0,0,1)"
        and seen["samples"][3] == "rgba(40,80,160,1)"
        and seen["samples"][-1] == "rgba(255,255,255,1)"
    )
    again = client.call("create_gradient", name="Stops", colors=["red", "blue"])
    assert again["name"] != "Stops" and again["name"].startswith("Stops")
    image, layer = picture(client, width=300)
    client.call("draw_gradient", gradient="Stops", start=[0, 0], end=[300, 0], dither=False)
    row = layer_pixels(client, layer)[150].astype(int)
    assert np.abs(row[90] - (40, 80, 160, 255)).max() <= 8 and np.abs(row[285] - 255).max() <= 1
    for name in (made["name"], again["name"]):
        assert client.call("delete_resource", kind="gradient", name=name)["deleted"] == name
    assert client.call("list_resources", kind="gradient", search="Stops")["total"] == 0
    assert error(client, "create_gradient", name="x", colors=["red", "blue"], positions=[0]).kind == "invalid_argument"


def test_palettes(client):
    made = client.call(
        "create_palette",
        name="House",
        colors=["rgb(40,80,160)", [1, 2, 3], "white"],
        color_names=["Blue", "Ink", "Paper"],
        columns=3,
    )
    assert made["colors"] == ["rgba(40,80,160,1)", "rgba(1,2,3,1)", "rgba(255,255,255,1)"]
    seen = client.call("get_resource", kind="palette", name="house")
    assert [row["name"] for row in seen["entries"]] == ["Blue", "Ink", "Paper"] and seen["columns"] == 3
    client.call("delete_resource", kind="palette", name="House")
    image, layer = picture(client, color="rgb(40,80,160)")
    client.call("draw_rectangle", x=100, y=100, width=200, height=90, fill_color="rgb(250,10,20)")
    made = client.call("create_palette", name="Taken", from_image=2)
    assert sorted(made["colors"]) == ["rgba(250,10,20,1)", "rgba(40,80,160,1)"]
    assert [row["id"] for row in client.call("list_images")["images"]] == [image], "the copy is gone"
    client.call("delete_resource", kind="palette", name="Taken")
    assert error(client, "create_palette", name="x").kind == "invalid_argument"
    assert error(client, "create_palette", name="x", colors=["red"], color_names=["a", "b"]).kind == "invalid_argument"


def test_a_brush_of_parameters_is_painted_with(client):
    made = client.call("create_brush", name="Block", shape="square", radius=6, hardness=1, spacing=25)
    assert made["shape"] == "square" and made["radius"] == 6 and made["spacing"] == 25
    image, layer = picture(client, color="transparent")
    client.call(
        "draw_brush_stroke", stroke_points=[[128, 128]], brush_name="block", brush_size=13, color="rgb(40,80,160)"
    )
    found = layer_pixels(client, layer)
    x, y, width, height = box(found[..., 3] > 200)
    assert abs(width - 13) <= 2 and abs(height - 13) <= 2 and (found[128, 128] == (40, 80, 160, 255)).all()
    assert (found[y + 1, x + 1, 3], found[y + 1, x + width - 2, 3]) == (255, 255), "corners are there"
    assert client.call("get_resource", kind="brush", name="Block")["hardness"] == pytest.approx(1)
    client.call("delete_resource", kind="brush", name="Block")
    assert error(client, "get_resource", kind="brush", name="Block").kind == "not_found"


def test_errors_name_the_nearest_and_gimps_own_stay(client):
    problem = error(client, "get_resource", kind="palette", name="Wep")
    assert problem.kind == "not_found" and "Web" in problem.details["nearest"]
    assert error(client, "delete_resource", kind="gradient", name="Full Saturation Spectrum CW").kind == "forbidden"
