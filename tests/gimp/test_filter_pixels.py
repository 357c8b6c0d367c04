"""What the daemon's filters read of an image and how their results get in, in all depths, and back by undo."""

import numpy as np
import pytest
from client import CallError
from harness import Gimp
from truth import pixels

KINDS = {8: np.uint8, 16: np.uint16, 32: np.float32}


def read(client, **arguments):
    reply = client.stream("filter_read", **arguments)
    header = reply.header
    shape = header["height"], header["width"], header["channels"]
    return np.frombuffer(bytes(reply.data), KINDS[header["depth"]]).reshape(shape), reply.result


def stage(client, array, token="t"):
    height, width, channels = array.shape
    depth = array.dtype.itemsize * 8
    for top in range(0, height, 7):
        strip = array[top : top + 7].tobytes()
        client.call("filter_stage", upload=strip, token=token, width=width, height=height, channels=channels, depth=depth,
                    top=top)


def picture(client, precision="u8", linear=False, base="RGB", alpha=True, width=310, height=205):
    image = client.call("create_new_image", width=width, height=height, precision=precision, linear=linear, base_type=base,
                        alpha=alpha)["image"]
    client.python(
        f"l = Gimp.Image.get_by_id({image}).get_layers()[0]; b = l.get_buffer()",
        f"px = bytes((x * 7 + y * 3 + c * 50) % 256 for y in range({height}) for x in range({width}) for c in range(4))",
        f"b.set(Gegl.Rectangle.new(0, 0, {width}, {height}), \"R'G'B'A u8\", px); b.flush(); l.update(0, 0, {width}, {height})",
    )
    return image


@pytest.mark.parametrize("base", ("RGB", "GRAY"))
@pytest.mark.parametrize("precision, linear", [(p, x) for p in ("u8", "u16", "u32", "half", "float") for x in (False, True)])
def test_pixels_come_and_go_in_every_depth(client, precision, linear, base):
    image = picture(client, precision, linear, base)
    before, result = read(client, image=image)
    assert before.shape == (205, 310, 4 if base == "RGB" else 2) and result["selection"] is None
    whole = pixels(client.stream("read_pixels", image=image, depth=16)).astype(float) / 65535
    scale = 1 if before.dtype == np.float32 else np.iinfo(before.dtype).max
    assert np.abs(before.astype(float) / scale - whole).max() < 0.01
    wanted = before[::-1].copy()
    stage(client, wanted)
    placed = client.call("filter_place", image=image, token="t", kind="replace", name="x", layer=result["layer"])
    assert placed["effect"]["changed"] is True and placed["effect"]["layers_changed"]
    after, _ = read(client, image=image)
    assert np.abs(after.astype(float) - wanted).max() <= (2e-6 if after.dtype == np.float32 else 1 if linear else 0)
    client.call("undo", image=image)
    assert np.array_equal(read(client, image=image)[0], before)


def test_eight_linear_bits_are_read_alike_however_often_they_are_read(gimp_version):
    """In a GIMP as users start one: babl's own choice of conversions, and no variable of ours."""
    levels = np.arange(256) / 255
    curve = np.where(levels <= 0.0031308, levels * 12.92, 1.055 * levels ** (1 / 2.4) - 0.055) * 65535
    y, x, c = np.mgrid[:200, :300, :3]
    given = (x * 7 + y * 3 + c * 50) % 256 / 255  # as `picture` makes it
    linear = np.rint(np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4) * 255).astype(int)
    near = np.stack([curve[np.clip(linear + step, 0, 255)] for step in (-1, 0, 1)])
    with Gimp(gimp_version, environment={"BABL_PATH_LENGTH": "", "BABL_LUT": ""}) as own, own.client() as client:
        image = picture(client, linear=True, width=300, height=200)
        first = None
        for number in range(6):
            now, _ = read(client, image=image, source=("layer", "visible")[number % 2])
            assert now.shape == (200, 300, 4) and now.dtype == np.uint16
            assert np.abs(near - now[..., :3]).min(axis=0).max() < 2, number
            first = now if first is None else first
            assert (now == first).all(), number


def test_a_new_layer_lies_over_its_source(client):
    image = picture(client)
    before, result = read(client, image=image)
    client.python(f"Gimp.Item.get_by_id({result['layer']}).set_offsets(70, -30)", image=image)
    stage(client, 255 - before)
    placed = client.call("filter_place", image=image, token="t", kind="new_layer", name="done", layer=result["layer"], x=70, y=-30)
    layers = client.call("get_image_metadata", image=image)["structure"]["layers"]
    assert [layer["name"] for layer in layers] == ["done", "Background"]
    assert placed["effect"]["layers_added"] == [placed["layer"]] and [(layer["offset_x"], layer["offset_y"]) for layer in layers] == [(70, -30)] * 2
    again, _ = read(client, image=image, layer=placed["layer"])
    assert np.array_equal(again, 255 - before)
    assert np.array_equal(read(client, image=image, layer=result["layer"])[0], before)


