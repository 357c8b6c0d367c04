"""Filling, strokes and gradients, looked at pixel by pixel."""

import numpy as np
import pytest
from looking import add_layer, box, error, layer_pixels, mask, picture

BLUE = (40, 80, 160, 255)


def moved(client, **more):
    """A transparent layer of 260x170 at (30, 20) in an image of 320x210."""
    image, _ = picture(client, **more)
    layer = add_layer(client, image, 260, 170, 30, 20)
    return image, layer


@pytest.mark.parametrize("more", [{}, {"precision": "u16"}, {"precision": "float", "linear": True}, {"linear": True}])
def test_a_fill_paints_exactly_the_colour(client, more):
    image, layer = picture(client, **more)
    client.call("create_rectangle_selection", x=50, y=60, width=220, height=130)
    before = mask(client, image)
    made = client.call("fill_selection", fill_type="color", color="rgb(40,80,160)")
    assert "rgb(40,80,160)" in made["message"] and made["effect"]["region"] == {
        "x": 50,
        "y": 60,
        "width": 220,
        "height": 130,
    }
    found = layer_pixels(client, layer)
    tolerance = 2 if more.get("linear") and "precision" not in more else 0
    assert np.abs(found[60:190, 50:270].astype(int) - BLUE).max() <= tolerance
    assert box((found != 255).any(axis=2)) == (50, 60, 220, 130) and np.array_equal(mask(client, image), before)


def test_every_fill_type(client):
    image, layer = picture(client)
    for arguments, wanted in (
        ({"color": [40, 80, 160]}, BLUE),
        ({"fill_type": "white"}, (255, 255, 255, 255)),
        ({"fill_type": 4}, None),  # GIMP's number of transparent
        ({"fill_type": 3}, (255, 255, 255, 255)),
        ({"fill_type": "middle_gray"}, (119, 119, 119, 255)),
        ({"fill_type": "transparent"}, None),
    ):
        client.call("fill_selection", **arguments)
        found = layer_pixels(client, layer)
        assert (found[..., 3] == 0).all() if wanted is None else (found == wanted).all(), arguments
    client.call("set_context_state", foreground="#123456", background="#654321")
    client.call("fill_selection")
    assert (layer_pixels(client, layer) == (0x12, 0x34, 0x56, 255)).all()
    client.call("fill_selection", fill_type="background")
    assert (layer_pixels(client, layer) == (0x65, 0x43, 0x21, 255)).all()
    client.call("fill_selection", fill_type="pattern", pattern="pine")
    assert len(np.unique(layer_pixels(client, layer).reshape(-1, 4), axis=0)) > 8
    assert client.call("get_context_state")["foreground"] == "rgba(18,52,86,1)", "a fill leaves the user's colours"
    client.call("fill_selection", color="transparent")
    assert (layer_pixels(client, layer)[..., 3] == 0).all()
    client.call("fill_selection", color="rgba(40,80,160,0.5)")
    assert (np.abs(layer_pixels(client, layer).astype(int) - (40, 80, 160, 128)) <= (1, 1, 1, 1)).all()


def test_bad_fills(client):
    image, layer = picture(client)
    assert "needs `color`" in error(client, "fill_selection", fill_type="color").message
    assert error(client, "fill_selection", fill_type="white", color="red").kind == "invalid_argument"
    problem = error(client, "fill_selection", fill_type="pattern", pattern="Pinewood")
    assert problem.kind == "not_found" and "Pine" in problem.hint
    assert "did you mean" in error(client, "fill_selection", color="red", mode="multply").hint
    assert error(client, "fill_selection", fill_type="transparent", opacity=50).kind == "invalid_argument"
    client.python(f"l = Gimp.Item.get_by_id({layer}); l.set_lock_content(True)")
    assert "locked" in error(client, "fill_selection", color="red").message
    assert (layer_pixels(client, layer) == 255).all()


def test_clearing_gives_an_opaque_layer_alpha_and_says_so(client):
    image, layer = picture(client, alpha=False)
    client.call("create_rectangle_selection", x=50, y=60, width=220, height=130)
    made = client.call("clear_selection")
    assert "alpha channel" in made["note"]
    found = layer_pixels(client, layer)[..., 3]
    assert box(found == 0) == (50, 60, 220, 130) and (found == 0).sum() == 28600
    client.call("undo")
    assert (layer_pixels(client, layer) == 255).all()


