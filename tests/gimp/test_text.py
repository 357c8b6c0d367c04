"""Text layers: words, places and colours, looked at in pixels; and that they stay text."""

import numpy as np
import pytest
from looking import box, error, layer_pixels, picture

BLUE = (40, 80, 160)


def ink(client, layer):
    """Where a layer has ink, in its own pixels."""
    return layer_pixels(client, layer)[..., 3]


def is_text(client, layer):
    return client.eval(f"Gimp.Item.get_by_id({layer}).is_text_layer()")


def test_text_is_where_and_as_it_was_asked_for(client):
    image, base = picture(client)
    made = client.call(
        "add_text_layer", text="HIM", x=20, y=40, size=120, color="rgb(40,80,160)", font="sans-serif bold"
    )
    found = layer_pixels(client, made["layer"])
    assert (made["x"], made["y"]) == (20, 40) and found.shape[:2] == (made["height"], made["width"])
    core = found[..., 3] == 255
    assert core.sum() > 2700 and (found[core][:, :3] == BLUE).all()
    x, y, width, height = box(found[..., 3])
    assert 72 <= height <= 102 and width > 180, "capitals of 120 pixels"
    properties = client.call("get_text_layer")["properties"]
    assert properties["text"] == "HIM" and properties["font"] == "Sans-serif Bold" and properties["size"] == 120
    assert properties["color"] == "rgba(40,80,160,1)" and properties["size_unit"] in ("pixel", "pixels", "px")
    layer = client.call("get_image_metadata")["structure"]["layers"][0]
    assert layer["kind"] == "text" and layer["name"] == "HIM" and layer["id"] == made["layer"]


@pytest.mark.parametrize(
    "anchor, across, down",
    [
        ("top_left", 0, 0),
        ("top", 0.5, 0),
        ("right", 1, 0.5),
        ("center", 0.5, 0.5),
        ("bottom_left", 0, 1),
        ("bottom_right", 1, 1),
    ],
)
def test_anchors(client, anchor, across, down):
    picture(client)
    made = client.call("add_text_layer", text="Anchored", x=160, y=128, anchor=anchor)
    assert abs(made["x"] + made["width"] * across - 160) <= 0.5 and abs(made["y"] + made["height"] * down - 128) <= 0.5


def test_editing_keeps_it_text(client):
    picture(client)
    layer = client.call("add_text_layer", text="Before", x=10, y=10, size=20)["layer"]
    small = ink(client, layer).sum()
    made = client.call("edit_text_layer", text="Afterwards", size=30, color="red", font="Serif", name="Title")
    assert made["layer"] == layer and is_text(client, layer) and ink(client, layer).sum() > small * 1.5
    assert (
        made["properties"]["text"] == "Afterwards"
        and made["properties"]["font"] == "Serif"
        and made["properties"]["size"] == 30
    )
    found = layer_pixels(client, layer)
    assert (found[found[..., 3] == 255][:, :3] == (255, 0, 0)).all() and (made["x"], made["y"]) == (10, 10)
    moved = client.call("edit_text_layer", x=50)
    assert (moved["x"], moved["y"]) == (50, 10)
    wide = client.call("edit_text_layer", letter_spacing=6)["width"]
    assert wide >= made["width"] + 6 * 8
    client.call("undo", steps=3)
    back = client.call("get_text_layer", layer=layer)
    assert (
        back["properties"]["text"] == "Before"
        and is_text(client, back["layer"])
        and ink(client, back["layer"]).sum() == small
    )


def test_spacing_alignment_and_indent(client):
    picture(client)
    one = client.call("add_text_layer", text="wide line\nx", size=20)
    left = ink(client, one["layer"])
    half = one["height"] // 2
    lower = box(left[half:])
    tall = client.call("edit_text_layer", line_spacing=15)
    assert tall["height"] == one["height"] + 15 or tall["height"] == one["height"] + 30
    client.call("edit_text_layer", line_spacing=0, alignment="right")
    right = box(ink(client, one["layer"])[half:])
    client.call("edit_text_layer", alignment="center")
    middle = box(ink(client, one["layer"])[half:])
    assert lower[0] < middle[0] < right[0] and lower[0] <= 2
    client.call("edit_text_layer", alignment="left", indent=25)
    assert box(ink(client, one["layer"]))[0] >= 1 and box(ink(client, one["layer"])[:half])[0] >= 24
    properties = client.call("get_text_layer")["properties"]
    assert properties["alignment"] == "left" and properties["indent"] == 25
    client.call("edit_text_layer", antialias=False, hinting="none", kerning=True, language="de", direction="rtl")
    properties = client.call("get_text_layer")["properties"]
    assert (properties["antialias"], properties["hinting"], properties["kerning"]) == (False, "none", True)
    assert (properties["language"], properties["direction"]) == ("de", "rtl")
    assert set(np.unique(ink(client, one["layer"]))) == {0, 255}, "without antialias"


