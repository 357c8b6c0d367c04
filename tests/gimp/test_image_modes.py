"""Operations on images and layers in the other modes and precisions: they work, and undo gives the exact pixels back."""

import numpy as np
import pytest
from example_setups.layers import MASK
from pictures import read, structure
from test_examples import outline
from harness import Gimp


@pytest.fixture(scope="module")
def gimp(gimp_version):
    """One of its own: each palette that GIMP meets makes all indexed images slower, for as long as it runs. Shorter
    searches for ways from format to format make that bearable."""
    with Gimp(gimp_version, environment={"BABL_PATH_LENGTH": "2"}) as running:
        yield running


FORMATS = (("GRAY", "u8", False), ("INDEXED", "u8", False), ("RGB", "u16", False), ("RGB", "float", True), ("GRAY", "half", False),
           ("RGB", "u32", False))  # fmt: skip
OPERATIONS = (
    ("resize_image", {"width": 231, "height": 240}, ""),
    ("crop_image", {"x": 30, "y": 40, "width": 200, "height": 137}, ""),
    ("rotate_image", {"angle": 30, "fill": "white"}, ""),
    ("rotate_image", {"angle": 90}, ""),
    ("flip_image", {"direction": "vertical"}, ""),
    ("resize_canvas", {"width": 370, "height": 260, "fill": "black"}, ""),
    ("convert_image_mode", {"mode": "RGB"}, ""),
    ("convert_image_mode", {"mode": "GRAY"}, ""),
    ("create_layer", {"fill": "white", "mode": "multiply", "width": 200, "height": 140}, ""),
    ("create_layer_from_visible", {}, ""),
    ("duplicate_layer", {}, ""),
    ("merge_layers", {}, "two"),
    ("merge_layers", {"merge_type": "flatten_image"}, "two"),
    ("merge_layers", {"layers": "down"}, "two"),
    ("set_layer_properties", {"opacity": 30, "mode": "screen"}, "two"),
    ("resize_layer", {"to": "size", "width": 350, "height": 140, "fill": "white"}, ""),
    ("set_layer_alpha", {"alpha": False}, ""),
    ("add_layer_mask", {"fill": "copy", "invert": True}, ""),
    ("remove_layer_mask", {"apply": True}, "mask"),
    ("set_layer_mask", {"invert": True}, "mask"),
    ("delete_layer", {}, "two"),
)
TWO = [
    "n = Gimp.Layer.new(im, 'second', 180, 140, im.get_layers()[0].type(), 60, Gimp.LayerMode.NORMAL)",
    "im.insert_layer(n, None, 0); n.set_offsets(90, 50); n.fill(Gimp.FillType.WHITE); im.set_selected_layers([n])",
]


def made(client, mode, precision, linear):
    """A 310 x 205 image of that kind with one layer of varied pixels with alpha."""
    image = client.call(
        "create_new_image", width=310, height=205, color="transparent", base_type="GRAY" if mode == "GRAY" else "RGB",
        precision=precision, linear=linear,
    )["image"]  # fmt: skip
    client.python(
        f"import random; im = Gimp.Image.get_by_id({image}); l = im.get_layers()[0]; r = random.Random(5); im.undo_disable()",
        "n = [v % 9 * 30 for v in r.randbytes(310 * 205)]",
        "px = bytes(v for i in range(310 * 205) for v in (n[i], n[i - 7], 90, 255 if i % 4 else 128))",
        "b = l.get_buffer(); b.set(Gegl.Rectangle.new(0, 0, 310, 205), \"R'G'B'A u8\", px)",
        "b.flush(); l.update(0, 0, 310, 205)",
        *(["im.convert_indexed(0, 0, 100, False, False, '')"] if mode == "INDEXED" else []),
        "im.undo_enable(); im.clean_all()",
        image=image,
    )
    return image


def raw(client, image):
    """The bytes of every layer and mask, in GIMP's own format."""
    return client.python(
        "import hashlib",
        f"for l in Gimp.Image.get_by_id({image}).get_layers():",
        "  for d in (l, l.get_mask()):",
        "    if d is not None:",
        "      box = Gegl.Rectangle.new(0, 0, d.get_width(), d.get_height())",
        "      print(hashlib.sha256(d.get_buffer().get(box, 1.0, None, Gegl.AbyssPolicy.NONE)).hexdigest())",
    )


@pytest.mark.parametrize("mode, precision, linear", FORMATS)
def test_every_format(client, mode, precision, linear):
    for name, arguments, scene in OPERATIONS:
        image = made(client, mode, precision, linear)
        more = {"two": TWO, "mask": MASK, "": []}[scene]
        if more:
            client.python(f"im = Gimp.Image.get_by_id({image})", *more, "im.clean_all()", image=image)
        before, outlined = raw(client, image), outline(client, image)
        answer = client.call(name, image=image, **arguments)
        same = name == "convert_image_mode" and arguments["mode"] == mode
        assert answer["effect"]["changed"] is not same, f"{name} {arguments}: {answer['message']}"
        if not same:
            client.call("undo", image=image)
            assert outline(client, image) == outlined, f"{name} {arguments}"
            assert raw(client, image) == before, f"undo of {name} {arguments} gave other pixels"
        client.call("close_image", image=image, discard_changes=True)


@pytest.mark.parametrize("mode, precision, linear", FORMATS)
def test_colours_are_exact_where_the_format_holds_them(client, mode, precision, linear):
    image = made(client, mode, precision, linear)
    color = [200, 200, 200] if mode == "GRAY" else [40, 80, 160]
    if mode == "INDEXED":
        color = [240, 0, 90]  # one of the palette's
    layer = client.call("create_layer", image=image, fill=color, width=150, height=140)["layer"]
    client.call("resize_layer", image=image, layer=layer, to="size", width=300, height=200, fill=color)
    got = read(client, image, layer)
    wanted = color[:1] if got.shape[2] == 2 else color
    assert np.abs(got[..., :-1].astype(int) - wanted).max() <= 0 and (got[..., -1] == 255).all()
    assert structure(client, image)["basic"]["base_type"] == mode