def test_bucket_fill_stays_in_its_area(client):
    image, layer = moved(client)
    client.call("draw_rectangle", x=80, y=70, width=160, height=100, fill_color="red", layer=layer)
    client.call("bucket_fill", point=[82, 72], color="rgb(40,80,160)", layer=layer)
    found = layer_pixels(client, layer)
    assert (found[50:150, 50:210] == BLUE).all() and (found[..., 3] > 0).sum() == 16000
    client.call("bucket_fill", point=[1, 1], units="layer", color="lime", layer=layer)
    found = layer_pixels(client, layer)
    assert (found[50:150, 50:210] == BLUE).all()
    assert (found[0, 0] == (0, 255, 0, 255)).all() and (found[..., 3] == 255).all()
    client.call("bucket_fill", point=[200, 160], fill_type="transparent", layer=layer)
    assert (layer_pixels(client, layer)[..., 3] == 0).sum() == 16000
    client.call("bucket_fill", point=[280, 180], color="transparent", layer=layer)
    assert (layer_pixels(client, layer)[..., 3] == 0).all()
    assert "not on" in error(client, "bucket_fill", point=[1, 1], color="red", layer=layer).message


def test_a_linear_gradient_has_its_colours_at_its_ends(client):
    image, layer = picture(client, width=321)
    client.call("draw_gradient", colors=["#204080", "white"], start=[0, 0], end=[321, 0], dither=False)
    found = layer_pixels(client, layer)
    row = found[150].astype(int)
    assert (found == found[150]).all()
    assert np.abs(row[0] - (0x20, 0x40, 0x80, 255)).max() <= 3 and np.abs(row[-1] - 255).max() <= 3
    assert (np.diff(row[:, 0]) >= 0).all() and np.abs(row[160, :3] - (143.5, 159.5, 191.5)).max() <= 2
    client.call(
        "draw_gradient",
        colors=["red", "lime", "blue"],
        positions=[0, 0.25, 1],
        start=[0, 0],
        end=[321, 0],
        dither=False,
    )
    row = layer_pixels(client, layer)[150].astype(int)
    assert np.argmax(row[:, 1]) in (79, 80, 81) and row[0, 0] > 245 and row[-1, 2] > 250
    client.call(
        "draw_gradient",
        colors=["red", "red", "blue", "blue"],
        positions=[0, 0.5, 0.5, 1],
        start=[0, 0],
        end=[321, 0],
        dither=False,
    )
    row = layer_pixels(client, layer)[150]
    assert (row[:159] == (255, 0, 0, 255)).all() and (row[162:] == (0, 0, 255, 255)).all()


def test_a_gradient_to_transparent_does_not_darken(client):
    image, layer = picture(client, color="transparent")
    client.call(
        "draw_gradient", type="radial", colors=["red", "transparent"], start=[128, 120], end=[208, 120], dither=False
    )
    found = layer_pixels(client, layer).astype(int)
    seen = found[..., 3] > 8
    assert (found[seen][:, 0] > 250).all() and (found[seen][:, 1:3] < 5).all()
    assert found[120, 128, 3] > 240 and abs(found[120, 168, 3] - 128) < 12 and found[2, 2, 3] == 0
    names = client.call("list_resources", kind="gradient", search="gimp-bridge")
    assert names["total"] == 0, "the passing gradient is gone"


def test_a_gradient_within_the_selection_by_name_and_its_errors(client):
    image, layer = picture(client)
    client.call("create_rectangle_selection", x=50, y=40, width=220, height=130)
    made = client.call("draw_gradient", gradient="full saturation spectrum cw")
    assert made["start"] == [50, 105] and made["end"] == [270, 105]
    found = layer_pixels(client, layer)
    assert box((found != 255).any(axis=2)) == (50, 40, 220, 130)
    assert "nearest" in error(client, "draw_gradient", gradient="Full Satur").hint
    assert error(client, "draw_gradient").kind == "invalid_argument"
    assert error(client, "draw_gradient", colors=["red", "blue"], gradient="x").kind == "invalid_argument"
    assert "ascend" in error(client, "draw_gradient", colors=["red", "blue"], positions=[1, 0]).message
    assert "both" in error(client, "draw_gradient", colors=["red", "blue"], start=[3, 3], end=[3, 3]).message


