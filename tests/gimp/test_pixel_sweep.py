"""Every operation that touches pixels, on layers as pictures have them: larger than the canvas and off it, in a group,
masked, GRAY, indexed, with 16 bits and linear floats. What changes is what should, and undo restores it to the bit."""

import json

import numpy as np
import pytest
from client import CallError
from harness import Gimp
from pixel_operations import ARGUMENTS, FIRST, KINDS, NOT_PIXELS, PIXELS
from test_examples import OPS, rows
from test_filter_pixels import read as filter_read
from test_filter_pixels import stage

WIDTH, HEIGHT = 300, 200
LEFT, TOP, WIDE, HIGH = -70, -60, 420, 230  # off the canvas on three sides, short of its end on the fourth
SELECTED = 20, 40, 220, 150  # an ellipse, in part below the layer

MERGES = ("merge_layers", "merge_layer_effects")

# Python for GIMP. The state is read by an operation that is a read: no checkpoint, no proof. It stands in for image_state
PROBE = f"""
import hashlib, sys
from gimp_bridge.dispatch import registry
def raw(item):
    box = Gegl.Rectangle.new(0, 0, item.get_width(), item.get_height())
    return hashlib.sha256(bytes(item.get_buffer().get(box, 1.0, None, Gegl.AbyssPolicy.NONE))).hexdigest()[:12]
def facts(layer):
    parent, mask = layer.get_parent(), layer.get_mask()
    told = [layer.get_width(), layer.get_height(), *layer.get_offsets()[-2:], int(layer.type()), layer.get_opacity(),
            int(layer.get_mode()), layer.get_visible(), parent and parent.get_name(), layer.is_text_layer(),
            getattr(layer, 'is_rasterized', bool)(), None if layer.is_group_layer() else raw(layer)]
    told.append(mask and [raw(mask), layer.get_apply_mask(), layer.get_edit_mask(), layer.get_show_mask()])
    told.append([[e.get_operation_name(), e.get_visible(), e.get_opacity(), str([e.get_config().get_property(s.name) for s in e.get_config().list_properties()])] for e in layer.get_filters()])
    return told
def walk(layers):
    for layer in layers:
        yield layer
        yield from walk(layer.get_children() if layer.is_group_layer() else ())
def probe(call):
    im = call.image
    told = {{layer.get_name(): facts(layer) for layer in walk(im.get_layers())}}
    told["(channels)"] = [(c.get_name(), c.get_visible(), c.get_opacity(), c.get_color().get_rgba()[:], raw(c)) for c in im.get_channels()]
    told["(paths)"] = [p.get_name() for p in im.get_paths()]
    profile = im.get_color_profile()
    told["(image)"] = [im.get_width(), im.get_height(), [l.get_name() for l in walk(im.get_layers())], int(im.get_base_type()), int(im.get_precision()),
                       sorted(l.get_name() for l in im.get_selected_layers()), profile and hashlib.sha256(profile.get_icc_profile()).hexdigest()]
    subject = next((l for l in walk(im.get_layers()) if l.get_name() == "subject"), None)
    size = (subject.get_width(), subject.get_height()) if subject else (0, 0)
    def pixels():
        if subject:
            yield subject.get_buffer().get(Gegl.Rectangle.new(0, 0, *size), 1.0, "R'G'B'A u16", Gegl.AbyssPolicy.NONE)
        yield im.get_selection().get_buffer().get(Gegl.Rectangle.new(0, 0, im.get_width(), im.get_height()), 1.0, "Y u8", Gegl.AbyssPolicy.NONE)
    call.stream({{"size": size}}, pixels())
    return {{"state": told}}
registry.OPERATIONS["image_state"], stood = probe, registry.OPERATIONS["image_state"]

def scene(base="RGB", precision="U8_NON_LINEAR", group=False, mask=False, whole=False):
    im = Gimp.Image.new_with_precision({WIDTH}, {HEIGHT}, Gimp.ImageBaseType.GRAY if base == "GRAY" else Gimp.ImageBaseType.RGB, getattr(Gimp.Precision, precision))
    im.undo_disable()
    gray = base == "GRAY"
    below = Gimp.Layer.new(im, "below", {WIDTH}, {HEIGHT}, Gimp.ImageType.GRAY_IMAGE if gray else Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)
    im.insert_layer(below, None, 0)
    below.fill(Gimp.FillType.WHITE)
    parent = None
    if group:
        parent = Gimp.GroupLayer.new(im, "group")
        im.insert_layer(parent, None, 0)
        parent.set_opacity(70)
        im.insert_layer(Gimp.Layer.new(im, "beside", 90, 60, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL), parent, 0)
    l = Gimp.Layer.new(im, "subject", {WIDE}, {HIGH}, Gimp.ImageType.GRAYA_IMAGE if gray else Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
    im.insert_layer(l, parent, 0)
    px = bytearray()
    for y in range({HIGH}):
        for x in range({WIDE}):
            r = (x * 5 + y * 3) % 200 + (x * 31 + y * 17) % 23
            px += bytes((r, r if gray else (y * 3 + x) % 190 + (x * 13 + y * 29) % 19, r if gray else 220 - (x + 2 * y) % 170, 128 if x > {WIDE - 50} else 255))
    b = l.get_buffer()
    b.set(Gegl.Rectangle.new(0, 0, {WIDE}, {HIGH}), "R'G'B'A u8", bytes(px))
    b.flush()
    l.update(0, 0, {WIDE}, {HIGH})
    l.set_offsets({LEFT}, {TOP})
    if mask:
        im.select_rectangle(Gimp.ChannelOps.REPLACE, 30, 20, 200, 120)
        Gimp.Selection.feather(im, 20)
        l.add_mask(l.create_mask(Gimp.AddMaskType.SELECTION))
        l.set_edit_mask(True)
        Gimp.Selection.none(im)
    if base == "INDEXED":
        im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 100, False, False, "")
    if not whole:
        Gimp.context_set_feather(False)
        im.select_ellipse(Gimp.ChannelOps.REPLACE, {', '.join(map(str, SELECTED))})
    im.set_selected_layers([l])
    im.undo_enable()
    im.clean_all()
    s = list(im.get_selection().get_buffer().get(Gegl.Rectangle.new({LEFT}, {TOP}, {WIDE}, {HIGH}), 1.0, "Y u8", Gegl.AbyssPolicy.NONE))
    return im, s
"""
EVERY = set(PIXELS)
SCENES = {
    "moved": ("", EVERY),
    "unselected": ("whole=True", {"pixels"}),
    "grouped and masked": ("group=True, mask=True", EVERY - {"selection", "channel"}),
    "GRAY": ("base='GRAY'", EVERY),
    "INDEXED": ("base='INDEXED'", {"pixels"}),
    "16 bits": ("precision='U16_NON_LINEAR'", {"pixels", "layer", "new"}),
    "linear float": ("precision='FLOAT_LINEAR'", {"pixels", "layer", "new"}),
}


