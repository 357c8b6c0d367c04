"""Every change can be taken back: undo and checkpoints in real GIMP, judged by pixels and structure."""

import json
import time

import pytest
from client import CallError
from harness import Gimp
from rich_image import CHANGES, NOT_FOR, SETUP

# In the other modes and precisions: what writes or copies pixels, or depends on the mode
PIXEL_CHANGES = ("pixels", "pixels_off_canvas", "mask_pixels", "channel", "channel_removed", "flatten", "mode", "alpha_removed",
                 "layer_resized", "selection_softer", "scale", "precision", "mask_added", "all_of_it")
FORMATS = (("GRAY", "U8_NON_LINEAR"), ("INDEXED", "U8_NON_LINEAR"), ("RGB", "U16_NON_LINEAR"), ("RGB", "FLOAT_LINEAR"),
           ("RGB", "U32_LINEAR"), ("GRAY", "HALF_NON_LINEAR"))
CASES = [(name, "RGB", "U8_NON_LINEAR") for name in CHANGES] + [
    (name, mode, precision) for mode, precision in FORMATS for name in PIXEL_CHANGES if name not in NOT_FOR[mode]
    # GIMP composes gray half floats a last bit differently after a trip through RGB, though all layers are equal
    and (name, mode, precision) != ("mode", "GRAY", "HALF_NON_LINEAR")]


def make(client, mode="RGB", precision="U8_NON_LINEAR"):
    client.python(SETUP)
    client.python(f"im = make_rich({mode!r}, {precision!r})")
    return client.eval("im.get_id()")


def fingerprint(client):
    return json.loads(client.python("import json", "print(json.dumps(fingerprint(im)))", max_output=1_000_000))


def change(client, code):
    return client.call("call_api", api_path="exec", args=["pyGObject-console", [code]])


def assert_balanced(client):
    """The group of this very call is the only one open."""
    assert client.python("print(im.undo_group_end(), im.undo_group_end())").split() == ["True", "False"]


def differences(old, new):
    """The facts that differ, for a message that tells.

    The selection may differ by 2/255: GIMP's flatten and duplicate change its encoding, and round.
    """
    one, two = (bytes.fromhex(state["image"].get("selection", "")) for state in (old, new))
    if len(one) == len(two) and max(abs(a - b) for a, b in zip(one, two)) <= 2:
        new = {**new, "image": {**new["image"], "selection": old["image"]["selection"]}}
    return {name: {fact: (old.get(name, {}).get(fact), new.get(name, {}).get(fact))
                   for fact in {**old.get(name, {}), **new.get(name, {})}
                   if old.get(name, {}).get(fact) != new.get(name, {}).get(fact)}
            for name in {**old, **new} if old.get(name) != new.get(name)}


@pytest.mark.parametrize("name, mode, precision", CASES, ids=["-".join(case).lower() for case in CASES])
def test_undo_brings_everything_back(client, name, mode, precision):
    image = make(client, mode, precision)
    before = fingerprint(client)
    effect = change(client, CHANGES[name])["effect"]
    assert effect["changed"] is True and effect["image"] == image and effect["checkpoint"]
    changed = fingerprint(client)
    assert changed != before
    rows = client.call("list_checkpoints", image=image)["checkpoints"]
    # One step, but for text: GIMP may render it anew when the fingerprint looks at it, after another precision
    steps = sum(row["undoable"] for row in rows)
    assert steps == 1 or name in ("precision", "mode")
    answer = client.call("undo", image=image, steps=steps)
    assert answer["undone"] == ["call_api"] * steps and answer["not_restored"] == []
    assert differences(before, fingerprint(client)) == {}
    # and the undo itself can be taken back
    rows = client.call("list_checkpoints", image=image)["checkpoints"]
    again = next(row["checkpoint"] for row in rows if row["label"] == "before undo")
    lost = client.call("restore_checkpoint", image=image, checkpoint=again)["not_restored"]
    if name == "floating":  # GIMP has no call that makes a layer float again
        assert lost and "floating" in lost[0]
    else:
        assert lost == []
        assert differences(changed, fingerprint(client)) == {}


