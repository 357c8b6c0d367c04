"""The proof of each change: what an answer's `effect` says is what happened, exactly, and nothing more."""

import pytest
from client import CallError
from rich_image import SETUP


@pytest.fixture
def image(client):
    """The rich image, 160 x 120, as `im` in the client's Python."""
    client.python(SETUP, "im = make_rich()")
    return client.eval("im.get_id()")


def effect(client, code, **arguments):
    return client.call("call_api", api_path="exec", args=["pyGObject-console", [code]], **arguments)["effect"]


def box(x, y, width, height):
    return {"x": x, "y": y, "width": width, "height": height}


def what(answer):
    return {row["name"]: row["what"] for row in answer["layers_changed"]}


@pytest.mark.parametrize("code, region, changed, properties", (
    ("paint(item('Background'), 17, 33, 1, 1)", box(17, 33, 1, 1), {"Background": ["pixels"]}, []),
    ("paint(item('Background'), 159, 119, 1, 1)", box(159, 119, 1, 1), {"Background": ["pixels"]}, []),
    ("paint(item('Background'), 3, 4, 1, 1); paint(item('Background'), 150, 100, 2, 2)", box(3, 4, 149, 98), {"Background": ["pixels"]}, []),
    ("b = item('Background'); b.set_visible(False)\npaint(b, 1, 2, 3, 4)", box(0, 0, 160, 120), {"Background": ["pixels", "visibility"]}, []),
    ("paint(item('masked'), 1, 2, 3, 4)", box(21, 32, 3, 4), {"masked": ["pixels"]}, []),
    ("paint(item('masked').get_mask(), 5, 6, 7, 8, b'\\x01\\x01\\x01\\xff')", box(25, 36, 7, 8), {"masked": ["mask_pixels"]}, []),
    ("paint(item('deep'), 8, 0, 4, 4)", box(0, 50, 2, 4), {"deep": ["pixels"]}, []),  # what lies off the canvas is cut
    ("paint(item('deep'), 0, 0, 4, 4)", None, {"deep": ["pixels"]}, []),
    ("paint(item('channel'), 5, 5, 5, 5)", box(5, 5, 5, 5), {}, ["channels"]),
    ("item('Inner').set_name('renamed')", None, {"renamed": ["name"]}, []),
    ("item('deep').set_opacity(12)", box(0, 50, 65, 40), {"deep": ["opacity"]}, []),
    ("item('masked').set_offsets(25, 35)", box(20, 30, 75, 55), {"masked": ["offsets"], "Group": ["mask_pixels"]}, []),  # the group grows, its mask too
    ("item('masked').set_color_tag(Gimp.ColorTag.GREEN)", None, {"masked": ["color_tag"]}, []),
    ("f = item('Background').get_filters()[0]; f.get_config().set_property('std-dev-x', 8.0); f.update()",
     box(0, 0, 160, 120), {"Background": ["effects"]}, []),
    ("im.reorder_item(item('Background'), None, 0)", box(0, 0, 160, 120), {"Background": ["order"]}, []),
    ("Gimp.Selection.none(im)", None, {}, ["selection"]),
    ("Gimp.Selection.feather(im, 2)", None, {}, ["selection"]),
    ("im.set_selected_layers([item('deep')])", None, {}, ["selected_layers"]),
    ("im.add_hguide(3)", None, {}, ["guides"]),
    ("p = item('path'); p.remove_stroke(p.get_strokes()[0])", None, {}, ["paths"]),
    ("im.set_resolution(72, 72)", None, {}, ["metadata", "resolution"]),
), ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_exactly_what_changed(client, image, code, region, changed, properties):
    answer = effect(client, code)
    assert answer["changed"] is True and answer["image"] == image and answer["verified"] == "full"
    assert (answer["region"], what(answer), answer["properties_changed"]) == (region, changed, properties)
    assert answer["layers_added"] == answer["layers_removed"] == []


def test_content_of_the_selection_with_equal_bounds(client, image):
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 60, 60)")
    answer = effect(client, "im.select_rectangle(Gimp.ChannelOps.SUBTRACT, 30, 30, 5, 5)")
    assert answer["properties_changed"] == ["selection"] and answer["region"] is None


