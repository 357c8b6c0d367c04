"""The plug-in's part of generation inside of an image: the area that is sent, and what is put in place as one step."""

import numpy as np
import pytest
from client import CallError
from pictures import added, afloat, error, noise, opened, read
from test_cancel_sweep import cancelled_at, state
from test_filter_pixels import stage


def area(client, what="fill", **arguments):
    return client.call("generate_area", what=what, **arguments)


def place(client, image, layers, mask=None, **arguments):
    """Stages these arrays and puts them in place."""
    tokens = [f"p{number}" for number in range(len(layers))]
    for token, array in zip(tokens, layers):
        stage(client, array, token)
    if mask is not None:
        stage(client, mask[..., None], "mask")
        arguments["mask"] = "mask"
    names = [f"variant {number + 1}" for number in range(len(layers))]
    return client.call("generate_place", image=image, tokens=tokens, names=names, step="fill, a lake", **arguments)


def test_the_box_is_the_selection_with_its_margin_as_far_as_there_is_canvas(client):
    image, layer = opened(client, noise(300, 200, 3))
    assert error(client, "generate_area", what="fill", image=image).details["reason"] == "nothing_selected"
    for (x, y, w, h), margin, box in (
        ((100, 80, 60, 40), 0.25, [85, 65, 90, 70]),
        ((-20, 150, 120, 90), 0.5, [0, 100, 150, 100]),
        ((100, 80, 60, 40), 0, [100, 80, 60, 40]),
    ):
        client.call("create_rectangle_selection", image=image, x=x, y=y, width=w, height=h)
        told = area(client, image=image, context_margin=margin)
        assert told["box"] == box and told["frame"] == [0, 0, 300, 200] and told["selected"] is True
        assert told["layer"] == layer and told["depth"] == 8


def test_a_varied_layer_keeps_within_itself(client):
    image, _ = opened(client, noise(300, 200, 3))
    layer = added(client, image, noise(320, 210, 4, seed=2))
    client.call("move_layer", image=image, layer=layer, x=-70, y=-60)
    told = area(client, "vary", image=image, layer=layer)
    assert told["part"] == told["box"] == [-70, -60, 320, 210] and told["selected"] is False
    client.call("create_rectangle_selection", image=image, x=200, y=100, width=90, height=90)
    told = area(client, "vary", image=image, layer=layer, context_margin=0.5)
    assert told["part"] == [200, 100, 50, 50] and told["box"] == [175, 75, 75, 75]
    client.call("create_rectangle_selection", image=image, x=260, y=160, width=30, height=30)
    assert error(client, "generate_area", what="vary", image=image, layer=layer).details["reason"] == "selection_beside"