# Without what a canvas of one pixel would cut, a checkpoint has such a canvas
STRIP = """
[im.remove_channel(one) for one in im.get_channels()]; [im.remove_path(one) for one in im.get_paths()]
while im.find_next_guide(0): im.delete_guide(im.find_next_guide(0))
while im.find_next_sample_point(0): im.delete_sample_point(im.find_next_sample_point(0))
Gimp.Selection.none(im)
im.set_metadata(Gimp.Metadata.deserialize(im.get_metadata().serialize()) if im.get_metadata() else Gimp.Metadata())
"""
STRIPPED = {"channel", "channel_removed", "path", "path_removed", "guides", "sample_points", "selection_none",
            "selection_softer", "floating"}
PLAIN = [(name, "RGB", "U8_NON_LINEAR") for name in CHANGES if name not in STRIPPED] + [
    (name, mode, precision) for mode, precision in FORMATS[:2] + FORMATS[3:4] for name in ("pixels", "scale", "crop", "canvas", "alpha_removed")]


@pytest.mark.parametrize("name, mode, precision", PLAIN, ids=["-".join(case).lower() for case in PLAIN])
def test_undo_without_channels_paths_and_selection(client, name, mode, precision):
    image = make(client, mode, precision)
    client.python(STRIP)
    before = fingerprint(client)
    own = sum(row["undoable"] for row in client.call("list_checkpoints", image=image)["checkpoints"])
    assert change(client, CHANGES[name])["effect"]["changed"] is True
    kept = "__import__('gimp_bridge').undo.checkpoints.HISTORY.of(im)[-1].copy"
    assert client.eval(f"[{kept}.get_width(), {kept}.get_height()]") == [1, 1]
    changed = fingerprint(client)
    assert changed != before
    steps = sum(row["undoable"] for row in client.call("list_checkpoints", image=image)["checkpoints"]) - own
    assert client.call("undo", image=image, steps=steps)["not_restored"] == []
    assert differences(before, fingerprint(client)) == {}
    again = next(row for row in client.call("list_checkpoints", image=image)["checkpoints"] if row["label"] == "before undo")
    assert client.call("restore_checkpoint", image=image, checkpoint=again["checkpoint"])["not_restored"] == []
    assert differences(changed, fingerprint(client)) == {}


def test_several_steps_and_their_limits(client):
    image = make(client)
    states = [fingerprint(client)]
    for code in (CHANGES["pixels"], CHANGES["flatten"], "paint(im.get_layers()[0], 1, 1, 9, 9)", "im.scale(40, 30)"):
        change(client, code)
        states.append(fingerprint(client))
    with pytest.raises(CallError) as refused:
        client.call("undo", image=image, steps=5)
    assert refused.value.kind == "not_found" and "has 4 to undo" in refused.value.message
    assert client.call("undo", image=image)["undone"] == ["call_api"]
    assert differences(states[3], fingerprint(client)) == {}
    assert len(client.call("undo", image=image, steps=2)["undone"]) == 2
    assert differences(states[1], fingerprint(client)) == {}
    client.call("undo", image=image)
    assert differences(states[0], fingerprint(client)) == {}
    with pytest.raises(CallError) as refused:
        client.call("undo", image=image)
    assert refused.value.kind == "not_found" and "no change" in refused.value.message


def test_labelled_checkpoint(client):
    image = make(client)
    taken = client.call("checkpoint", image=image, label="first")
    before = fingerprint(client)
    for _ in range(3):
        change(client, "paint(item('Background'), 1, 1, 50, 50, os.urandom(4)); item('deep').set_opacity(item('deep').get_opacity() - 1)")
    rows = client.call("list_checkpoints", image=image)["checkpoints"]
    assert [row["undoable"] for row in rows] == [True, True, True, False]
    assert rows[-1]["label"] == "first" and not rows[-1]["automatic"] and rows[-1]["checkpoint"] == taken["checkpoint"]
    assert client.call("restore_checkpoint", image=image, checkpoint=taken["checkpoint"])["not_restored"] == []
    assert differences(before, fingerprint(client)) == {}
    assert client.call("undo", image=image)["undone"] == ["restore_checkpoint"]
    assert differences(before, fingerprint(client)) != {}
    with pytest.raises(CallError) as missing:
        client.call("restore_checkpoint", image=image, checkpoint="c99999")
    assert missing.value.kind == "not_found" and taken["checkpoint"] in missing.value.hint


