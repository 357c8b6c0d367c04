"""The selection filled from words and layers varied, through the daemon, with a stand-in for Automatic1111 in a real GIMP."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from client import ROOT
from harness import Gimp
from pictures import noise, opened, read
from PIL import Image
from test_cancel_sweep import state
from test_filter_pixels import read as own_depth

BINARY = Path(os.environ.get("GIMP_BRIDGE_BIN", ROOT / "target" / "debug" / "gimp-bridge"))
sys.path.insert(0, str(ROOT / "tests" / "generate"))

from web_ui import CAST, WebUi, colour  # noqa: E402

SHOWN = os.environ.get("GIMP_BRIDGE_TEST_PICTURES")  # a folder for pictures to look at


@pytest.fixture
def ui():
    with WebUi() as started:
        yield started


@pytest.fixture
def begin(gimp, client, ui, tmp_path):
    """begin(operation, limits, **arguments) -> the process of a call that runs."""

    def run(operation, limits="width = [64, 512]\nheight = [64, 512]", state_dir=None, **arguments):
        backends = tmp_path / "backends.toml"
        backends.write_text(f'[[backend]]\nname = "home"\nkind = "a1111"\nurl = "{ui.url}"\n[backend.limits]\n{limits}\n')
        environment = {
            **os.environ,
            "GIMP_BRIDGE_STATE_DIR": str(state_dir or gimp.state_dir),
            "GIMP_BRIDGE_GENERATE_BACKENDS": str(backends),
            "GIMP_BRIDGE_STORAGE_PATH": str(tmp_path / "store"),
        }
        command = [BINARY, "--log-level", "warn", "call", operation, json.dumps(arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return run


@pytest.fixture
def call(begin):
    """call(operation, …) -> (exit status, the result or the error's text)."""

    def run(operation, **arguments):
        process = begin(operation, **arguments)
        out, error = process.communicate(timeout=240)
        return process.returncode, json.loads(out) if process.returncode == 0 else error

    return run


def scene(width=300, height=200):
    """A soft picture with a little grain, as photos have it."""
    y, x = np.mgrid[:height, :width]
    made = np.stack([70 + 90 * x / width, 150 - 60 * y / height, 90 + 40 * np.sin(x / 40) * np.cos(y / 30)], axis=-1)
    return np.clip(np.rint(made + np.random.default_rng(2).normal(0, 2, made.shape)), 0, 255).astype(np.uint8)


def show(client, image, name):
    if SHOWN:
        pixels = read(client, image)
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3]).save(Path(SHOWN) / f"{name}.png")


def selection(client, image, width, height):
    data = client.stream("filter_read_mask", image=image, width=width, height=height).data
    return np.frombuffer(bytes(data), np.uint8).reshape(height, width)


def undone(client, image, before):
    client.call("undo", image=image)
    assert (read(client, image) == before).all()
    return True


def group(client, number):
    """Names, places and visibility of a group's children."""
    code = f"[(l.get_name(), l.get_visible(), l.get_id(), *l.get_offsets()[-2:]) for l in Gimp.Item.get_by_id({number}).get_children()]"
    return [tuple(row) for row in client.eval(code)]


def seam(after, before, mask, band=6):
    """The mean difference from the picture that was there, in a band just inside of where the result shows fully: the
    stand-in repeats the picture there, so that what is left is the seam."""
    full = mask == 255
    inner = full.copy()
    for _ in range(band):
        inner = inner & np.roll(inner, 1, 0) & np.roll(inner, -1, 0) & np.roll(inner, 1, 1) & np.roll(inner, -1, 1)
    ring = full & ~inner
    return np.abs((after[ring].astype(float) - before[ring]).mean(axis=0)).max()