def test_what_is_read_is_what_shows_and_what_limits_it(client):
    pixels = noise(300, 200, 4, seed=3)
    image, _ = opened(client, noise(300, 200, 3))
    layer = added(client, image, pixels)
    client.call("move_layer", image=image, layer=layer, x=-40, y=30)
    client.call("create_ellipse_selection", image=image, x=20, y=50, width=120, height=90, feather=12)
    told = area(client, image=image)
    box, part = told["box"], told["part"]
    reply = client.stream("generate_read", image=image, what="fill", part=part, box=box, max_width=4000, max_height=4000)
    data, count = np.frombuffer(bytes(reply.data), np.uint8), box[2] * box[3]
    seen = data[: count * 4].reshape(box[3], box[2], 4)
    whole = read(client, image)
    expected = whole[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    assert reply.header["planes"] == 1 and (seen[..., :3] == expected[..., :3]).all() and (seen[..., 3] == 255).all()
    selection = data[count * 4 :].reshape(part[3], part[2])
    assert 0 < selection[:, 0].max() < 60 and selection[part[3] // 2, part[2] // 2] == 255
    # The layer's own pixels, its opacity and its mask
    client.call("add_layer_mask", image=image, layer=layer, fill="selection")
    told = area(client, "vary", image=image, layer=layer)
    box, part = told["box"], told["part"]
    reply = client.stream("generate_read", image=image, what="vary", layer=layer, part=part, box=box, max_width=4000, max_height=4000)
    data, count = np.frombuffer(bytes(reply.data), np.uint8), box[2] * box[3]
    own = pixels[box[1] - 30 : box[1] - 30 + box[3], box[0] + 40 : box[0] + 40 + box[2]]
    assert reply.header["hidden"] is True and reply.header["planes"] == 3
    assert (data[: count * 4].reshape(own.shape) == own).all()
    planes = data[count * 5 :].reshape(3, part[3], part[2])
    inner = own[part[1] - box[1] :][: part[3], part[0] - box[0] :][:, : part[2]]
    assert (planes[0] == selection[: part[3], : part[2]]).all() and (planes[1] == inner[..., 3]).all()
    assert np.abs(planes[2].astype(int) - planes[0]).max() <= 1
    client.call("create_rectangle_selection", image=image, x=50, y=60, width=30, height=30)
    with pytest.raises(CallError, match="changed just now"):
        client.stream("generate_read", image=image, what="vary", layer=layer, part=part, box=box, max_width=99, max_height=99)


def test_variants_are_one_step_and_touch_nothing_outside(client):
    pixels = noise(300, 200, 3)
    image, layer = opened(client, pixels)
    before = read(client, image)
    mask = np.zeros((100, 120), np.uint8)
    mask[10:90, 10:110] = np.linspace(0, 255, 100).astype(np.uint8)
    variants = [noise(120, 100, 3, seed=number) for number in (5, 6, 7)]  # small: a part of the image
    placed = place(client, image, variants, mask, x=90, y=60, group="a lake", above=layer)
    names = client.eval("[(g.get_name(), [(c.get_name(), c.get_visible(), *c.get_offsets()[-2:]) for c in g.get_children()]) "
                        "for g in Gimp.get_images()[0].get_layers() if g.is_group_layer()]")
    children = [("variant 1", True, 90, 60), ("variant 2", False, 90, 60), ("variant 3", False, 90, 60)]
    assert [(name, [tuple(child) for child in inner]) for name, inner in names] == [("a lake", children)], names
    after = read(client, image)[..., :3].astype(float)
    share = np.zeros((200, 300, 1))
    share[60:160, 90:210, 0] = mask / 255
    assert (after[share[..., 0] == 0] == before[share[..., 0] == 0]).all()
    over = np.zeros((200, 300, 3))
    over[60:160, 90:210] = variants[0]
    full = share[..., 0] == 1
    assert np.abs(after - over)[full].max() <= 1
    half = (share[..., 0] > 0.4) & (share[..., 0] < 0.6)
    low, high = np.minimum(before, over)[half], np.maximum(before, over)[half]
    assert (after[half] >= low - 1).all() and (after[half] <= high + 1).all()
    assert placed["effect"]["layers_added"] and placed["layers"] and placed["group"] and placed["region"] == [90, 60, 120, 100]
    # A second one goes beside the group, not into it
    assert area(client, "new_layer", image=image)["layer"] == placed["group"]
    client.call("undo", image=image)
    assert (read(client, image) == before).all() and client.eval("len(Gimp.get_images()[0].get_layers())") == 1


@pytest.mark.parametrize("base", ("gray", "indexed"))
def test_grey_and_indexed_images_keep_their_mode(client, base):
    image, layer = opened(client, noise(300, 200, 3))
    client.call("convert_image_mode", image=image, mode=base.upper())
    before = read(client, image)
    mask = np.zeros((100, 120), np.uint8)
    mask[20:80, 20:100] = 255
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[:] = (250, 20, 30)
    placed = place(client, image, [picture, picture // 2], mask, x=90, y=60, group="red", above=layer)
    after = read(client, image)
    assert after.shape == before.shape
    inside = np.zeros((200, 300), bool)
    inside[80:140, 110:190] = True
    assert (after[~inside] == before[~inside]).all()
    if base == "gray":
        assert np.ptp(after[inside][..., 0].astype(int)) <= 1 and placed["group"]
    else:
        assert placed["group"] is None and "palette" in placed["note"] and len(placed["layers"]) == 2
        palette = {tuple(colour) for colour in before[..., :3].reshape(-1, 3)}
        assert {tuple(colour) for colour in after[inside][..., :3]} <= palette
        assert after[inside][..., 0].mean() > 180
    client.call("undo", image=image)
    assert (read(client, image) == before).all()


def test_what_floats_is_refused_before_anything_is_painted_and_what_is_pasted_meanwhile_stays_on_top(client):
    image, layer = opened(client, noise(300, 200, 3))
    floating = afloat(client, image, layer, 20, 30, 90, 80)
    for what in ("fill", "vary", "new_layer"):
        for more in ({}, {"layer": layer}):
            refused = error(client, "generate_area", what=what, image=image, **more)
            assert refused.details["reason"] == "floating" and f"`{floating}`" in str(refused)
    for operation in ("filter_facts", "filter_read"):
        assert error(client, operation, image=image).details["reason"] == "floating"
    before = read(client, image)
    placed = place(client, image, [noise(60, 50, 3, seed=n) for n in (4, 5)], x=100, y=60, group="g", above=layer)  # small: a part
    names = client.eval("[l.get_name() for l in Gimp.get_images()[0].get_layers()]")
    assert names[1:] == ["g", "Background"] and client.eval(f"Gimp.Item.get_by_id({floating}).is_floating_sel()")
    after = read(client, image)
    shown = np.zeros((200, 300), bool)
    shown[60:110, 100:160] = True
    assert (after[~shown] == before[~shown]).all() and (after[shown] != before[shown]).any() and placed["group"]
    client.python(f"Gimp.floating_sel_to_layer(Gimp.Layer.get_by_id({floating}))")
    assert area(client, "new_layer", image=image)["layer"] == floating


def test_what_it_was_made_for_may_be_gone(client):
    image, layer = opened(client, noise(300, 200, 3))
    top = added(client, image, noise(50, 40, 4, seed=2))  # small: it goes at once
    client.call("delete_layer", image=image, layer=top)
    picture = noise(60, 50, 3, seed=4)  # small: a corner of the image
    placed = place(client, image, [picture], x=-10, y=180, group="x", above=top, image_size=[320, 200])
    assert "is gone" in placed["note"] and "was 320x200" in placed["note"]
    assert (read(client, image)[180:, :50, :3] == picture[:20, 10:]).all()
    client.call("close_image", image=image, discard_changes=True)
    stage(client, picture, "p0")
    with pytest.raises(CallError) as refused:
        client.call("generate_place", image=image, tokens=["p0"], names=["x"], step="x", x=0, y=0)
    assert refused.value.kind == "image_gone"


def test_a_cancel_at_any_instant_leaves_nothing(client):
    image, layer = opened(client, noise(900, 700, 3))
    before = state(client)
    pictures = [noise(700, 500, 3, seed=number) for number in (1, 2, 3)]
    mask = np.full((500, 700, 1), 200, np.uint8)
    arguments = {"image": image, "tokens": ["a", "b", "c"], "names": ["1", "2", "3"], "step": "x", "x": 50, "y": 60,
                 "group": "g", "mask": "m", "above": layer}
    in_time = 0
    for number in range(16):
        for token, array in zip("abcm", [*pictures, mask]):
            client.call("filter_drop", token=token)
            height, width, channels = array.shape
            client.call("filter_stage", upload=array.tobytes(), token=token, width=width, height=height, channels=channels,
                        depth=8, top=0)
        if cancelled_at(client, number * 0.008, "generate_place", arguments):
            in_time += 1
            assert state(client) == before, number
        else:
            assert state(client) != before
            client.call("undo", image=image)
            assert state(client) == before
    assert in_time > 2