def test_a_result_of_another_size_is_a_new_image(client):
    image = picture(client, "u16")
    before, result = read(client, image=image)
    stage(client, np.repeat(np.repeat(before, 2, 0), 2, 1))
    placed = client.call("filter_place", image=image, token="t", kind="new_image", name="larger")
    made = client.call("get_image_metadata", image=placed["new_image"])["basic"]
    assert (made["width"], made["height"], made["precision"]) == (620, 410, "16-bit integer")
    assert np.array_equal(read(client, image=placed["new_image"])[0][::2, ::2], before)
    assert placed["effect"]["images_added"] == [placed["new_image"]]


def test_a_mask_and_a_selection_hold_the_values_given(client):
    image = picture(client)
    _, result = read(client, image=image)
    ramp = np.tile(np.linspace(0, 255, 310).astype(np.uint8), (205, 1))[..., None]
    stage(client, ramp)
    client.call("filter_place", image=image, token="t", kind="layer_mask", name="mask", layer=result["layer"])
    mask = client.eval(f"Gimp.Item.get_by_id({result['layer']}).get_mask().get_id()")
    reply = client.stream("filter_read_mask", image=image, item=mask, width=310, height=205)
    assert np.array_equal(np.frombuffer(bytes(reply.data), np.uint8).reshape(205, 310), ramp[..., 0])
    client.call("undo", image=image)
    assert client.eval(f"Gimp.Item.get_by_id({result['layer']}).get_mask() is None") is True
    stage(client, ramp)
    placed = client.call("filter_place", image=image, token="t", kind="selection", name="selection")
    reply = client.stream("filter_read_mask", image=image, width=310, height=205)
    assert np.array_equal(np.frombuffer(bytes(reply.data), np.uint8).reshape(205, 310), ramp[..., 0])
    assert placed["selection"]["x"] == 2 and placed["selection"]["width"] == 308
    assert read(client, image=image)[1]["selection"] == [2, 0, 308, 205]
    client.call("undo", image=image)
    assert read(client, image=image)[1]["selection"] is None


def test_a_soft_selection_is_not_applied_twice(client):
    image = picture(client)
    before, result = read(client, image=image)
    client.python(f"im = Gimp.Image.get_by_id({image}); im.select_ellipse(Gimp.ChannelOps.REPLACE, 50, 40, 200, 130); "
                  "Gimp.Selection.feather(im, 6)", image=image)
    stage(client, 255 - before)
    client.call("filter_place", image=image, token="t", kind="replace", name="x", layer=result["layer"])
    assert np.array_equal(read(client, image=image)[0], 255 - before)
    assert read(client, image=image)[1]["selection"] is not None


def test_what_is_visible_and_what_is_refused(client):
    image = picture(client)
    visible, result = read(client, image=image, source="visible")
    assert visible.shape[:2] == (205, 310) and result["layer"] is None
    client.python(f"im = Gimp.Image.get_by_id({image}); g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0); "
                  "im.set_selected_layers([g])", image=image)
    stage(client, visible)
    with pytest.raises(CallError, match="is a group"):
        client.call("filter_place", image=image, token="t", kind="replace", name="x", layer=client.eval("g.get_id()"))
    before, result = read(client, image=image, layer=client.eval(f"Gimp.Image.get_by_id({image}).get_layers()[1].get_id()"))
    stage(client, before[:120])
    with pytest.raises(CallError, match="310x120 pixels and the layer 310x205"):
        client.call("filter_place", image=image, token="t", kind="replace", name="x", layer=result["layer"])
    with pytest.raises(CallError, match="has not come whole"):
        client.call("filter_place", image=image, token="t", kind="replace", name="x", layer=result["layer"])
    assert client.call("filter_drop", token="t")["dropped"] is False


def test_a_group_is_its_picture_and_a_mask_its_layer(client):
    image = picture(client, width=300, height=200)
    layer = client.eval(f"Gimp.Image.get_by_id({image}).get_layers()[0].get_id()")
    made = client.python(
        f"im = Gimp.Image.get_by_id({image}); l = im.get_layers()[0]; g = Gimp.GroupLayer.new(im, 'g')",
        "im.insert_layer(g, None, 0); g.set_mode(Gimp.LayerMode.PASS_THROUGH); im.reorder_item(l, g, 0)",
        "l.set_offsets(-70, -30); m = l.create_mask(Gimp.AddMaskType.WHITE); l.add_mask(m); l.set_edit_mask(True)",
        "im.set_selected_layers([g]); print(g.get_id(), m.get_id())")
    group, mask = map(int, made.split())
    pixels_of_layer, result = read(client, image=image, layer=layer)
    assert result["group"] is False
    through_mask, result = read(client, image=image, layer=mask)
    assert result["layer"] == layer and np.array_equal(through_mask, pixels_of_layer)
    assert client.call("filter_facts", image=image, layer=mask)["layer"] == layer
    of_group, result = read(client, image=image)
    assert result["layer"] == group and result["group"] is True and result["offset"] == [-70, -30]
    assert np.array_equal(of_group, pixels_of_layer)
    stage(client, 255 - of_group)
    placed = client.call("filter_place", image=image, token="t", kind="new_layer", name="x", layer=group, x=-70, y=-30)
    seen = pixels(client.stream("read_pixels", image=image))
    new, _ = read(client, image=image, layer=placed["layer"])
    assert np.array_equal(new, 255 - of_group) and placed["layer"] != group
    assert client.eval("[l.get_name() for l in im.get_layers()]") == ["x", "g"]
