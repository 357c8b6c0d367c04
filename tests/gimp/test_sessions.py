"""snapshot_image and restore_snapshot: the whole state travels, and the ids that a client holds go on working."""

import pytest
from client import CallError
from harness import Gimp
from truth import SETUP

SCENE = (
    "im = new(310, 205); add(im, 'a', 310, 205, seed=3); add(im, 'b', 200, 150, -40, -30, seed=4, opacity=50.0)\n"
    "a, b = im.get_layers()[1], im.get_layers()[0]\n"
    "b.add_mask(b.create_mask(Gimp.AddMaskType.BLACK))\n"
    "p = Gimp.Path.new(im, 'path'); im.insert_path(p, None, 0); p.bezier_stroke_new_moveto(3, 4)\n"
    "im.select_rectangle(Gimp.ChannelOps.REPLACE, 30, 40, 200, 110)"
).split("\n")
IDS = "[im.get_id(), a.get_id(), b.get_id(), b.get_mask().get_id(), p.get_id()]"
STATE = (
    "[[l.get_name(), l.get_opacity(), list(l.get_offsets()[-2:]), hash(bytes(l.get_buffer().get(l.get_buffer().get_extent(), 1.0, None, "
    "Gegl.AbyssPolicy.NONE)))] for l in im.get_layers()] + [list(Gimp.Selection.bounds(im))[1:]]"
)


@pytest.fixture
def client(gimp):
    """The session's own client, since nobody else finds its image."""
    with gimp.client(client_id="session-s") as connected:
        yield connected
        connected.python("for i in Gimp.get_images(): i.delete()")


def scene(client):
    client.python(SETUP, *SCENE)
    return client.eval(IDS)


def restore(client, image, reply, session="s"):
    """Sends a snapshot back; gives the new image's id."""
    arguments = {"session": session, "items": reply.header["items"]}
    return client.call("restore_snapshot", upload=bytes(reply.data), **arguments)["image"]


def test_the_state_comes_back_and_old_ids_find_their_items(client):
    image, a, b, mask, path = scene(client)
    before = client.eval(STATE)
    reply = client.stream("snapshot_image", image=image, session="s")
    assert bytes(reply.data).startswith(b"gimp xcf")
    assert (reply.header["width"], reply.header["height"]) == (310, 205)
    assert reply.header["items"] == [[b], [mask], [a], [path]]
    back = restore(client, image, reply)
    assert back != image and client.eval(f"Gimp.Image.id_is_valid({image})") is False
    client.python(f"im = Gimp.Image.get_by_id({back})")
    assert client.eval(STATE) == before
    # A later GIMP's own ids may be the same numbers: the client's come first
    for old in (a, b, mask):
        assert client.stream("read_pixels", image=back, layer=old).header["image"] == back
    again = client.stream("snapshot_image", image=back, session="s")
    assert [ids[1:] for ids in again.result["items"]] == [[b], [mask], [a], [path]]


def test_ids_from_another_gimp_win_over_this_ones(gimp_version, client):
    """A fresh GIMP counts from the start again, so that ids of the two overlap."""
    image, a, b, mask, path = scene(client)
    reply = client.stream("snapshot_image", image=image, session="s")
    with Gimp(gimp_version) as other, other.client(client_id="session-s") as far:
        far.python(SETUP, "n = new(8, 8)", "[add(n, str(i), 8, 8) for i in range(300)]")  # small: 300 layers
        highest = far.eval("max(l.get_id() for l in n.get_layers())")
        # What the client holds is near what this GIMP is about to give out
        items = [[highest + 4 + 3 * i] for i in range(4)]
        back = far.call("restore_snapshot", upload=bytes(reply.data), session="s", items=items)["image"]
        far.python(f"im = Gimp.Image.get_by_id({back})")
        here = far.eval("[l.get_id() for l in im.get_layers()]")
        assert not {i for ids in items for i in ids} & set(here), "an id was given out twice"
        names = [far.call("get_image_metadata", image=back)["structure"]["layers"][i]["name"] for i in range(2)]
        assert names == ["b", "a"]
        far.python("im.get_layers()[0].set_name('first')")
        shown = far.stream("read_pixels", image=back, layer=items[0][0]).header
        assert (shown["width"], shown["height"]) == (200, 150)


def test_what_this_gimp_still_had_of_the_session_is_closed(client):
    image, *_ = scene(client)
    reply = client.stream("snapshot_image", image=image, session="s")
    other = client.eval("new(300, 200).get_id()")
    first = restore(client, image, reply)
    second = restore(client, first, reply)
    assert client.eval("sorted(i.get_id() for i in Gimp.get_images())") == sorted([other, second])
    assert client.call("drop_session_image", session="s")["closed"] == 1
    assert client.call("drop_session_image", session="s")["closed"] == 0


def test_bad_states_are_refused(client):
    image, *_ = scene(client)
    reply = client.stream("snapshot_image", image=image, session="s")
    with pytest.raises(CallError) as raised:
        client.call("restore_snapshot", upload=b"gimp xcf v011 and no more", session="x", items=[])
    assert raised.value.kind == "io_error"
    with pytest.raises(CallError) as raised:
        client.call("restore_snapshot", upload=bytes(reply.data), session="x", items=[[1]])
    assert "has 4 items, and 1 were noted" in raised.value.message
    with pytest.raises(CallError) as raised:
        client.call("restore_snapshot", session="x", items=[])
    assert raised.value.kind == "invalid_argument"