def test_a_stroke_lies_where_its_points_are(client):
    image, layer = moved(client)
    for tool in ("paintbrush", "pencil"):
        client.call("fill_selection", fill_type="transparent", layer=layer)
        made = client.call(
            "draw_brush_stroke",
            layer=layer,
            stroke_points=[[70, 148], [250, 148]],
            tool=tool,
            brush_size=5,
            color="rgb(40,80,160)",
        )
        found = layer_pixels(client, layer)
        assert box(found[..., 3]) == (38, 126, 185, 5), tool
        assert (found[128, 40:221] == BLUE).all() and made["brush"] == "2. Hardness 100"
    client.call("fill_selection", fill_type="transparent", layer=layer)
    client.call("draw_brush_stroke", layer=layer, stroke_points=[[158, 148]], tool="pencil", brush_size=1, color="red")
    found = layer_pixels(client, layer)
    assert (found[..., 3] > 0).sum() == 1 and (found[128, 128] == (255, 0, 0, 255)).all()


def test_brush_options_show(client):
    image, layer = picture(client, color="transparent")

    def stroke(**more):
        client.call("fill_selection", fill_type="transparent")
        client.call("draw_brush_stroke", stroke_points=[[128, 128]], color="black", **{"brush_size": 21, **more})
        return layer_pixels(client, layer)[..., 3].astype(int)

    hard, soft = stroke(hardness=1), stroke(hardness=0)
    assert hard[128, 128] == 255 and soft.sum() < hard.sum() * 0.8 and len(np.unique(soft)) > len(np.unique(hard))
    assert abs(stroke(hardness=1, opacity=50)[128, 128] - 128) <= 1
    assert box(stroke(hardness=1, aspect_ratio=10))[2:] != box(hard)[2:]
    dots = [stroke(brush_size=5, hardness=1)]
    client.call("fill_selection", fill_type="transparent")
    client.call(
        "draw_brush_stroke", stroke_points=[[10, 128], [310, 128]], color="black", brush_size=5, hardness=1, spacing=400
    )
    dots.append(layer_pixels(client, layer)[128, :, 3])
    assert (dots[1] == 0).any() and (np.diff((dots[1] > 0).astype(int)) == 1).sum() >= 14, "spacing leaves gaps"
    client.call("fill_selection", fill_type="transparent")
    client.call(
        "draw_brush_stroke", stroke_points=[[10, 128], [310, 128]], color="black", brush_size=9, dynamics="fade tapering"
    )
    height = (layer_pixels(client, layer)[..., 3] > 0).sum(axis=0)
    assert height[290] >= 5 > height[20], "the dynamics taper the stroke"
    client.call("fill_selection", fill_type="transparent")
    sums = []
    for pressure in (30, 100):
        client.call(
            "draw_brush_stroke", stroke_points=[[120, 128], [150, 128]], tool="airbrush", pressure=pressure, color="red"
        )
        sums.append(int(layer_pixels(client, layer)[..., 3].sum()))
        client.call("fill_selection", fill_type="transparent")
    assert 0 < sums[0] < sums[1] * 0.85
    made = client.call(
        "draw_brush_stroke", stroke_points=[[128, 128]], tool="eraser", dynamics="Dynamics Random", brush_size=30
    )
    assert made["effect"]["changed"] is False
    problem = error(client, "draw_brush_stroke", stroke_points=[[1, 1]], brush_name="Hardness 100")
    assert problem.kind == "not_found" and "2. Hardness 100" in problem.hint
    assert error(client, "draw_brush_stroke", stroke_points=[[1, 1]], dynamics="none such").kind == "not_found"
    assert (
        error(client, "draw_brush_stroke", stroke_points=[[1, 1]], tool="eraser", color="red").kind
        == "invalid_argument"
    )
    assert (
        error(client, "draw_brush_stroke", stroke_points=[[1, 1]], dynamics="Confetti", incremental=True).kind
        == "invalid_argument"
    )


def test_eraser_and_selection(client):
    image, layer = picture(client, alpha=False)
    client.call("create_rectangle_selection", x=0, y=0, width=160, height=210)
    client.call("draw_brush_stroke", stroke_points=[[40, 128], [280, 128]], tool="eraser", brush_size=9, hardness=1)
    alpha = layer_pixels(client, layer)[..., 3]
    assert (alpha[128, 42:160] == 0).all() and (alpha[:, 160:] == 255).all() and (alpha[:123] == 255).all()
    client.call("create_rectangle_selection", x=0, y=0, width=50, height=50)
    made = client.call("draw_brush_stroke", stroke_points=[[250, 150]], color="red")
    assert made["effect"]["changed"] is False and made["message"].endswith("nothing in the image changed")


