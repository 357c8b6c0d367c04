"""In a GIMP with windows: what a person paints while a long filter works stays theirs, however the filter ends."""

import time

import pytest
from client import CallError
from test_undo_step import windowed  # noqa: F401  the fixture

SIZE = 1500, 1000
SLOW = {"operation": "gegl:oilify", "properties": {"mask-radius": 12}}
LOOK = "[list(l.get_pixel(700, 500).get_rgba())[:3] for l in im.get_layers()]"


def picture(client):
    """Two layers, of which the upper one is selected, in a window; noise, so that an oil painting changes it."""
    width, height = SIZE
    client.python(
        "from random import Random",
        f"im = Gimp.Image.new({width}, {height}, Gimp.ImageBaseType.RGB)",
        "for name in ('below', 'above'):",
        f"    l = Gimp.Layer.new(im, name, {width}, {height}, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "    im.insert_layer(l, None, 0)",
        f"    b = l.get_buffer(); b.set(Gegl.Rectangle.new(0, 0, {width}, {height}), \"R'G'B'A u8\", Random(name).randbytes({width * height * 4}))",
        f"    b.flush(); l.update(0, 0, {width}, {height})",
        "im.set_selected_layers([l]); im.clean_all()",
        "Gimp.Display.new(im); Gimp.displays_flush()",
    )
    return client.eval("im.get_id()"), client.eval("[l.get_id() for l in im.get_layers()]")


def begun(client, call):
    """Waits until some pieces are done."""
    reply = client._open[call]
    while not reply.progress or not reply.progress[-1]["progress"]:
        client._dispatch(*client.receive())


def fill_with_white(windowed):  # noqa: F811
    """As a person: Edit > Fill with Background Color, of the selected layer. The bridge works on, so nothing tells when it is done."""
    windowed.press("Untitled", "ctrl+period")
    time.sleep(3)


def ended(client, call):
    with pytest.raises(CallError) as raised:
        client.wait(call)
    return raised.value


def test_what_was_painted_while_a_filter_worked_stays(windowed):  # noqa: F811
    with windowed.client() as client:
        image, (above, below) = picture(client)
        windowed.press("Welcome to GIMP", "Escape")
        before = client.eval(LOOK)
        white = [1.0, 1.0, 1.0]

        # Cancelled: the other layer keeps what came
        call = client.send_call("apply_gegl_operation", {"image": image, "layer": below, **SLOW}, timeout=300)
        begun(client, call)
        fill_with_white(windowed)
        client.cancel(call)
        assert ended(client, call).kind == "cancelled"
        assert client.eval(LOOK) == [white, before[1]]
        assert client.call("list_checkpoints", image=image)["checkpoints"] == []
        windowed.press("Untitled", "ctrl+z")
        time.sleep(2)
        assert client.eval(LOOK) == before, "it is a step of its own in GIMP's undo"

        # Painted on itself: not applied, and the paint stays
        call = client.send_call("apply_gegl_operation", {"image": image, "layer": above, **SLOW}, timeout=300)
        begun(client, call)
        fill_with_white(windowed)
        error = ended(client, call)
        assert error.kind == "gimp_error" and "was painted on while the filter ran" in error.message
        assert client.eval(LOOK) == [white, before[1]]

        # Applied: taking it back takes nothing else back
        windowed.press("Untitled", "ctrl+z")
        time.sleep(2)
        call = client.send_call("apply_gegl_operation", {"image": image, "layer": below, **SLOW}, timeout=300)
        begun(client, call)
        fill_with_white(windowed)
        effect = client.wait(call).result["effect"]
        assert [changed["id"] for changed in effect["layers_changed"]] == [below]
        now = client.eval(LOOK)
        assert now[0] == white and now[1] != before[1]
        client.call("undo", image=image)
        assert client.eval(LOOK) == [white, before[1]]
    assert "CRITICAL" not in windowed.log()
