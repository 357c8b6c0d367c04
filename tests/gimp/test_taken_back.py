"""What a call changed outside of images is as before when it fails, is cancelled at its last instant, or when its batch is
taken back: undo's marks, checkpoints, GIMP's context, brushes and the like, the chosen image. What nothing takes back is
done or not begun."""

import contextlib

import numpy as np
import pytest
from client import CallError
from pixelwork import make, read, smooth

WIDTH, HEIGHT = 310, 205
# The operation does its work; then it fails, or its client's cancel comes when nothing is left to be ended
ENDS = {
    "failed": ("pass", "raise OperationError('gimp_error', 'after the change')"),
    "cancelled": ("pass", "call.request.cancelled = True"),
}
# A cancel right before what nothing takes back; a window of the user's that shows the image
TOO_SOON = "commit = call.commit; call.commit = lambda: [call._watchdog.cancel(call.request), commit()]", "pass"
IN_A_WINDOW = "from gimp_bridge.images import display; close = display.close; display.close = lambda image: False", "display.close = close"
PATCH = """
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch import registry
run = registry.OPERATIONS[{0!r}]
def ended(call, **arguments):
    {1}
    try:
        made = run(call, **arguments)
    finally:
        {2}
    return made
registry.OPERATIONS[{0!r}] = ended
"""


@contextlib.contextmanager
def ends(client, operation, how, **more):
    client.python(PATCH.format(operation, *how), **more)
    try:
        yield
    finally:
        client.python(f"registry.OPERATIONS[{operation!r}] = run", **more)


def refused(client, how, operation, /, **arguments):
    with ends(client, operation, ENDS[how], **({"batch": arguments["batch"]} if "batch" in arguments else {})):
        with pytest.raises(CallError) as raised:
            client.call(operation, **arguments)
    assert raised.value.kind == {"failed": "gimp_error", "cancelled": "cancelled"}[how]


def edited(client):
    """(image, its pixels before each of three edits and after the last)."""
    image, layer = make(client, smooth(WIDTH, HEIGHT), x=-20, y=-10, canvas=(300, 200))
    states = [read(client, image)]
    for operation, arguments in (
        ("invert_colors", {}),
        ("draw_rectangle", {"x": 20, "y": 20, "width": 200, "height": 120, "fill_color": "red"}),
        ("flip_layer", {"direction": "horizontal"}),
    ):
        client.call(operation, image=image, layer=layer, **arguments)
        states.append(read(client, image))
    assert all((one != other).any() for one, other in zip(states, states[1:]))
    return image, states


def undoable(client, image):
    return [row["checkpoint"] for row in client.call("list_checkpoints", image=image)["checkpoints"] if row["undoable"]]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("uncertain", (False, True), ids=("certain", "one by one"))
@pytest.mark.parametrize("steps", (1, 2, 3))
def test_an_undo_that_was_taken_back_can_be_done_again(client, how, uncertain, steps):
    image, states = edited(client)
    if uncertain:  # as after a reduced proof: undo goes back one by one
        client.python("from gimp_bridge.undo import history", f"for kept in history.HISTORY.of(Gimp.Image.get_by_id({image})): kept.uncertain = True")
    chain = undoable(client, image)
    refused(client, how, "undo", image=image, steps=steps)
    assert undoable(client, image) == chain
    assert np.array_equal(read(client, image), states[3])
    assert len(client.call("undo", image=image, steps=steps)["undone"]) == steps
    assert np.array_equal(read(client, image), states[3 - steps])


def test_nor_is_one_used_up_whose_batch_is_taken_back(client):
    image, states = edited(client)
    chain = undoable(client, image)
    batch = client.call("begin_batch", seconds=60, on_abandon="restore")["batch"]
    client.call("undo", image=image, steps=2, batch=batch)
    client.call("end_batch", batch=batch, restore=True)
    assert undoable(client, image) == chain and np.array_equal(read(client, image), states[3])
    # A step that failed alone, in a batch that goes on
    batch = client.call("begin_batch", seconds=60, on_abandon="keep")["batch"]
    refused(client, "failed", "undo", image=image, steps=2, batch=batch)
    client.call("undo", image=image, batch=batch)
    client.call("end_batch", batch=batch)
    assert np.array_equal(read(client, image), states[2])