def test_retouching(client):
    image, layer = picture(client, color="#808080")
    client.call("draw_rectangle", x=50, y=50, width=40, height=40, fill_color="red")
    client.call("retouch_stroke", tool="clone", source=[70, 70], stroke_points=[[256, 128]], brush_size=5, hardness=1)
    found = layer_pixels(client, layer)
    assert (found[128, 256] == (255, 0, 0, 255)).all() and box(found[..., 1] == 0)[:2] == (50, 50)
    assert client.call("get_image_metadata")["structure"]["num_layers"] == 1
    client.call("retouch_stroke", tool="heal", source=[150, 180], stroke_points=[[256, 128]], brush_size=11, hardness=1)
    assert np.abs(layer_pixels(client, layer)[128, 256].astype(int) - (128, 128, 128, 255)).max() < 90
    for tool, sign in (("dodge", 1), ("burn", -1)):
        before = layer_pixels(client, layer).astype(int)
        client.call("retouch_stroke", tool=tool, stroke_points=[[120, 190], [270, 190]], strength=80)
        assert np.sign(layer_pixels(client, layer).astype(int)[190, 200, 0] - before[190, 200, 0]) == sign, tool
    for tool in ("smudge", "blur", "sharpen"):
        made = client.call("retouch_stroke", tool=tool, stroke_points=[[70, 64], [120, 64]], strength=90, brush_size=8)
        assert made["effect"]["changed"] is True, tool
    assert "needs `source`" in error(client, "retouch_stroke", tool="clone", stroke_points=[[1, 1]]).message
    assert (
        "has no `source`" in error(client, "retouch_stroke", tool="blur", stroke_points=[[1, 1]], source=[1, 1]).message
    )
    assert "is not on" in error(client, "retouch_stroke", tool="clone", stroke_points=[[1, 1]], source=[399, 1]).message


def test_cloning_between_moved_layers(client):
    """Each pixel of the source says where it is."""
    image, target = moved(client)
    source = add_layer(client, image, 240, 180, 7, 9)
    client.python(
        f"l = Gimp.Item.get_by_id({source}); b = l.get_buffer()",
        "places = bytes(v for y in range(180) for x in range(240) for v in (x + 7, y + 9, 0, 255))",
        "b.set(Gegl.Rectangle.new(0, 0, 240, 180), \"R'G'B'A u8\", places); b.flush(); l.update(0, 0, 240, 180)",
    )
    client.call(
        "retouch_stroke",
        tool="clone",
        layer=target,
        source_layer=source,
        source=[110, 153],
        stroke_points=[[100, 148], [228, 148]],
        brush_size=5,
        hardness=1,
    )
    found = layer_pixels(client, target)
    for x in range(100, 229):
        assert (found[128, x - 30] == (x + 10, 153, 0, 255)).all(), x


def test_copying_and_pasting(client):
    image, layer = moved(client)
    client.call("fill_selection", color="rgb(40,80,160)", layer=layer)
    client.call("create_rectangle_selection", x=10, y=40, width=200, height=120)
    made = client.call("copy_selection", layer=layer, name="Part")
    found = layer_pixels(client, made["layer"])
    assert found.shape == (120, 180, 4) and (found == BLUE).all()
    listed = client.call("get_image_metadata")["structure"]
    row = next(row for row in listed["layers"] if row["id"] == made["layer"])
    assert (row["offset_x"], row["offset_y"], row["name"]) == (30, 40, "Part") and listed["selected_layers"] == [
        made["layer"]
    ]
    cut = client.call("copy_selection", layer=layer, cut=True)
    assert (layer_pixels(client, layer)[20:140, 0:180, 3] == 0).all() and (
        layer_pixels(client, cut["layer"]) == BLUE
    ).all()
    merged = client.call("copy_selection", merged=True)
    assert (merged["width"], merged["height"]) == (200, 120)
    assert (layer_pixels(client, merged["layer"])[:, 20:] == BLUE).all() and (
        layer_pixels(client, merged["layer"])[:, :20] == 255
    ).all()
    client.call("copy_selection", layer=cut["layer"], to="clipboard")
    pasted = client.call("paste_clipboard", x=3, y=4, name="Pasted")
    assert (pasted["x"], pasted["y"]) == (3, 4) and (layer_pixels(client, pasted["layer"])[:, 20:] == BLUE).all()
    assert client.call("get_selection")["bounds"] == {"x": 10, "y": 40, "width": 200, "height": 120}, "the selection stays"
    client.call("select_none")
    whole = client.call("copy_selection", layer=layer, cut=True)
    assert (layer_pixels(client, layer)[..., 3] == 0).all() and (whole["width"], whole["height"]) == (260, 170)
    other, _ = picture(client)
    again = client.call("paste_clipboard", image=other, x=1, y=2)
    assert (layer_pixels(client, again["layer"])[:, 20:] == BLUE).all()
    assert error(client, "copy_selection", image=image, merged=True, cut=True).kind == "invalid_argument"
    client.python(f"Gimp.Item.get_by_id({layer}).set_lock_content(True)")
    assert client.call("copy_selection", image=image, layer=layer)["width"] == 260, "what is locked can be copied"
    assert error(client, "copy_selection", layer=layer, cut=True).kind == "forbidden"
    client.call("create_rectangle_selection", image=image, x=295, y=195, width=20, height=10)
    assert "does not touch" in error(client, "copy_selection", layer=layer).message