def test_ids_keep_working(client):
    image = make(client)
    ids = {name: client.eval(f"item('{name}').get_id()") for name in ("Background", "masked", "deep", "Hello", "Group")}
    change(client, CHANGES["pixels"])
    client.call("undo", image=image)
    # the layers were mended in place: even objects that the client's Python holds are valid
    assert {name: client.eval(f"item('{name}').get_id()") for name in ids} == ids
    for _ in range(2):  # copies of copies: the chain of ids is followed
        change(client, "im.flatten()")
        answer = client.call("undo", image=image)
        assert answer["not_restored"] == []
    for name, id_ in ids.items():
        now = client.eval(f"item('{name}').get_id()")
        assert now != id_
        assert client.call("get_image_metadata", image=image)["structure"]["num_layers"]
        client.call("call_api", api_path="gimp-item-set-name", args=[id_, f"{name} again"])
        assert client.eval(f"item('{name} again').get_id()") == now


def test_checkpoints_are_never_seen(client):
    image = make(client)
    for _ in range(3):
        change(client, "paint(item('Background'), 1, 1, 5, 5, os.urandom(4))")
    assert client.eval("len(Gimp.get_images())") == 1
    assert [row["id"] for row in client.call("list_images")["images"]] == [image]
    values = client.call("call_api", api_path="gimp-get-images")["values"]
    assert list(values.values())[0] == [image]
    hidden = client.call("list_checkpoints", image=image)["checkpoints"]
    assert len(hidden) == 3


def test_a_call_that_changes_nothing_leaves_nothing(client):
    image = make(client)
    client.python("im.clean_all()")
    answer = change(client, "t = [l.get_name() for l in im.get_layers()]; exec('1')")
    assert answer["effect"]["changed"] is False and answer["effect"]["checkpoint"] is None
    assert client.call("list_checkpoints", image=image)["checkpoints"] == []
    assert client.eval("im.is_dirty()") is False


def test_failed_call_keeps_its_checkpoint(client):
    image = make(client)
    before = fingerprint(client)
    with pytest.raises(CallError) as failed:
        change(client, "im.flatten()\nraise ValueError('after the change')")
    assert failed.value.kind == "python_error" and failed.value.details["effects"][0]["changed"] is True
    assert client.call("undo", image=image)["undone"] == ["call_api"]
    assert differences(before, fingerprint(client)) == {}


@pytest.mark.parametrize("mess", (
    "im.undo_group_start(); im.undo_group_start()", "im.undo_group_end()", "im.undo_freeze()", "im.undo_freeze(); im.undo_group_start()",
    "im.undo_disable(); im.add_hguide(9); im.undo_enable()", "im.undo_disable()"))
def test_undo_groups_and_freezes_left_open(client, gimp, mess):
    image = make(client)
    before = fingerprint(client)
    log = len(gimp.log())
    change(client, f"{mess}; paint(item('Background'), 2, 2, 3, 3); item('deep').set_opacity(7)")
    assert client.eval("im.undo_is_enabled()") is True
    assert_balanced(client)
    assert client.call("undo", image=image)["not_restored"] == []
    assert differences(before, fingerprint(client)) == {}
    assert "CRITICAL" not in gimp.log()[log:]


def test_closed_images_leave_no_checkpoints(client):
    image = make(client)
    change(client, CHANGES["flatten"])
    assert client.call("list_checkpoints", image=image)["checkpoints"]
    change(client, "im.delete()")
    with pytest.raises(CallError):
        client.call("list_checkpoints", image=image)
    make(client)  # the next transaction sweeps
    change(client, CHANGES["name"])
    values = client.python("from gimp_bridge.undo import history; print(len(history.HISTORY.hidden), len(history.HISTORY.images))")
    assert values.split() == ["2", "1"]  # one kept, and the one of this very call


def test_two_images_in_one_call(client):
    first = make(client)
    client.python("one = im", "im = make_rich()")
    second = client.eval("im.get_id()")
    before = fingerprint(client)
    answer = client.call("call_api", image=first, api_path="exec", args=["pyGObject-console", [
        "paint(one.get_layers()[0], 1, 2, 3, 4)", "paint(item('Background'), 5, 6, 7, 8)", "third = Gimp.Image.new(300, 200, 0)"]])
    effects = {effect["image"]: effect for effect in answer["effects"]}
    assert set(effects) == {first, second}
    assert effects[first]["region"] == {"x": 34, "y": 46, "width": 3, "height": 4}
    assert effects[second]["region"] == {"x": 5, "y": 6, "width": 7, "height": 8}
    assert answer["effect"]["images_added"] == [client.eval("third.get_id()")]
    client.call("undo", image=second)
    assert differences(before, fingerprint(client)) == {}


