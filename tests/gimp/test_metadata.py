"""get_image_metadata: everything of the specification and more, without reading a pixel."""

import json
import time

from truth import SETUP

RICH = r"""
im = new(310, 205)
add(im, 'Background', 310, 205, alpha=False)
g = Gimp.GroupLayer.new(im, 'Group'); im.insert_layer(g, None, 0); g.set_opacity(40)
a = add(im, 'inside', 200, 140, -50, 112, seed=2, parent=g, mode='MULTIPLY', opacity=25.0)
m = a.create_mask(Gimp.AddMaskType.WHITE); a.add_mask(m); a.set_apply_mask(False)
inner = Gimp.GroupLayer.new(im, 'Inner'); im.insert_layer(inner, g, 0); inner.set_mode(Gimp.LayerMode.PASS_THROUGH)
add(im, 'deep', 100, 80, parent=inner)
f = Gimp.DrawableFilter.new(a, 'gegl:gaussian-blur', 'my blur'); f.get_config().set_property('std-dev-x', 3.5); f.update(); a.append_filter(f); f.set_visible(False); f.set_opacity(0.5); f.update()
t = Gimp.TextLayer.new(im, 'Grüße', Gimp.context_get_font(), 20.0, Gimp.Unit.pixel()); im.insert_layer(t, None, 0); t.set_color(Gegl.Color.new('#2850a0'))
a.set_lock_content(True); a.set_color_tag(Gimp.ColorTag.GREEN); g.set_visible(False)
c = Gimp.Channel.new(im, 'chan', 310, 205, 30.0, Gegl.Color.new('#ff0000')); im.insert_channel(c, None, 0); c.set_visible(False)
p = Gimp.Path.new(im, 'path'); im.insert_path(p, None, 0)
for k in range(2): p.bezier_stroke_cubicto(p.bezier_stroke_new_moveto(10 * k, 5), 1, 2, 3, 4, 5, 6)
im.add_hguide(11); im.add_vguide(22)
im.select_rectangle(Gimp.ChannelOps.REPLACE, 4, 6, 20, 10)
im.set_color_profile(Gimp.ColorProfile.new_rgb_adobe()); im.set_resolution(144, 72)
im.attach_parasite(Gimp.Parasite.new('mine', 0, list(b'x')))
"""


def test_a_rich_image_is_told_whole(client):
    client.python(SETUP, RICH)
    data = client.call("get_image_metadata")
    basic, structure = data["basic"], data["structure"]
    assert {
        key: basic[key]
        for key in (
            "width",
            "height",
            "base_type",
            "precision",
            "precision_exact",
            "resolution_x",
            "resolution_y",
            "is_dirty",
        )
    } == {
        "width": 310,
        "height": 205,
        "base_type": "RGB",
        "precision": "8-bit integer",
        "precision_exact": "U8_NON_LINEAR",
        "resolution_x": 144.0,
        "resolution_y": 72.0,
        "is_dirty": True,
    }
    assert "mine" in basic["parasites"]
    assert (structure["num_layers"], structure["num_channels"], structure["num_paths"]) == (6, 1, 1)
    assert [layer["name"] for layer in structure["layers"]] == ["Grüße", "Group", "Background"]
    text, group, background = structure["layers"]
    assert background == {
        "id": background["id"],
        "name": "Background",
        "visible": True,
        "opacity": 100.0,
        "width": 310,
        "height": 205,
        "offset_x": 0,
        "offset_y": 0,
        "has_alpha": False,
        "blend_mode": "NORMAL",
        "layer_type": "RGB_IMAGE",
        "mask": None,
        "filters": [],
        "kind": "layer",
    }
    assert (
        text["kind"] == "text"
        and text["text"]["text"] == "Grüße"
        and text["text"]["font_size"] == 20.0
        and text["text"]["font"]
    )
    assert text["text"]["color"] == "rgba(40,80,160,1)" and text["text"]["font_size_unit"] == "pixels"
    assert group["kind"] == "group" and group["visible"] is False and abs(group["opacity"] - 40) < 0.5
    inner, inside = group["children"]
    assert inner["blend_mode"] == "PASS_THROUGH" and [child["name"] for child in inner["children"]] == ["deep"]
    assert (inside["offset_x"], inside["offset_y"], inside["width"], inside["height"]) == (-50, 112, 200, 140)
    assert inside["blend_mode"] == "MULTIPLY" and inside["layer_type"] == "RGBA_IMAGE" and inside["has_alpha"] is True
    assert inside["mask"]["id"] == client.eval("m.get_id()") and inside["mask"]["apply"] is False
    assert len(inside["filters"]) == 1
    effect = inside["filters"][0]
    assert (effect["name"], effect["operation"], effect["visible"], effect["opacity"]) == (
        "my blur",
        "gegl:gaussian-blur",
        False,
        50.0,
    )
    assert effect["properties"]["std-dev-x"] == 3.5 and effect["blend_mode"] == "REPLACE"
    channel, path = structure["channels"][0], structure["paths"][0]
    assert (channel["name"], channel["visible"], channel["color"], round(channel["opacity"])) == (
        "chan",
        False,
        "rgba(255,0,0,1)",
        30,
    )
    assert (path["name"], path["num_strokes"]) == ("path", 2)
    assert data["selection"] == {"empty": False, "bounds": {"x": 4, "y": 6, "width": 20, "height": 10}}
    assert {(guide["orientation"], guide["position"]) for guide in data["guides"]} == {
        ("horizontal", 11),
        ("vertical", 22),
    }
    assert "RGB" in data["color_profile"]["label"] and data["color_profile"]["linear"] is False
    assert data["file"] == {"path": None, "uri": None, "basename": None}


