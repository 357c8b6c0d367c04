"""Filters on large layers, which the plug-in runs piece by piece: GIMP's own pixels, and an end at any piece."""

import time

import numpy as np
import pytest
from client import CallError
from pixelwork import make, smooth

# Runs an operation as GIMP's filter and in pieces, on duplicates, and gives how far the two are apart (of 255), and how
# far from what was before
BOTH = r'''
from gimp_bridge.gegl import filters as gegl_filter, local as gegl_local
from operator import sub
def seen(drawable):
    area = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    return drawable.get_buffer().get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE)
def apart(one, other):
    return max(map(abs, map(sub, one, other))) if one != other else 0
def run(image, find, operation, properties, small):
    copy = image.duplicate()
    try:
        gegl_local.SMALL = small
        gegl_filter.apply(find(copy), operation, properties)
        return seen(find(copy))
    finally:
        gegl_local.SMALL = usual
        copy.delete()
usual = gegl_local.SMALL
def both(image, find, operation, properties):
    whole, pieces = (run(image, find, operation, properties, small) for small in (10**12, 0))
    return apart(whole, pieces), apart(pieces, seen(find(image)))
'''
FIND = {
    "layer": "lambda image: image.get_layers()[0]",
    "mask": "lambda image: image.get_layers()[0].get_mask()",
    "in a group": "lambda image: image.get_layers()[0].get_children()[0]",
}
# Those whose defaults change little or nothing, or reach further than the picture
PROPERTIES = {
    "gegl:bloom": {"radius": 6.0}, "gegl:color-temperature": {"intended-temperature": 4000.0},
    "gegl:exposure": {"exposure": 0.5}, "gegl:gaussian-blur": {"std-dev-x": 7.0, "std-dev-y": 7.0},
    "gegl:hue-chroma": {"hue": 30.0}, "gegl:brightness-contrast": {"contrast": 1.3}, "gegl:saturation": {"scale": 1.5},
    "gegl:lens-distortion": {"main": 30.0}, "gegl:vibrance": {"vibrance": 40.0},
    "gegl:shadows-highlights": {"shadows": 40.0, "radius": 8.0},
    "gegl:channel-mixer": {"rr-gain": 0.5}, "gegl:spherize": {"amount": 0.6}, "gegl:alien-map": {"cpn-1-frequency": 3.0},
}  # fmt: skip
SCENES = {
    "a soft selection": ("layer", {}, "im.select_ellipse(Gimp.ChannelOps.REPLACE, 60, 31, 200, 150); Gimp.Selection.feather(im, 9)"),
    "a moved layer": ("layer", {"x": -41, "y": -29}, "im.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 30, 150, 160)"),
    "a layer larger than the canvas": ("layer", {"x": -20, "y": -10, "canvas": (200, 150)}, ""),
    "16 bits": ("layer", {"precision": "U16_NON_LINEAR"}, ""),
    "linear floats": ("layer", {"precision": "FLOAT_LINEAR"}, ""),
    "grey": ("layer", {"gray": True}, ""),
    "a locked alpha": ("layer", {}, "l.set_lock_alpha(True)"),
    "one channel switched off": ("layer", {}, "im.set_component_active(Gimp.ChannelType.RED, False)"),
    "a mask": ("mask", {}, "l.add_mask(l.create_mask(Gimp.AddMaskType.COPY))"),
    "a group": ("in a group", {}, "g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0); im.reorder_item(l, g, 0)"),
}
SOME = ("gegl:gaussian-blur", "gegl:oilify", "gegl:unsharp-mask", "gegl:pixelize", "gegl:vignette", "gegl:noise-hurl", "gegl:invert-gamma")


def picture(client, gray=False, **options):
    """An image of several tiles with alpha that is neither all nor nothing."""
    colors = smooth()
    soft = colors[:, :, 1:2] // 2 + 120
    return make(client, np.concatenate([colors[:, :, :1] if gray else colors, soft], axis=2), gray=gray, **options)


def compared(client, operations, kind="layer"):
    client.python(BOTH, f"find = {FIND[kind]}")
    return {name: client.eval(f"both(im, find, {name!r}, {PROPERTIES.get(name, {})})") for name in operations}