def test_dirty_flag_and_file(client, tmp_path):
    image = make(client)
    path = str(tmp_path / "a.xcf")
    client.python("from gi.repository import Gio", f"Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, im, Gio.File.new_for_path({path!r}), None)",
                  f"im.set_file(Gio.File.new_for_path({path!r}))", "im.clean_all()")
    change(client, CHANGES["pixels"])
    assert client.eval("im.is_dirty()") is True
    client.call("undo", image=image)
    assert client.eval("im.is_dirty()") is False and client.eval("im.get_file().get_path()") == path
    change(client, CHANGES["pixels"])
    client.python(f"Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, im, Gio.File.new_for_path({path!r}), None)", "im.clean_all()")
    client.call("undo", image=image)  # the file now holds the other state
    assert client.eval("im.is_dirty()") is True


def test_limits_of_count_and_memory(gimp_version):
    with Gimp(gimp_version, settings={"checkpoints": 3, "checkpoint_memory_mb": 16}) as gimp, gimp.client() as client:
        image = make(client)
        for value in range(5):
            change(client, f"paint(item('Background'), 1, 1, 5, 5, bytes([{value}, 9, 9, 255]))")
        client.call("checkpoint", image=image, label="kept")
        answer = client.call("list_checkpoints", image=image)
        assert [row["undoable"] for row in answer["checkpoints"]] == [False, True, True, True]
        assert answer["dropped"]["count"] == 2 and "limit of 3" in answer["dropped"]["why"]
        client.python("big = Gimp.Image.new(2000, 1500, 0)", "layer = Gimp.Layer.new(big, 'l', 2000, 1500, 1, 100, Gimp.LayerMode.NORMAL)",
                      "big.insert_layer(layer, None, 0)")
        big = client.eval("big.get_id()")
        for value in range(3):  # 12 MB each: two are over 16 MB
            client.call("call_api", image=big, api_path="exec",
                        args=["pyGObject-console", [f"paint(layer, 0, 0, 2000, 1500, bytes([{value}, 9, 9, 255]))"]])
        answer = client.call("list_checkpoints", image=big)
        assert len(answer["checkpoints"]) == 1 and "memory limit of 16 MB" in answer["dropped"]["why"]
        assert client.call("undo", image=big)["not_restored"] == []


def test_cancel_during_a_change_keeps_the_balance(client):
    image = make(client)
    before = fingerprint(client)
    script = "x = 0\nwhile True:\n    x = (x + 1) % 50\n    paint(item('Background'), x, 0, 4, 4)"
    request = client.send_call("call_api", {"image": image, "api_path": "exec", "args": ["pyGObject-console", [script]]})
    deadline = time.monotonic() + 60
    while client.ping()["busy"] is None:
        assert time.monotonic() < deadline
    client.cancel(request)
    with pytest.raises(CallError) as ended:
        client.wait(request)
    assert ended.value.kind == "cancelled"
    assert_balanced(client)
    if client.call("list_checkpoints", image=image)["checkpoints"]:
        client.call("undo", image=image)
    assert differences(before, fingerprint(client)) == {}


@pytest.mark.parametrize("batched", (False, True), ids=("alone", "in a batch"))
def test_a_copy_that_a_filter_made_cannot_become_what_it_was_on_the_way(client, batched):
    """As upscale makes one: a copy, then its size, then its layers."""
    image = make(client)
    change(client, "item('Background').edit_fill(Gimp.FillType.WHITE)")
    more = {"batch": client.call("begin_batch", seconds=60, on_abandon="restore")["batch"]} if batched else {}
    copy = client.call("filter_copy", image=image, suffix="2x", **more)["image"]
    client.call("resize_image", image=copy, width=620, height=410, **more)
    client.call("filter_show", image=copy, **more)
    if batched:
        assert client.call("end_batch", **more)["effect"]["images_added"] == [copy]
    with pytest.raises(CallError) as nothing:
        client.call("undo", image=copy)
    assert nothing.value.kind == "not_found" and client.call("list_checkpoints", image=copy)["checkpoints"] == []
    client.call("flip_image", image=copy, direction="horizontal")  # what comes after it can
    assert client.call("undo", image=copy)["undone"] == ["flip_image"]
    assert client.eval(f"Gimp.Image.get_by_id({copy}).get_width()") == 620
    assert client.call("undo", image=image)["undone"] == ["call_api"]