def test_full_detail_adds_locks_and_more(client):
    client.python(SETUP, RICH)
    inside = client.call("get_image_metadata", detail="full")["structure"]["layers"][1]["children"][1]
    assert inside["lock_content"] is True and inside["lock_alpha"] is False and inside["lock_position"] is False
    assert inside["color_tag"] == "GREEN" and inside["composite_mode"] == "AUTO" and inside["parasites"] == []


def test_sizes_are_right_with_and_without_a_selection(client):
    client.python(SETUP, "im = new(310, 205); add(im, 'a', 200, 140, -50, 112); add(im, 'off', 90, 80, 500, 500)")
    for script in ("Gimp.Selection.none(im)", "im.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 3, 3)"):
        client.python(script)
        assert [(row["width"], row["height"]) for row in client.call("get_image_metadata")["structure"]["layers"]] == [
            (90, 80),
            (200, 140),
        ]


def test_reading_it_changes_nothing_and_is_quick(client):
    client.python(
        SETUP,
        "im = new(1000, 1000)",
        "for k in range(20): im.insert_layer(Gimp.Layer.new(im, f'l{k}', 1000, 1000, "
        "Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL), None, 0)",
        "im.clean_all()",
        "before = state(im)",
    )
    times = []
    for _ in range(30):
        start = time.perf_counter()
        data = client.call("get_image_metadata")
        times.append(time.perf_counter() - start)
    assert len(data["structure"]["layers"]) == 20
    assert client.eval("before == state(im)")
    assert [row["is_dirty"] for row in client.call("list_images")["images"]] == [False]
    assert min(times) < 0.2  # a fault by a factor; scripts/bench-bridge measures


def test_many_layers_come_in_pages(client):
    code = [
        "im = Gimp.Image.new(50, 40, Gimp.ImageBaseType.RGB); im.undo_disable()",  # small: 2000 layers
        "g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0)",
        "new = lambda n: Gimp.Layer.new(im, n, 5, 5, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "[im.insert_layer(new('in %d' % n), g, n) for n in range(300)]",
        "[im.insert_layer(new('top %d' % n), None, n + 1) for n in range(1699)]",
        "im.undo_enable(); print(im.get_id())",
    ]
    image = int(client.python(*code, timeout=120))
    first = client.call("get_image_metadata", image=image)
    structure = first["structure"]
    assert (structure["num_layers"], structure["next_offset"]) == (2000, 200)
    assert len(structure["layers"]) == 1 and len(structure["layers"][0]["children"]) == 199
    assert first["note"].startswith("200 of 2000 layers") and len(json.dumps(first)) < 100_000
    names, offset = [], 0
    while offset is not None:
        page = client.call("get_image_metadata", image=image, offset=offset, limit=350)["structure"]
        for layer in page["layers"]:
            names += [layer["name"], *(child["name"] for child in layer.get("children", ()))]
            assert (layer.get("parent") is not None) == layer["name"].startswith("in ")
        offset = page.get("next_offset")
    assert names == ["g", *(f"in {n}" for n in range(300)), *(f"top {n}" for n in range(1699))]
    beyond = client.call("get_image_metadata", image=image, offset=5000)["structure"]
    assert beyond["layers"] == [] and beyond["num_layers"] == 2000