def test_every_operation_of_the_table_gives_what_gimp_gives(client):
    picture(client)
    client.python("from gimp_bridge.gegl import local as gegl_local")
    names = client.eval("sorted(set(Gegl.list_operations()).intersection(gegl_local.KNOWN))")
    assert len(names) > 60
    found = compared(client, names)
    assert {name: off for name, (off, _) in found.items() if off > 1} == {}
    assert [name for name, (_, changed) in found.items() if not changed] == []


@pytest.mark.parametrize("scene", SCENES)
def test_pieces_keep_to_what_a_filter_keeps_to(client, scene):
    kind, options, code = SCENES[scene]
    picture(client, **options)
    client.python(code or "pass")
    found = compared(client, SOME, kind)
    assert {name: off for name, (off, _) in found.items() if off > 1} == {}
    assert all(changed for _, changed in found.values()), found


CHANGES = {"the layer": "l.resize(200, 150, 0, 0)", "the selection": "im.select_rectangle(Gimp.ChannelOps.REPLACE, 9, 9, 50, 50)",
           "the image": "im.delete()"}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_the_user_changes_meanwhile_ends_it(client, what):
    image, _ = picture(client)
    client.python(BOTH)
    with pytest.raises(CallError) as raised:
        client.python(
            "from gimp_bridge.core import running",
            "call = running.call",
            "def progress(done, message=None):",
            f"    if done and call.__dict__.pop('progress', None): {CHANGES[what]}",
            "call.progress, gegl_local.SMALL = progress, 0",
            "try: gegl_filter.apply(l, 'gegl:oilify', {})",
            "finally: gegl_local.SMALL = usual",
        )
    assert "while the filter ran" in raised.value.message
    assert client.ping()["busy"] is None


LARGE = (3000, 2000)
SLOW = {"operation": "gegl:oilify", "properties": {"mask-radius": 30}}  # a minute and more


@pytest.fixture
def large(client):
    """A large picture, as (image, layer), and a function that gives all that a call may have left."""
    width, height = LARGE
    made = client.python(
        f"im = Gimp.Image.new({width}, {height}, Gimp.ImageBaseType.RGB)",
        f"l = Gimp.Layer.new(im, 'l', {width}, {height}, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "im.insert_layer(l, None, 0)",
        f"from random import Random; px = Random(1).randbytes({width} * {height} * 4); b = l.get_buffer()",
        f"b.set(Gegl.Rectangle.new(0, 0, {width}, {height}), \"R'G'B'A u8\", px); b.flush(); l.update(0, 0, {width}, {height})",
        "im.clean_all(); print(im.get_id(), l.get_id())",
    )
    image, layer = map(int, made.split())

    def state():
        history = client.call("list_checkpoints", image=image)
        pixels = client.eval(
            f"hash(bytes(l.get_buffer().get(Gegl.Rectangle.new(0, 0, {width}, {height}), 1.0, None, Gegl.AbyssPolicy.NONE)))")
        return history, pixels, client.eval("im.is_dirty()")

    return image, layer, state


def begun(client, call):
    """Waits until some pieces are done."""
    reply = client._open[call]
    while not reply.progress or not reply.progress[-1]["progress"]:
        client._dispatch(*client.receive())
    return reply


def test_a_cancel_between_two_pieces_leaves_nothing(client, large):
    image, layer, state = large
    before = state()
    call = client.send_call("apply_gegl_operation", {"image": image, "layer": layer, **SLOW}, timeout=300)
    reply = begun(client, call)
    assert 0 < reply.progress[-1]["progress"] < 1 and reply.progress[-1]["message"].startswith("gegl:oilify: ")
    assert client.ping()["busy"]["unresponsive"] is False
    cancelled = time.monotonic()
    client.cancel(call)
    with pytest.raises(CallError) as raised:
        client.wait(call)
    assert raised.value.kind == "cancelled"
    assert time.monotonic() - cancelled < 10  # one on an idle machine
    assert state() == before
    # Nor is anything left for the next one
    client.call("apply_gegl_operation", image=image, layer=layer, operation="gegl:invert-gamma", properties={}, timeout=60)
    assert state()[1] != before[1]
    client.call("undo", image=image)
    assert state()[1] == before[1]


def test_a_time_limit_ends_it_between_two_pieces(client, large):
    image, layer, state = large
    before = state()
    with pytest.raises(CallError) as raised:
        client.call("apply_gegl_operation", timeout=2, image=image, layer=layer, **SLOW)
    assert raised.value.kind == "timeout" and "was ended at its time limit" in raised.value.message
    assert state() == before