class Scene:
    """One image of a kind, on which operation after operation is tried: undo gives it back."""

    def __init__(self, client, how):
        self.client, self.floats = client, "FLOAT" in how
        client.python(f"im, s = scene({how})", timeout=60)
        self.image = client.eval("im.get_id()")
        self.selected = np.array(client.eval("s")).reshape(HIGH, WIDE) if "whole" not in how else None

    def look(self):
        """(the state of every item, the layer's pixels, what is selected)."""
        reply = self.client.stream("image_state", image=self.image)
        wide, high = reply.header["size"]
        data, length = bytes(reply.data), wide * high * 8
        pixels = np.frombuffer(data[:length], np.uint16).reshape(high, wide, 4)
        return reply.result["state"], pixels, np.frombuffer(data[length:], np.uint8).astype(int)

    def layer(self):
        layers = f"walk(Gimp.Image.get_by_id({self.image}).get_layers())"
        return self.client.eval(f"next(l.get_id() for l in {layers} if l.get_name() == 'subject')")

    def stage(self):
        """What filter_place puts in: the layer as filters read it, upside down inside of the selection."""
        pixels, facts = filter_read(self.client, image=self.image, layer=self.layer())
        inside = self.selected > 0 if self.selected is not None else np.ones((HIGH, WIDE), bool)
        turned = pixels.copy()
        turned[inside] = pixels[::-1][inside]
        stage(self.client, turned)
        return {"token": "t", "kind": "replace", "name": "x", "layer": facts["layer"]}