def outside(client):
    """What lies outside of images."""
    listed = {
        kind: [row["name"] for row in client.call("list_resources", kind=kind, limit=500)["resources"]]
        for kind in ("brush", "gradient", "palette")
    }
    image = client.call("list_images")["selected"]
    kept = [row["checkpoint"] for row in client.call("list_checkpoints", image=image)["checkpoints"]] if image else []
    return listed, client.call("get_context_state"), image, kept


CALLS = (
    ("checkpoint", {"label": "mine"}),
    ("set_context_state", {"foreground": "#204060", "brush_size": 77, "opacity": 31, "dynamics": "Pressure Size", "swap_colors": True}),
    ("set_context_state", {"reset": True}),
    ("create_gradient", {"name": "ours", "colors": ["red", "blue", "white"]}),
    ("create_palette", {"name": "ours", "colors": ["red", "blue"]}),
    ("create_palette", {"name": "ours", "from_image": 8}),
    ("create_brush", {"name": "ours", "radius": 30}),
)


@pytest.mark.parametrize("how", (*ENDS, "batch"))
def test_nothing_outside_of_images_stays(client, how):
    other, _ = make(client, smooth(WIDTH, HEIGHT))
    image, _ = make(client, smooth(WIDTH, HEIGHT))
    client.call("select_image", image=image)
    found = client.call("get_context_state")
    client.call("set_context_state", foreground="#c08040", background="#112233", brush_size=13, opacity=90, dynamics="none")
    before = outside(client)
    for operation, arguments in (*CALLS, ("select_image", {"image": other})):
        if how == "batch":
            batch = client.call("begin_batch", seconds=60, on_abandon="restore")["batch"]
            client.call(operation, batch=batch, **arguments)
            client.call("end_batch", batch=batch, restore=True)
        else:
            refused(client, how, operation, **arguments)
        assert outside(client) == before, operation
    back = ("foreground", "background", "opacity", "paint_mode", "brush", "brush_size", "brush_hardness", "dynamics")
    client.call("set_context_state", **{name: found[name] or "none" for name in back})


def test_a_deleted_resource_is_named_where_its_batch_is_taken_back(client):
    client.call("create_palette", name="short-lived", colors=["red", "blue"])
    batch = client.call("begin_batch", seconds=60, on_abandon="restore")["batch"]
    client.call("delete_resource", kind="palette", name="short-lived", batch=batch)
    assert client.call("end_batch", batch=batch, restore=True)["not_restored"] == ["the palette `short-lived` was deleted"]


def test_what_nothing_takes_back_is_done_or_not_begun(client, tmp_path):
    """A cancel that comes after the point of no return comes too late, and the answer says what was done."""
    image, _ = make(client, smooth(WIDTH, HEIGHT))
    path = tmp_path / "a.png"
    with ends(client, "write_file", ENDS["cancelled"]):
        assert client.call("write_file", image=image, path=str(path))["path"] == str(path)
    assert path.stat().st_size > 1000
    client.call("create_palette", name="short-lived", colors=["red", "blue"])
    with ends(client, "delete_resource", ENDS["cancelled"]):
        client.call("delete_resource", kind="palette", name="short-lived")
    with ends(client, "close_image", ENDS["cancelled"]):
        assert client.call("close_image", image=image, discard_changes=True)["closed"] == image
    # And right before it: nothing is done
    image, states = edited(client)
    chain, late = undoable(client, image), tmp_path / "b.png"
    for operation, arguments in (
        *[("write_file", {"path": str(late)})] * 8,  # its clean-up is hit by no second attempt
        ("close_image", {"discard_changes": True}),
        ("copy_selection", {"to": "clipboard", "cut": True}),
        ("export_for_web", {"path": str(late)}),
    ):
        with ends(client, operation, TOO_SOON), pytest.raises(CallError) as raised:
            client.call(operation, image=image, **arguments)
        assert raised.value.kind == "cancelled", operation
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert undoable(client, image) == chain and np.array_equal(read(client, image), states[3])


def test_an_image_that_cannot_be_closed_keeps_its_checkpoints(client):
    """As one that is in a window which the user opened."""
    image, states = edited(client)
    chain = undoable(client, image)
    with ends(client, "close_image", IN_A_WINDOW), pytest.raises(CallError) as raised:
        client.call("close_image", image=image, discard_changes=True)
    assert raised.value.kind == "unsupported" and undoable(client, image) == chain
    client.call("undo", image=image)
    assert np.array_equal(read(client, image), states[2])