def test_a_feathered_selection_is_filled_and_nothing_else_changes(client, call, ui):
    image, layer = opened(client, scene())
    client.call("create_ellipse_selection", image=image, x=90, y=50, width=130, height=100, feather=14)
    mask, before = selection(client, image, 300, 200), read(client, image)
    status, told = call("fill_selection_with_prompt", image=image, prompt="a red  boat", seed=3, count=3)
    assert status == 0, told
    show(client, image, "feathered")
    assert told["image"] == image and len(told["layers"]) == 3 and len(told["images"]) == 3
    assert [row[:2] for row in group(client, told["group"])] == [("a red boat 1", True), ("a red boat 2", False), ("a red boat 3", False)]
    assert client.eval(f"Gimp.Item.get_by_id({told['group']}).get_name()") == "a red boat"
    assert [each["metadata"]["seed"] for each in told["images"]] == [3, 4, 5]
    assert any("matched" in note for note in told["notes"]) and any("painted at" in note for note in told["notes"]), told
    # The model got what surrounds the selection, and all of it as mask
    sent = ui.requests[0]
    assert sent["width"] % 8 == sent["height"] % 8 == 0 and sent["denoising_strength"] == 1
    after = read(client, image)
    assert (after[mask == 0] == before[mask == 0]).all()
    assert seam(after, before, mask) < 2.5 < CAST.min() + 30
    x, y, width, height = told["region"]
    middle = after[y + height // 2, x + width // 2].astype(float)
    assert np.abs(middle - colour("a red  boat", 3)).max() < 40, middle
    # The others are there to be chosen
    for number, seed in ((1, 4), (2, 5)):
        client.python(*(f"Gimp.Item.get_by_id({id_}).set_visible({index == number})" for index, id_ in enumerate(told["layers"])))
        other = read(client, image)
        assert (other[mask == 0] == before[mask == 0]).all()
        assert np.abs(other[y + height // 2, x + width // 2] - colour("a red  boat", seed)).max() < 40
    client.python(*(f"Gimp.Item.get_by_id({id_}).set_visible({index == 0})" for index, id_ in enumerate(told["layers"])))
    for _ in range(4):  # three choices, and the fill
        client.call("undo", image=image)
    assert (read(client, image) == before).all() and client.eval("len(Gimp.get_images()[0].get_layers())") == 1


def test_one_undo_takes_all_of_it_back(client, call):
    image, layer = opened(client, scene())
    client.call("create_rectangle_selection", image=image, x=60, y=40, width=120, height=90)
    before = state(client)
    status, told = call("fill_selection_with_prompt", image=image, prompt="a lake", count=3)
    assert status == 0 and len(told["layers"]) == 3, told
    assert told["effect"]["changed"] is True and told["effect"]["layers_changed"] == []
    client.call("undo", image=image)
    assert state(client) == before


@pytest.mark.parametrize("precision, linear", (("u16", False), ("u16", True), ("float", True), ("u8", True)))
def test_precision_outside_stays(client, call, precision, linear):
    image = client.call("create_new_image", width=300, height=200, precision=precision, linear=linear, color="#507090")["image"]
    client.call("apply_gegl_operation", image=image, operation="gegl:noise-rgb")
    client.call("create_ellipse_selection", image=image, x=90, y=50, width=130, height=100, feather=10)
    mask, layer = selection(client, image, 300, 200), client.eval("Gimp.get_images()[0].get_layers()[0].get_id()")
    before, _ = own_depth(client, image=image, source="visible")
    own, _ = own_depth(client, image=image, layer=layer)
    status, told = call("fill_selection_with_prompt", image=image, prompt="a red boat", layer=layer)
    assert status == 0, told
    after, _ = own_depth(client, image=image, source="visible")
    assert before.dtype == after.dtype and before.dtype != np.uint8
    differ = (after != before).any(axis=2) & (mask == 0)
    assert not differ.any(), (np.argwhere(differ)[:3], before[differ][:3], after[differ][:3])
    assert (own_depth(client, image=image, layer=layer)[0] == own).all()
    scale = 1 if before.dtype == np.float32 else 65535
    x, y, width, height = told["region"]
    middle = after[y + height // 2, x + width // 2, :3].astype(float) / scale
    assert np.abs(middle - colour("a red boat", 5) / 255).max() < 0.15, middle
    client.call("undo", image=image)
    assert (own_depth(client, image=image, source="visible")[0] == before).all()


@pytest.mark.parametrize("mode", ("GRAY", "INDEXED"))
def test_grey_and_indexed(client, call, mode):
    image, _ = opened(client, scene())
    client.call("convert_image_mode", image=image, mode=mode)
    client.call("create_ellipse_selection", image=image, x=90, y=50, width=130, height=100, feather=8)
    mask, before = selection(client, image, 300, 200), read(client, image)
    status, told = call("fill_selection_with_prompt", image=image, prompt="a red boat", count=2)
    assert status == 0, told
    show(client, image, mode.lower())
    after = read(client, image)
    assert (after[mask == 0] == before[mask == 0]).all() and (after[mask == 255] != before[mask == 255]).any()
    assert client.eval("int(Gimp.get_images()[0].get_base_type())") == {"GRAY": 1, "INDEXED": 2}[mode]
    if mode == "INDEXED":
        assert told["group"] is None and any("palette" in note for note in told["notes"])
    undone(client, image, before)


def test_a_layer_group_and_a_layer_off_the_canvas(client, call):
    """The results go above the layer, in its group; what is sent is what shows."""
    image, _ = opened(client, scene())
    client.python(
        f"i = Gimp.Image.get_by_id({image})",
        "g = Gimp.GroupLayer.new(i, 'g'); i.insert_layer(g, None, 0)",
        "l = Gimp.Layer.new(i, 'inner', 320, 210, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "i.insert_layer(l, g, 0); l.fill(Gimp.FillType.WHITE); l.set_offsets(-150, -90)",
        "m = l.create_mask(Gimp.AddMaskType.WHITE); l.add_mask(m); i.set_selected_layers([l]); l.set_edit_mask(True)",
    )
    client.call("create_rectangle_selection", image=image, x=-40, y=70, width=260, height=90)
    before, mask = read(client, image), selection(client, image, 300, 200)
    status, told = call("fill_selection_with_prompt", image=image, prompt="a red boat")
    assert status == 0, told
    show(client, image, "off_canvas")
    assert told["region"] == [0, 70, 220, 90]
    assert client.eval(f"Gimp.Item.get_by_id({told['group']}).get_parent().get_name()") == "g"
    after = read(client, image)
    assert (after[mask == 0] == before[mask == 0]).all() and seam(after[..., :3], before[..., :3], mask) < 3
    client.call("undo", image=image)
    assert (read(client, image) == before).all()

    # Varied as a whole, with what lies beyond the canvas, as opaque as it is
    client.call("select_none", image=image)
    layer = client.eval("[l for g in Gimp.get_images()[0].get_layers() if g.is_group_layer() for l in g.get_children()][0].get_id()")
    client.python(f"l = Gimp.Item.get_by_id({layer})", "i = l.get_image()", "l.get_mask().edit_fill(Gimp.FillType.WHITE)",
                  "i.select_ellipse(Gimp.ChannelOps.REPLACE, 20, 10, 100, 80)", "l.get_mask().fill(Gimp.FillType.TRANSPARENT) or None",
                  "Gimp.context_set_foreground(Gegl.Color.new('black'))", "l.get_mask().edit_fill(Gimp.FillType.FOREGROUND)",
                  "Gimp.Selection.none(i)")
    before = read(client, image)
    status, told = call("vary_image", image=image, layer=layer, strength=0.4)
    assert status == 0, told
    show(client, image, "varied")
    assert told["region"] == [-150, -90, 320, 210]
    after = read(client, image)
    hidden = np.zeros((200, 300), bool)
    hidden[30:70, 50:90] = True  # inside of the hole in the mask
    hidden[125:] = hidden[:, 175:] = True  # beside the layer
    assert (after[hidden] == before[hidden]).all()
    assert (after[20:100, 130:165] != before[20:100, 130:165]).any()
    undone(client, image, before)


def test_a_part_of_a_layer_is_varied_in_the_selection(client, call, ui):
    image, layer = opened(client, scene())
    client.call("create_ellipse_selection", image=image, x=90, y=50, width=130, height=100, feather=14)
    mask, before = selection(client, image, 300, 200), read(client, image)
    status, told = call("vary_image", image=image, prompt="a red boat", strength=0.5, context_margin=1)
    assert status == 0, told
    show(client, image, "varied_part")
    assert ui.requests[0]["denoising_strength"] == 0.5 and "mask" in ui.requests[0]
    after = read(client, image)
    assert (after[mask == 0] == before[mask == 0]).all() and seam(after, before, mask) < 2.5
    undone(client, image, before)


def test_a_large_selection_goes_at_the_models_size(client, call, ui):
    image, layer = opened(client, scene(2000, 1500))
    client.call("create_ellipse_selection", image=image, x=250, y=150, width=1500, height=1200, feather=60)
    mask, before = selection(client, image, 2000, 1500), read(client, image)
    began = time.monotonic()
    status, told = call("fill_selection_with_prompt", image=image, prompt="a red boat", count=3)
    took = time.monotonic() - began
    assert status == 0, told
    show(client, image, "large")
    sent = ui.requests[0]
    assert max(sent["width"], sent["height"]) <= 512 and len(ui.requests) == 3
    assert any("scaled back" in note for note in told["notes"]), told
    after = read(client, image)
    assert (after[mask == 0] == before[mask == 0]).all()
    assert seam(after, before, mask, band=40) < 2.5 and took < 120, took
    undone(client, image, before)


def test_refusals_come_before_anything_is_painted(client, call, ui):
    image, layer = opened(client, scene())
    status, said = call("fill_selection_with_prompt", image=image, prompt="a lake")
    assert status != 0 and "no selection" in said and "vary_image" in said
    status, said = call("fill_selection_with_prompt", image=image, prompt="  ")
    assert status != 0 and "only blanks" in said
    client.call("create_rectangle_selection", image=image, x=10, y=10, width=50, height=50)
    status, said = call("fill_selection_with_prompt", image=image, prompt="a lake", model="m" * 20, backend="nowhere")
    assert status != 0 and "nowhere" in said
    opened(client, noise(300, 200, 3))
    status, said = call("vary_image", prompt="a lake")
    assert status != 0 and "ambiguous_image" in said and ui.requests == []


def test_a_wrong_answer_leaves_nothing(client, call, ui):
    image, layer = opened(client, scene())
    client.call("create_rectangle_selection", image=image, x=60, y=40, width=120, height=90)
    before = state(client)
    for answer in ({"images": ["bm8gcGljdHVyZQ=="]}, {"images": []}, {"detail": "?"}):
        ui.faults.append(answer)
        status, said = call("fill_selection_with_prompt", image=image, prompt="a lake")
        assert status != 0 and "home" in said, said
        assert state(client) == before


def test_what_the_user_does_meanwhile(client, begin, ui):
    image, layer = opened(client, scene())
    client.call("create_rectangle_selection", image=image, x=60, y=40, width=120, height=90)
    before, mask = read(client, image), selection(client, image, 300, 200)
    ui.gate.clear()
    process = begin("fill_selection_with_prompt", image=image, prompt="a red boat")
    assert ui.asked.wait(60)
    # GIMP is free, and the selection of the beginning counts
    client.call("create_rectangle_selection", image=image, x=0, y=0, width=20, height=20)
    ui.gate.set()
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert json.loads(out)["region"] == [60, 40, 120, 90]
    after = read(client, image)
    assert (after[mask == 0] == before[mask == 0]).all() and (after[mask == 255] != before[mask == 255]).any()

    ui.gate.clear()
    ui.asked.clear()
    process = begin("vary_image", image=image, layer=layer, prompt="a red boat")
    assert ui.asked.wait(60)
    client.call("close_image", image=image, discard_changes=True)
    ui.gate.set()
    out, error = process.communicate(timeout=120)
    told = json.loads(out)
    assert process.returncode == 0 and told["into_error"]["kind"] == "image_gone" and told["layers"] == []
    assert Path(told["images"][0]["url"].removeprefix("file://")).exists() and "stored" in told["message"]


def test_a_cancel_leaves_nothing(client, begin, ui):
    image, layer = opened(client, scene(900, 700))
    client.call("create_rectangle_selection", image=image, x=60, y=40, width=700, height=600)
    before = state(client)
    ui.gate.clear()
    process = begin("fill_selection_with_prompt", image=image, prompt="a lake")
    assert ui.asked.wait(60)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0 and "cancelled" in error and state(client) == before
    ui.gate.set()
    # At any instant of reading, painting and putting in place
    began = time.monotonic()
    process = begin("fill_selection_with_prompt", image=image, prompt="a lake", count=2)
    process.communicate(timeout=120)
    whole = time.monotonic() - began
    client.call("undo", image=image)
    assert state(client) == before
    tried = cancelled = 0
    while tried < 10 or cancelled <= 3:
        assert tried < 40, f"{cancelled} of {tried} were cancelled before their end"
        process = begin("fill_selection_with_prompt", image=image, prompt="a lake", count=2)
        time.sleep(whole * (0.1 + 0.09 * (tried % 10)))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        if process.returncode == 0:
            client.call("undo", image=image)
            whole *= 0.9  # it was measured when the machine had other work
        else:
            cancelled += 1
        tried += 1
        assert state(client) == before, tried


def test_a_read_only_gimp_is_asked_first(gimp_version, begin, ui):
    with Gimp(gimp_version, settings={"read_only": True}) as closed:
        process = begin("vary_image", state_dir=closed.state_dir, prompt="a lake")
        _, error = process.communicate(timeout=120)
        assert process.returncode != 0 and ui.requests == [] and ("read-only" in error or "no_image" in error), error


def test_new_layers_come_as_a_group_too(client, call):
    image, layer = opened(client, scene())
    before = read(client, image)
    status, told = call("generate_image", prompt="two boats", width=320, height=208, count=2, into="new_layer", image=image)
    assert status == 0, told
    assert [row[:2] for row in group(client, told["group"])] == [("two boats 1", True), ("two boats 2", False)]
    assert told["layers"] == [row[2] for row in group(client, told["group"])]
    undone(client, image, before)
