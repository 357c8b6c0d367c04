"""A cancel at any instant of a call leaves nothing: the instant is swept over each call from its beginning to its end."""

import os
import time

import numpy as np
import pytest
from client import CallError
from pictures import png

INSTANTS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("sweep")
    noise = np.random.default_rng(1)
    for number in range(6):
        pixels = noise.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        (made / f"{number}.png").write_bytes(png(pixels))
    (made / "large.png").write_bytes(png(noise.integers(0, 256, (1200, 1600, 3), dtype=np.uint8)))
    return made


def state(client):
    """Everything that is open: layers with their names, and pixels."""
    code = """
found = []
for image in Gimp.get_images():
    for layer in image.get_layers():
        data = layer.get_buffer().get(Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height()), 1.0, "R'G'B'A u8", 0)
        found.append([image.get_id(), layer.get_name(), layer.get_width(), hash(bytes(data))])
"""
    return client.eval(f"[exec({code!r}, globals()), found][1]")


def cancelled_at(client, seconds, operation, arguments):
    """Whether the call was cancelled; else it was done before."""
    request = client.send_call(operation, arguments, timeout=60)
    time.sleep(seconds)
    client.cancel(request)
    try:
        client.wait(request)
    except CallError as error:
        assert error.kind == "cancelled", error
        return True
    return False


def sweep(client, operation, arguments, least, undo=None, after=lambda: None):
    """Cancels at INSTANTS places of a call's time, of which at least `least` come in time: again where the machine had
    other work while the call was timed, and cancels came when it was done."""
    found = []
    while not found or sum(found) < least:
        assert len(found) < 4, f"{operation}: {found} of {INSTANTS} cancels each time came before the end"
        found.append(sweep_once(client, operation, arguments, undo, after))


def sweep_once(client, operation, arguments, undo, after):
    """How many of the cancels came in time."""
    before = state(client)
    durations = []
    for _ in range(2):  # the first may load what the later ones find
        began = time.monotonic()
        client.call(operation, timeout=60, **arguments)
        durations.append(time.monotonic() - began)
        reset(client, before, undo)
    duration = min(durations)
    in_time = 0
    for number in range(INSTANTS):
        instant = duration * number / (INSTANTS - 1)
        if cancelled_at(client, instant, operation, arguments):
            in_time += 1
            assert state(client) == before, f"{operation}, cancelled after {instant:.3f} of {duration:.3f} s"
        else:
            reset(client, before, undo)
        after()
    return in_time


def reset(client, before, undo):
    """After a call that was done: closes what it opened, or takes it back."""
    known = {row[0] for row in before}
    for number in client.eval("[i.get_id() for i in Gimp.get_images()]"):
        if number not in known:
            client.call("close_image", image=number, discard_changes=True)
    if undo is not None and state(client) != before:
        client.call("undo", image=undo)
    assert state(client) == before


def test_opening_a_file(client, folder):
    sweep(client, "open_file", {"path": str(folder / "large.png")}, least=3)


def test_a_folder(client, folder, tmp_path):
    arguments = {"folder": str(folder), "to_folder": str(tmp_path), "pattern": "?.png", "width": 100, "overwrite": True}

    def nothing_half():
        assert all(name.endswith(".png") and not name.startswith(".") for name in os.listdir(tmp_path))

    sweep(client, "export_batch", arguments, least=3, after=nothing_half)


def test_filters_and_what_only_reads(client):
    image = client.call("create_new_image", width=900, height=700, color="#806040")["image"]
    client.call("apply_gegl_operation", image=image, operation="gegl:noise-rgb")
    sweep(client, "apply_artistic", {"image": image, "style": "oil_paint", "size": 6}, least=3, undo=image)
    sweep(client, "resize_image", {"image": image, "width": 450, "height": 350}, least=0, undo=image)
    sweep(client, "read_pixels", {"image": image}, least=0)
    client.call("close_image", image=image, discard_changes=True)


def test_a_restore(client):
    image = client.call("create_new_image", width=900, height=700, color="#806040")["image"]
    client.call("checkpoint", image=image)
    client.call("apply_gegl_operation", image=image, operation="gegl:noise-rgb")
    before = state(client)
    for number in range(INSTANTS):
        done = not cancelled_at(client, number * 0.004, "undo", {"image": image})
        pixels = [row[1:] for row in state(client)]
        if done:
            client.call("apply_gegl_operation", image=image, operation="gegl:noise-rgb")
        else:
            assert pixels == [row[1:] for row in before], number
        before = state(client)
    client.call("close_image", image=image, discard_changes=True)


def test_code_that_makes_images(client):
    lines = ["import time", "for n in range(20):", "    i = Gimp.Image.new(300, 200, 0)",
             "    i.insert_layer(Gimp.Layer.new(i, 'x', 300, 200, 0, 100, 28), None, 0)", "    time.sleep(0.01)"]
    arguments = {"api_path": "exec", "args": ["pyGObject-console", lines]}
    sweep(client, "call_api", arguments, least=5)


def test_a_batch(client, folder):
    """What its steps opened and changed is taken back when its client goes, whenever that is."""
    image = client.call("create_new_image", width=320, height=240, color="#336699")["image"]
    before = state(client)
    for number in range(8):
        begun = client.call("begin_batch", seconds=120, on_abandon="restore")["batch"]
        request = client.send_call("open_file", {"path": str(folder / "large.png"), "batch": begun}, timeout=60)
        time.sleep(number * 0.02)
        client.cancel(request)
        try:
            client.wait(request)
            client.call("apply_gegl_operation", image=image, operation="gegl:noise-rgb", batch=begun)
        except CallError as error:
            assert error.kind == "cancelled"
        client.call("end_batch", batch=begun, restore=True)
        assert [row[1:] for row in state(client)] == [row[1:] for row in before], number
        before = state(client)
    client.call("close_image", image=image, discard_changes=True)
