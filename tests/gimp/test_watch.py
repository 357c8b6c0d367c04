"""image_state: which part of the revision differs after which change, by hand or by a call, and what it costs."""

import pytest

RESPECTS = ("size", "mode", "structure", "layers", "active", "selection", "pixels", "edits", "saved")
IMAGE = "i = Gimp.Image.get_by_id({}); l = i.get_layers()[0]; "
# What a user may do, with what has to show
BY_HAND = {
    "i.resize(50, 40, 5, 5)": "size",
    "i.convert_grayscale()": "mode",
    "i.insert_layer(Gimp.Layer.new(i, 'x', 9, 9, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL), None, 0)": "structure",
    "l.set_name('another')": "layers",
    "l.set_opacity(50)": "layers",
    "l.set_visible(False)": "layers",
    "i.set_selected_layers([i.get_layers()[1]])": "active",
    "i.select_rectangle(Gimp.ChannelOps.REPLACE, 2, 2, 9, 9)": "selection",
    "l.invert(False)": "pixels",
    "i.clean_all()": "saved",
}


def parts(client, image):
    return dict(zip(RESPECTS, client.call("image_state", image=image)["revision"].split("-")))


def by_hand(client, image, code):
    """Runs code as something that is no call through the bridge would: the count of those is put back."""
    count = "__import__('gimp_bridge').undo.history.HISTORY.edits"
    client.python(IMAGE.format(image) + code)
    client.python(f"{count}[{image}] = 0")
    client.python(f"{count}[{image}] = 0")


@pytest.fixture
def image(client):
    image = client.call("create_new_image", width=310, height=205, color="#204060")["image"]
    by_hand(client, image, "i.insert_layer(Gimp.Layer.new(i, 'top', 310, 205, Gimp.ImageType.RGBA_IMAGE, 100, "
            "Gimp.LayerMode.NORMAL), None, 0); i.get_layers()[0].fill(Gimp.FillType.WHITE)")  # so that there is unsaved work already
    return image


@pytest.mark.parametrize("code", BY_HAND)
def test_what_a_user_does_shows(client, image, code):
    before = parts(client, image)
    assert before == parts(client, image)
    by_hand(client, image, code)
    after = parts(client, image)
    assert BY_HAND[code] in [name for name in RESPECTS if before[name] != after[name]]


def test_a_stroke_in_a_large_image_shows(client):
    image = client.call("create_new_image", width=4000, height=3000, color="white")["image"]
    by_hand(client, image, "l.invert(False)")
    before = parts(client, image)
    by_hand(client, image, "Gimp.context_set_foreground(Gegl.Color.new('red')); Gimp.context_set_brush_size(8); Gimp.pencil(l, [100, 100, 160, 100])")
    assert parts(client, image)["pixels"] != before["pixels"]


def test_calls_through_the_bridge_are_counted_and_looking_changes_nothing(client, image):
    before = parts(client, image)
    client.python(IMAGE.format(image) + "l.set_lock_alpha(True)")  # nothing that the other parts see
    after = parts(client, image)
    assert [name for name in RESPECTS if before[name] != after[name]] == ["edits"]
    assert client.call("undo", image=image)["undone"] == ["call_api"]


def test_a_look_is_cheap(client):
    image = client.call("create_new_image", width=4000, height=3000, color="white")["image"]
    seconds = client.eval(
        "[(__import__('gimp_bridge').ops.watch.image_state(type('C', (), {'image': Gimp.Image.get_by_id(%d)})), "
        "__import__('time').perf_counter())[1] for _ in range(12)]" % image
    )
    looks = sorted(after - before for before, after in zip(seconds, seconds[1:]))
    print(f"a look at 12 megapixels: {looks[0] * 1e3:.1f} to {looks[-1] * 1e3:.1f} ms")
    assert looks[0] < 0.25