def test_every_operation_is_in_the_table():
    """A new one that touches pixels joins the sweep; another one says why not."""
    changing = {
        row["name"]
        for path in OPS.glob("*.json") if path.name != "shared.json"
        for row in json.loads(path.read_text())["operations"] if row["access"] != "read"
    }  # fmt: skip
    rest = [name for names in NOT_PIXELS.values() for name in names.split()]
    listed = [name for names in PIXELS.values() for name in names.split()] + rest
    assert sorted(listed) == sorted(changing)


def trial(scene, name, arguments):
    """The layer's pixels after it, or the error; raises AssertionError for what is wrong."""
    first, steps = FIRST.get(name), 0
    if first:
        try:
            steps = scene.client.call(first[0], image=scene.image, **first[1])["effect"]["changed"] is True
        except CallError as problem:
            return problem
    if name == "filter_place":
        arguments = scene.stage()
    elif name == "call_procedure":
        arguments = {"procedure": "gimp-drawable-invert", "arguments": {"drawable": scene.layer(), "linear": False}}
    before, pixels, chosen = scene.look()
    try:
        answer = scene.client.call(name, image=scene.image, timeout=280, **arguments)
    except CallError as problem:
        answer = problem
    after, got, chose = scene.look()
    selected = chose.shape != chosen.shape or (chose != chosen).any()
    try:
        if isinstance(answer, CallError):
            assert after == before and not selected, f"refused ({answer.message}), and changed something"
            return answer
        judge(scene, name, answer, before, after, pixels, got, selected)
    finally:
        if after != before or selected:
            scene.client.call("undo", image=scene.image, timeout=280)
        back, restored, chosen_again = scene.look()
        assert back == before, f"undo does not restore {differing(back, before)}"
        assert np.array_equal(restored, pixels), "undo does not restore the pixels"
        # GIMP's merging makes the selection gamma-encoded for good, and soft edges are rounded then
        assert np.abs(chosen_again - chosen).max() <= (name in MERGES), "undo does not restore the selection"
        if steps:
            scene.client.call("undo", image=scene.image)
    return got


def differing(one, other):
    return {key: (other.get(key), one.get(key)) for key in {*one, *other} if one.get(key) != other.get(key)}


def judge(scene, name, answer, before, after, pixels, got, selected):
    kind, effect = KINDS[name], answer["effect"]
    changed = set(differing(before, after)) | ({"(selection)"} if selected else set())
    assert changed and effect["changed"] is True and effect["verified"] == "full", f"nothing changed: {answer}"
    changed -= {"(image)"} if kind in ("new", "image") else set()
    region = effect["region"] and tuple(effect["region"].values())
    if region:
        x, y, wide, high = region
        across, down = after["(image)"][:2]
        assert 0 <= x < x + wide <= across and 0 <= y < y + high <= down, region
    touched = {row["name"] for row in effect["layers_changed"] if row["what"] != ["order"]}
    layers = {key for key in changed & before.keys() & after.keys() if not key.startswith("(")}
    if "group" not in before and kind != "image":  # a group's picture follows from its layers; merged layers have new ids
        assert touched == layers, f"says that {touched} changed, and {layers} did"
    if kind == "pixels":
        allowed = {"subject"} | ({"group"} if "group" in before else set())
        assert changed <= allowed, f"changed {changed}: {differing(before, after)}"
        assert got.shape == pixels.shape, "the layer's size changed"
        differs = (got != pixels).any(axis=2)
        if scene.selected is not None:
            assert not differs[scene.selected == 0].any(), f"{differs[scene.selected == 0].sum()} pixels outside of the selection"
        lines, columns = np.nonzero(differs.any(axis=1))[0] + TOP, np.nonzero(differs.any(axis=0))[0] + LEFT
        box = max(columns[0], 0), max(lines[0], 0), min(columns[-1] + 1, WIDTH), min(lines[-1] + 1, HEIGHT)
        wanted = tuple(map(int, (box[0], box[1], box[2] - box[0], box[3] - box[1])))
        # The proof sees more of a float than the 16 bits that are looked at here, such as what a conversion rounded
        assert scene.floats or region == wanted, f"region {region}, and {wanted} changed"
    elif kind == "new":
        assert changed <= after.keys() - before.keys() | {"(paths)", "group"}, f"changed {changed}: {differing(before, after)}"
        assert len(effect["layers_added"]) == len(after.keys() - before.keys()) > 0
    elif kind == "selection":
        assert changed == {"(selection)"} and region is None, differing(before, after)
    elif kind == "channel":
        assert changed == {"(channels)"}, differing(before, after)
    elif kind == "layer":
        allowed = {"subject", "group", "Words"} | ({"(selection)"} if name in MERGES else set())
        assert changed <= allowed, f"changed {changed}: {differing(before, after)}"