def test_a_copy_lies_right_above_its_source(client):
    image, layer = moved(client)
    client.call("fill_selection", color="red")
    add_layer(client, image, 9, 9, 0, 0)
    made = client.call("copy_selection", layer=layer)["layer"]
    order = [row["id"] for row in client.call("get_image_metadata")["structure"]["layers"]]
    assert order.index(made) == order.index(layer) - 1 and len(order) == 4
    client.python(
        f"im = Gimp.Image.get_by_id({image}); g = Gimp.GroupLayer.new(im, 'group'); im.insert_layer(g, None, 0)",
        f"im.reorder_item(Gimp.Item.get_by_id({layer}), g, 0)",
    )
    made = client.call("copy_selection", layer=layer)["layer"]
    group = client.call("get_image_metadata")["structure"]["layers"][0]
    assert [row["id"] for row in group["children"]] == [made, layer]
    assert "is a group" in error(client, "copy_selection", layer=group["id"]).message


def test_a_soft_selection_is_copied_softly(client):
    image, layer = picture(client, color="black")
    client.call("create_ellipse_selection", x=40, y=20, width=240, height=170, feather=20)
    chosen = mask(client, image)
    made = client.call("copy_selection")
    row = client.call("get_image_metadata")["structure"]["layers"][0]
    found = np.zeros_like(chosen)
    x, y = row["offset_x"], row["offset_y"]
    found[y : y + made["height"], x : x + made["width"]] = layer_pixels(client, made["layer"])[..., 3]
    assert np.abs(found.astype(int) - chosen).max() <= 1


def test_grey_and_indexed_images(client):
    image, layer = picture(client, base_type="GRAY")
    client.call("fill_selection", color="rgb(90,90,90)")
    assert (layer_pixels(client, layer)[..., :3] == 90).all()
    image, layer = picture(client)
    client.python(
        f"im = Gimp.Image.get_by_id({image}); none, web = Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.WEB",
        "im.convert_indexed(none, web, 16, False, False, '')",
    )
    made = client.call("draw_rectangle", x=100, y=100, width=60, height=60, fill_color="rgb(250,3,3)")
    assert "nearest" in made["note"] and (layer_pixels(client, layer)[100:160, 100:160] == (255, 0, 0, 255)).all()
    problem = error(client, "draw_gradient", colors=["red", "blue"])
    assert problem.kind == "unsupported" and "INDEXED" in problem.message


def test_the_context_is_set_on_purpose_only(client):
    client.call("set_context_state", reset=True)
    before = client.call("get_context_state")
    image, _ = picture(client)
    client.call(
        "draw_brush_stroke",
        stroke_points=[[50, 50], [200, 150]],
        color="red",
        brush_name="Chalk 01",
        brush_size=33,
        mode="multiply",
    )
    client.call("draw_gradient", colors=["red", "blue"])
    client.call("create_ellipse_selection", x=100, y=100, width=100, height=60, feather=3)
    assert client.call("get_context_state") == before
    made = client.call(
        "set_context_state", brush="chalk 01", brush_size=33, opacity=40, paint_mode="multiply", dynamics="Confetti"
    )
    after = client.call("get_context_state")
    assert (
        after["brush"] == made["brush"] == "Chalk 01"
        and after["brush_size"] == 33
        and after["paint_mode"] == "multiply"
    )
    assert after["dynamics"] == "Confetti" and after["opacity"] == 40
    client.call("set_context_state", foreground="red", background="blue")
    assert client.call("set_context_state", swap_colors=True)["foreground"] == "rgba(0,0,255,1)"
    assert error(client, "set_context_state").kind == "invalid_argument"
    assert error(client, "set_context_state", foreground="lime", brush="no such brush").kind == "not_found"
    assert client.call("get_context_state")["foreground"] == "rgba(0,0,255,1)", "all or nothing"
    assert client.call("set_context_state", reset=True)["paint_mode"] == "normal"