def test_a_box_wraps_and_grows_as_the_text_needs(client):
    picture(client)
    words = "several words that surely do not fit into one line"
    free = client.call("add_text_layer", text=words, size=16)
    made = client.call("add_text_layer", text=words, size=16, width=100)
    assert made["width"] == 100 and made["height"] > free["height"] * 3
    inked = box(ink(client, made["layer"]))
    assert made["height"] - 8 <= inked[1] + inked[3] <= made["height"], "no line is cut and little is left over"
    assert ink(client, made["layer"]).sum() == pytest.approx(ink(client, free["layer"]).sum(), rel=0.03), (
        "all of it is there"
    )
    fixed = client.call("add_text_layer", text=words, size=16, width=120, height=50)
    assert (fixed["width"], fixed["height"]) == (120, 50)
    edited = client.call("edit_text_layer", width=200)
    assert edited["width"] == 200 and edited["height"] < made["height"]
    assert error(client, "add_text_layer", text="x", height=10).kind == "invalid_argument"


def test_markup(client):
    picture(client)
    layer = client.call("add_text_layer", text='plain <span foreground="#ff0000">red</span>', markup=True, size=30)[
        "layer"
    ]
    found = layer_pixels(client, layer)
    core = {tuple(color) for color in found[found[..., 3] == 255][:, :3]}
    assert {(0, 0, 0), (255, 0, 0)} <= core
    properties = client.call("get_text_layer")["properties"]
    assert properties["text"] == "plain red" and "span" in properties["markup"]
    count = client.call("get_image_metadata")["structure"]["num_layers"]
    for bad in ("<b>open", "a & b", "<nosuchtag>x</nosuchtag>"):
        problem = error(client, "add_text_layer", text=bad, markup=True)
        assert problem.kind == "invalid_argument" and problem.hint, bad
        assert error(client, "edit_text_layer", text=bad, markup=True).kind == "invalid_argument", bad
    assert client.call("get_image_metadata")["structure"]["num_layers"] == count, "nothing is left behind"
    assert client.call("get_text_layer")["properties"]["markup"] == properties["markup"]
    assert client.call("edit_text_layer", text="a & b <c>")["properties"]["text"] == "a & b <c>"


def test_rotated_text_is_pixels_and_says_so(client):
    picture(client)
    flat = client.call("add_text_layer", text="turned", size=30)
    made = client.call("add_text_layer", text="turned", size=30, x=60, y=60, angle=90)
    assert (
        "pixels" in made["note"]
        and abs(made["height"] - flat["width"]) <= 2
        and abs(made["width"] - flat["height"]) <= 2
    )
    for call in ("edit_text_layer", "get_text_layer"):
        problem = error(client, call, layer=made["layer"], **({"text": "x"} if call[0] == "e" else {}))
        assert problem.kind == "invalid_argument" and "text" in problem.message


def test_outlines_where_gimp_has_them(client, gimp_version):
    picture(client)
    arguments = {
        "text": "O",
        "size": 60,
        "color": "white",
        "outline": "filled",
        "outline_color": "rgb(40,80,160)",
        "outline_width": 6,
    }
    if gimp_version == "3.0":
        problem = error(client, "add_text_layer", **arguments)
        assert problem.kind == "unsupported" and "3.2" in problem.message and "stroke_path" in problem.hint
        assert client.call("get_image_metadata")["structure"]["num_layers"] == 1
        return
    layer = client.call("add_text_layer", **arguments)["layer"]
    found = layer_pixels(client, layer)
    core = found[found[..., 3] == 255][:, :3]
    assert (core == BLUE).all(axis=1).sum() > 100 and (core == 255).all(axis=1).sum() > 50
    properties = client.call("get_text_layer")["properties"]
    assert (
        properties["outline"] == "filled"
        and properties["outline_width"] == 6
        and properties["outline_color"] == "rgba(40,80,160,1)"
    )
    hollow = client.call("edit_text_layer", outline="hollow", outline_position="outer")["properties"]
    assert (hollow["outline"], hollow["outline_position"]) == ("hollow", "outer")
    assert client.call("edit_text_layer", outline="none")["properties"]["outline"] == "none"


