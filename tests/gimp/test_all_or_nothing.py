"""A call that fails changes nothing: pixels, structure, effects, selection, context, and no image stays open."""

import contextlib

import numpy as np
import pytest
from client import CallError
from pixelwork import error, make, read, smooth
from test_examples import outline
from truth import pixels

WIDTH, HEIGHT = 310, 205


def opened(client):
    return [row["id"] for row in client.call("list_images")["images"]]


def effects(client, image):
    return client.call("list_layer_effects", image=image)["layer_effects"]


def test_a_refused_property_leaves_an_effect_as_it_was(client):
    image, _ = make(client, smooth(WIDTH, HEIGHT))
    effect = client.call("apply_vignette", image=image, as_effect=True)["layer_effects"][0]
    before, listed = read(client, image), effects(client, image)
    for wrong in (
        {"properties": {"radius": 0.3, "softness": 1000}},
        {"properties": {"radius": 0.3, "proportion": 0.1, "colour": "red"}},
        {"properties": {"radius": 0.3}, "blend_mode": "no such mode"},
        {"properties": {"softness": 0.1}, "opacity": 20, "blend_mode": "multipy"},
    ):
        problem = error(client, "edit_layer_effect", image=image, layer_effect=effect, **wrong)
        assert problem.kind == "invalid_argument" and "effects" not in problem.details
        assert np.array_equal(read(client, image), before)
        assert effects(client, image) == listed  # its id too: the client may try again with it
    client.call("edit_layer_effect", image=image, layer_effect=effect, properties={"radius": 0.3})
    assert not np.array_equal(read(client, image), before)


FAILING = """
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch import registry
run = registry.OPERATIONS[{0!r}]
def failing(call, **arguments):
    run(call, **arguments)
    raise {1}
registry.OPERATIONS[{0!r}] = failing
"""


@contextlib.contextmanager
def fails_at_its_end(client, operation, error="OperationError('gimp_error', 'after the change')", **more):
    """The operation does its work, and then fails."""
    client.python(FAILING.format(operation, error), **more)
    try:
        yield
    finally:
        client.python(f"registry.OPERATIONS[{operation!r}] = run", **more)


@pytest.mark.parametrize("precision", ("U8_NON_LINEAR", "FLOAT_LINEAR"))
def test_what_a_call_changed_before_it_failed_is_taken_back(client, precision):
    """GIMP is made to fail after the operation has already changed something."""
    image, layer = make(client, smooth(WIDTH, HEIGHT), precision, x=-30, y=-20, canvas=(300, 200))
    client.call("apply_vignette", image=image, as_effect=True)
    client.call("create_ellipse_selection", image=image, x=40, y=30, width=120, height=90, feather=5)
    client.python("im.clean_all()")
    before, structure = read(client, image), outline(client, image)
    chosen = client.stream("filter_read_mask", image=image, width=300, height=200).data
    for operation, arguments in (
        ("add_text_layer", {"text": "Half", "x": 10, "y": 10}),
        ("draw_rectangle", {"x": 20, "y": 20, "width": 200, "height": 120, "fill_color": "red", "layer": layer}),
        ("create_rectangle_selection", {"x": 9, "y": 9, "width": 99, "height": 99}),
        ("crop_image", {"x": 9, "y": 9, "width": 99, "height": 99}),
        ("resize_image", {"width": 150, "height": 100}),
        ("delete_layer", {"layer": layer}),
    ):
        with fails_at_its_end(client, operation), pytest.raises(CallError) as raised:
            client.call(operation, image=image, **arguments)
        assert raised.value.details["taken_back"] is True and "effects" not in raised.value.details, operation
        assert np.array_equal(read(client, image), before), operation
        assert outline(client, image) == structure, operation
        assert client.stream("filter_read_mask", image=image, width=300, height=200).data == chosen, operation
        assert not client.eval("im.is_dirty()"), operation
        layer = client.eval("im.get_layers()[0].get_id()")
    with fails_at_its_end(client, "flip_image", "RuntimeError('unforeseen')"), pytest.raises(CallError, match="internal"):
        client.call("flip_image", image=image, direction="horizontal")
    assert np.array_equal(read(client, image), before)
    assert client.eval("[im.undo_group_end(), im.undo_group_end()]") == [True, False]