def test_layers_added_and_removed(client, image):
    gone = client.eval("[l.get_id() for l in every(im) if l.get_name() in ('Group', 'Inner', 'masked', 'deep')]")
    answer = effect(client, "im.remove_layer(item('Group'))\nnew = Gimp.Layer.new(im, 'n', 9, 8, item('Background').type(), 100, Gimp.LayerMode.NORMAL)\n"
                            "im.insert_layer(new, None, 0); new.set_offsets(100, 100)")
    assert sorted(answer["layers_removed"]) == sorted(gone)
    assert answer["layers_added"] == [client.eval("new.get_id()")]


def test_images_opened_and_closed(client, image):
    answer = effect(client, "other = Gimp.Image.new(300, 200, 0)")
    other = client.eval("other.get_id()")
    assert answer["images_added"] == [other] and answer["images_removed"] == []
    answer = effect(client, "other.delete()", image=image)
    assert answer["images_removed"] == [other]


def test_nothing_changed_is_said(client, image):
    for code in ("exec('1')", "paint(item('Background'), 0, 0, 0, 0)", "item('Background').set_opacity(100)",
                 "b = item('Background').get_buffer(); r = Gegl.Rectangle.new(0, 0, 9, 9); b.set(r, \"R'G'B'A u8\", b.get(r, 1.0, \"R'G'B'A u8\", 0)); b.flush()"):
        answer = effect(client, code)
        assert answer["changed"] is False and answer["checkpoint"] is None, code


def test_verify_refuses_other_words(client, image):
    with pytest.raises(CallError) as refused:
        effect(client, "exec('1')", verify="somewhat")
    assert refused.value.kind == "invalid_argument"


@pytest.fixture
def large(client):
    """A 30-megapixel image of one layer, as `im`."""
    client.python(SETUP, "im = Gimp.Image.new(6000, 5000, 0)", "layer = Gimp.Layer.new(im, 'l', 6000, 5000, 1, 100, Gimp.LayerMode.NORMAL)",
                  "im.insert_layer(layer, None, 0)")
    return client.eval("im.get_id()")


def one_pixel(x, y):
    return (f"b = layer.get_buffer(); b.set(Gegl.Rectangle.new({x}, {y}, 1, 1), \"R'G'B'A u8\", os.urandom(3) + b'\\x01'); b.flush(); "
            f"layer.update({x}, {y}, 1, 1)")


def test_one_pixel_of_thirty_megapixels_is_never_denied(client, large):
    seen = 0
    places = [(x * 977 % 6000, x * 1409 % 5000) for x in range(1, 13)]
    for x, y in places:
        answer = effect(client, one_pixel(x, y))
        assert answer["verified"] == "reduced" and 0.7 < answer["scale"] < 1 and "verify" in answer["note"]
        assert answer["checkpoint"], "without certainty the checkpoint stays"
        if answer["changed"]:
            seen += 1
            assert answer["region"] == box(x, y, 1, 1)
        else:
            assert answer["changed"] is None
    assert seen >= len(places) // 2
    x, y = 5999, 4999
    answer = effect(client, one_pixel(x, y), verify="full")
    assert answer["verified"] == "full" and answer["region"] == box(x, y, 1, 1)
    assert effect(client, "exec('1')", verify="full")["changed"] is False


def test_undo_skips_what_changed_nothing(client, large):
    client.python("paint(layer, 100, 100, 50, 50)")
    painted = client.eval("raw(layer)")
    client.python("paint(layer, 4000, 3000, 50, 50)")
    # A reduced proof cannot tell that this changed nothing
    assert effect(client, "exec('1')")["changed"] is None
    assert client.call("undo", timeout=60)["undone"] == ["call_api"]
    assert client.eval("raw(layer)") == painted


def test_many_layers_stay_bounded(client):
    client.python(SETUP, "im = Gimp.Image.new(4000, 3000, 0)",
                  "for n in range(20): im.insert_layer(Gimp.Layer.new(im, f'l{n}', 4000, 3000, 1, 100, Gimp.LayerMode.NORMAL), None, 0)",
                  "layer = im.get_layers()[4]; im.set_selected_layers([layer])")
    # The selected layer comes first: it is compared whole
    answer = effect(client, one_pixel(1234, 567))
    assert answer["verified"] == "reduced" and answer["changed"] is True and answer["region"] == box(1234, 567, 1, 1)
    assert answer["scale"] < 0.2