def test_measuring_agrees_with_adding_and_adds_nothing(client):
    image, _ = picture(client)
    for arguments in (
        {"text": "Measure me", "size": 33},
        {"text": "two\nlines", "font": "Serif", "letter_spacing": 4},
        {"text": "wraps at some place here", "width": 90, "size": 18},
        {"text": "<b>b</b>", "markup": True},
    ):
        measured, made = client.call("measure_text", **arguments), client.call("add_text_layer", **arguments)
        assert (measured["width"], measured["height"]) == (made["width"], made["height"]), arguments
        assert 0 < measured["descent"] < measured["ascent"] <= measured["height"]
    assert [row["id"] for row in client.call("list_images")["images"]] == [image]


def test_the_fields_family_names(client):
    """Sans and Mono are fontconfig's names of what GIMP lists as Sans-serif and Monospace."""
    picture(client)
    for given, font in (("Sans", "Sans-serif"), ("sans Bold", "Sans-serif Bold"), ("Mono", "Monospace")):
        made = client.call("add_text_layer", text="a", font=given)
        assert client.call("get_text_layer", layer=made["layer"])["properties"]["font"] == font


def test_fonts(client):
    every = client.call("list_fonts", limit=500)
    assert every["total"] == len(every["fonts"]) and "Sans-serif" in every["fonts"]
    assert all("mono" in name.lower() for name in client.call("list_fonts", search="MONO")["fonts"])
    page = client.call("list_fonts", limit=3)
    assert page["fonts"] == every["fonts"][:3] and page["next_offset"] == 3
    picture(client)
    problem = error(client, "add_text_layer", text="x", font="DejaVu Sanz Bold")
    assert problem.kind == "not_found" and "DejaVu Sans Bold" in problem.hint
    assert error(client, "edit_text_layer", text="x").message.endswith("no text layer")
    assert error(client, "edit_text_layer").kind == "invalid_argument"


def test_grey_and_deep_images(client):
    for more in ({"base_type": "GRAY"}, {"precision": "float", "linear": True}, {"precision": "u16"}):
        picture(client, **more)
        layer = client.call("add_text_layer", text="M", size=50, color="rgb(80,80,80)", x=10)["layer"]
        found = layer_pixels(client, layer)
        core = found[found[..., 3] == 255][:, :3].astype(int)
        assert len(core) > 50 and np.abs(core - 80).max() <= 1, more
        client.call("close_image", discard_changes=True)


def test_painting_on_text_is_said(client):
    picture(client)
    layer = client.call("add_text_layer", text="M", size=50)["layer"]
    assert "pixels" in client.call("fill_selection", layer=layer, color="red")["note"]
    assert error(client, "edit_text_layer", layer=layer, text="N").kind == "invalid_argument"


def test_characters_that_no_font_has_are_named(client):
    client.call("create_new_image", width=300, height=200)
    answer = client.call("add_text_layer", text="Caff\u00e8 \u6f22\u5b57", size=40)
    assert "`\u6f22` (U+6F22), `\u5b57` (U+5B57)" in answer["message"] and "\u00e8" not in answer["message"].partition(";")[2]
    assert ";" not in client.call("add_text_layer", text="Caff\u00e8", size=40)["message"]
    layer = client.call("add_text_layer", text="plain", size=40)["layer"]
    answer = client.call("edit_text_layer", layer=layer, text="<b>\u6f22</b> &amp;", markup=True)
    assert "U+6F22" in answer["message"]
    # A character that another font lends: the font is named
    answer = client.call("add_text_layer", text="snow \u2603", font="C059 Roman", size=40)
    assert "`C059 Roman` has no `\u2603` (U+2603)" in answer["message"]