def test_a_failing_step_of_a_batch_that_goes_on_is_taken_back_alone(client):
    image, layer = make(client, smooth(WIDTH, HEIGHT))
    batch = client.call("begin_batch", seconds=60, on_abandon="keep")["batch"]

    def seen():
        return pixels(client.stream("read_pixels", image=image, batch=batch))

    client.call("adjust_hue_saturation", image=image, saturation=-100, batch=batch)
    gray = seen()
    with pytest.raises(CallError, match="percent"):
        client.call("apply_distortion", image=image, distortion_type="pinch", amount=300, batch=batch)
    with fails_at_its_end(client, "apply_blur", batch=batch), pytest.raises(CallError) as raised:
        client.call("apply_blur", image=image, radius=9, batch=batch)
    assert raised.value.details["taken_back"] is True
    assert np.array_equal(seen(), gray)
    assert client.call("end_batch", batch=batch)["effect"]["changed"] is True
    assert np.array_equal(read(client, image), gray)
    client.call("undo", image=image)
    assert np.array_equal(read(client, image), smooth(WIDTH, HEIGHT))


def test_a_cancelled_or_late_call_is_taken_back(client):
    image, layer = make(client, smooth(WIDTH, HEIGHT))
    before = read(client, image)
    client.python(
        "import time; from gimp_bridge.dispatch import registry; run = registry.OPERATIONS['invert_colors']",
        "def slow(call, **arguments):",
        "    run(call, **arguments)",
        "    while True: call.check(); time.sleep(0.01)",
        "registry.OPERATIONS['invert_colors'] = slow",
    )
    try:
        with pytest.raises(CallError) as raised:
            client.call("invert_colors", timeout=1, image=image, layer=layer)
    finally:
        client.python("registry.OPERATIONS['invert_colors'] = run")
    assert raised.value.kind in ("timeout", "cancelled")
    assert np.array_equal(read(client, image), before)


def test_images_that_a_failed_call_opened_are_closed(client, tmp_path):
    image, _ = make(client, smooth(WIDTH, HEIGHT))
    before = opened(client)
    with fails_at_its_end(client, "create_new_image"), pytest.raises(CallError):
        client.call("create_new_image", width=WIDTH, height=HEIGHT)
    assert opened(client) == before
    # A procedure of GIMP's that makes an image of its own and then cannot save it
    client.call("create_rectangle_selection", image=image, x=20, y=20, width=40, height=30)
    client.call("call_procedure", procedure="gimp-edit-copy", arguments={"drawables": [client.eval("l.get_id()")]})
    client.python("import os, shutil; d = os.path.join(Gimp.directory(), 'brushes'); shutil.rmtree(d, True); open(d, 'w').close()")
    try:
        with pytest.raises(CallError) as raised:
            client.call("call_procedure", procedure="script-fu-paste-as-brush", arguments={})
    finally:
        client.python("os.remove(d); os.makedirs(d)")
    assert raised.value.kind != "internal" and "brush" in raised.value.message
    assert opened(client) == before


def test_a_constructor_that_gives_nothing_is_no_internal_error(client):
    image, _ = make(client, smooth(WIDTH, HEIGHT))
    client.python(
        "new = Gimp.TextLayer.new",
        "Gimp.TextLayer.new = staticmethod(lambda im, text, font, size, unit: new(im, text, font, 1e9, unit))")  # fmt: skip
    try:
        problem = error(client, "add_text_layer", image=image, text="x", size=20)
    finally:
        client.python("Gimp.TextLayer.new = new")
    assert problem.kind == "gimp_error" and "could not make" in problem.message
