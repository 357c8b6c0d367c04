"""Every example of selections, paint, paths and text, on images of all kinds, with a soft selection: it works or says
why not, and undo brings back layers, channels, paths and the selection's mask, number by number.
"""

import json
from pathlib import Path

import pytest
from client import CallError
from example_setups import SETUP

from gimp_bridge.dispatch import catalogue
from harness import Gimp


@pytest.fixture(scope="module")
def gimp(gimp_version):
    """One of its own: each palette that GIMP meets makes all indexed images slower, for as long as it runs. Shorter
    searches for ways from format to format make that bearable."""
    with Gimp(gimp_version, environment={"BABL_PATH_LENGTH": "2"}) as running:
        yield running


OPS = Path(__file__).resolve().parents[2] / "protocol" / "ops"
PACKS = ("selections", "paint", "paths", "text")
KINDS = {
    "opaque": ("RGB", "U8_NON_LINEAR", False),
    "grey": ("GRAY", "U16_NON_LINEAR", True),
    "float": ("RGB", "FLOAT_LINEAR", True),
    "indexed": ("RGB", "U8_NON_LINEAR", True),
}
# What an error may be: never `internal`, and never GIMP's own without a word of ours
TYPED = ("invalid_argument", "unsupported", "not_found", "forbidden")
STATE = """
def drawing_state(im):
    import hashlib
    def numbers(item):
        b = item.get_buffer(); e = b.get_extent()
        return [e.width, e.height, hashlib.sha256(bytes(b.get(e, 1.0, None, Gegl.AbyssPolicy.NONE))).hexdigest()]
    def strokes(path):
        return [[round(v, 4) for v in list(path.stroke_get_points(s))[-2]] for s in path.get_strokes()]
    return [[[l.get_name(), str(l.get_offsets()), l.is_text_layer(), *numbers(l)] for l in im.get_layers()],
            [[c.get_name(), *numbers(c)] for c in im.get_channels()],
            [[p.get_name(), strokes(p)] for p in im.get_paths()],
            numbers(im.get_selection())[2] if not Gimp.Selection.is_empty(im) else None]
def drawing_image(base, precision, alpha, indexed):
    import random
    r = random.Random(5)
    im = Gimp.Image.new_with_precision(310, 205, getattr(Gimp.ImageBaseType, base), getattr(Gimp.Precision, precision))
    im.undo_disable()
    # The examples paint near the image's corner: here that is where four of the layer's tiles meet
    for name, w, h, x, y in (("ground", 310, 205, 0, 0), ("picture", 240, 190, -90, -100)):
        kind = getattr(Gimp.ImageType, base + ("A_IMAGE" if alpha else "_IMAGE"))
        l = Gimp.Layer.new(im, name, w, h, kind, 100, Gimp.LayerMode.NORMAL)
        im.insert_layer(l, None, 0); l.set_offsets(x, y); b = l.get_buffer()
        def color(i, j):
            red, green = (i * 5 + r.randrange(24)) % 200 + 20, (j * 3 + r.randrange(24)) % 200
            return red, green, 200 - (i + j) % 170, 255 if i < 150 else 128
        px = bytes(v for j in range(h) for i in range(w) for v in color(i, j))
        b.set(Gegl.Rectangle.new(0, 0, w, h), "R'G'B'A u8", px); b.flush(); l.update(0, 0, w, h)
    if indexed:
        im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, "")
    im.set_selected_layers([im.get_layers()[0]])
    Gimp.context_push(); Gimp.context_set_antialias(True)
    Gimp.context_set_feather(True); Gimp.context_set_feather_radius(4, 4)
    im.select_ellipse(Gimp.ChannelOps.REPLACE, -20, -20, 230, 190); Gimp.context_pop()
    im.undo_enable(); im.clean_all()
    return im.get_id()
"""


def examples():
    shared = json.loads((OPS / "shared.json").read_text())
    for pack in PACKS:
        for row in json.loads((OPS / f"{pack}.json").read_text())["operations"]:
            row = catalogue.expand(row, shared)
            if catalogue.Entry(row).checkpoint:
                yield from ((row["name"], example) for example in row["examples"])


@pytest.mark.parametrize("kind", KINDS)
def test_undo_brings_everything_back(client, kind):
    client.python(f"exec({STATE!r}, globals())")
    base, precision, alpha = KINDS[kind]
    original = client.eval(f"drawing_image({base!r}, {precision!r}, {alpha}, {kind == 'indexed'})")
    refused = set()
    # GIMP and babl take longer with each colour map that there ever was, and every copy of an indexed image has its own
    for name, example in list(examples())[:: 3 if kind == "indexed" else 1]:
        image = client.eval(
            f"(lambda im: (im.clean_all(), im.get_id())[1])(Gimp.Image.get_by_id({original}).duplicate())"
        )
        more = SETUP[name](client, image) if name in SETUP else {}
        before = client.eval(f"drawing_state(Gimp.Image.get_by_id({image}))")
        try:
            answer = client.call(name, image=image, **example, **more)
        except CallError as error:
            assert error.kind in TYPED and error.hint, f"{name} {example}: {error}"
            assert client.eval(f"drawing_state(Gimp.Image.get_by_id({image}))") == before, (
                f"{name} {example} left traces"
            )
            refused.add(name)
        else:
            if answer["effect"]["changed"]:
                client.call("undo", image=image)
            after = client.eval(f"drawing_state(Gimp.Image.get_by_id({image}))")
            assert after == before, f"{name} {example}"
        client.python(f"Gimp.Image.get_by_id({image}).delete()")
    # Grey has no red channel; some tools need more than a colour map
    expected = {"grey": {"create_channel"}, "indexed": {"draw_gradient", "retouch_stroke"}}.get(kind, set())
    assert refused <= expected