@pytest.fixture(scope="module")
def swept(gimp_version, gimp):
    """`of(title)`: what became of the layer in each case of a scene, and the faults; each scene is gone through once."""
    done = {}

    def of(title):
        if title not in done:
            # GIMP slows down with each palette it ever had, and every checkpoint of an indexed image has one. With
            # shorter searches for conversions the many cases take a bearable time
            own = Gimp(gimp_version, environment={"BABL_PATH_LENGTH": "2"}) if title == "INDEXED" else None
            try:
                with (own or gimp).client(timeout=300) as client:
                    done[title] = sweep(client, title)
            finally:
                if own:
                    own.stop()
        return done[title]

    return of


def sweep(client, title):
    how, kinds = SCENES[title]
    given = {row.values[0]["name"]: row.values[1] for row in reversed(list(rows()))}
    given.update(ARGUMENTS, convert_image_mode={"mode": "RGB" if title in ("GRAY", "INDEXED") else "GRAY"})
    results, faults = {}, []
    client.python(PROBE)
    try:
        scene = Scene(client, how)
        for name in (name for name, kind in KINDS.items() if kind in kinds):
            try:
                results[name] = trial(scene, name, given.get(name))
            except (AssertionError, CallError) as fault:
                faults.append(f"{name}: {fault}"[:1500])
                client.call("close_image", image=scene.image, discard_changes=True)
                scene = Scene(client, how)
    finally:
        client.python("registry.OPERATIONS['image_state'] = stood", "for i in Gimp.get_images(): i.delete()")
    return results, faults


@pytest.mark.parametrize("title", SCENES)
def test_what_changes_is_what_should_and_undo_restores_it(swept, title):
    results, faults = swept(title)
    for name, got in results.items():
        if isinstance(got, CallError) and not is_fit(got, title, name):
            faults.append(f"{name} is refused: {got} (hint: {got.hint})")
    assert not faults, "\n".join(faults)


def is_fit(problem, title, name):
    """Whether a refusal says what is the matter with such a picture."""
    if title == "grouped and masked" and name in ("add_layer_mask", "remove_layer_mask", "set_layer_mask"):
        return "has a mask already" in problem.message and "remove_layer_mask" in problem.hint
    if title in ("GRAY", "INDEXED"):
        fits = problem.kind == "unsupported" and "convert_image_mode" in problem.hint
        return title in problem.message and (fits or name == "set_color_profile")
    return False


def test_a_group_and_a_mask_change_nothing_about_the_result(swept):
    plain, others, faults = swept("moved")[0], swept("grouped and masked")[0], []
    for name, got in others.items():
        wanted = plain.get(name)
        if KINDS[name] == "pixels" and isinstance(wanted, np.ndarray) and isinstance(got, np.ndarray):
            off = np.abs(got.astype(int) - wanted)
            if off.any():
                faults.append(f"{name}: {(off > 0).any(axis=2).sum()} pixels differ, by {off.max()} of 65535")
    assert not faults, "\n".join(faults)
