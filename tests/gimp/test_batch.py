"""A batch as the plug-in holds it: one undo step, taken back whole, others wait, and it ends with its connection."""

import time

import pytest
from client import CallError
from truth import pixels

INVERT = "i = [i for i in Gimp.get_images() if i.get_id() == {0}][0]; i.get_layers()[0].invert(False)"


def begin(client, on_abandon="restore", seconds=60):
    return client.call("begin_batch", seconds=seconds, on_abandon=on_abandon)["batch"]


def python(client, batch, code, image):
    return client.call("call_api", api_path="exec", args=["pyGObject-console", [code.format(image)]], batch=batch)


def picture(client, image):
    return pixels(client.stream("read_pixels", image=image)).tobytes()


@pytest.fixture
def image(client):
    return client.call("create_new_image", width=310, height=205, color="#204060")["image"]


def test_a_batch_is_one_undo_step_with_one_proof(client, image):
    before = picture(client, image)
    batch = begin(client)
    for code in (INVERT, INVERT, INVERT):
        answer = python(client, batch, code, image)
        assert "effect" not in answer
    ended = client.call("end_batch", batch=batch)
    assert ended["effect"]["changed"] is True and ended["effect"]["image"] == image
    assert ended["effect"]["region"] == {"x": 0, "y": 0, "width": 310, "height": 205}
    assert picture(client, image) != before
    # All three at once, and no undo group is left open (but that of this very call).
    undone = client.call("undo", image=image)
    assert undone["undone"] == ["batch"] and picture(client, image) == before
    code = f"i = [i for i in Gimp.get_images() if i.get_id() == {image}][0]; print(i.undo_group_end(), i.undo_group_end())"
    assert client.python(code).split() == ["True", "False"]
    with pytest.raises(CallError) as none_left:
        client.call("undo", image=image)
    assert none_left.value.kind == "not_found"


def test_what_runs_in_a_change_has_its_name(gimp, client, image):
    """GIMP names undo groups and messages alike: after the procedure that runs. Without windows it prints the latter."""
    begun = len(gimp.log())  # what other tests had GIMP say is not this one's
    say = "i = Gimp.Image.get_by_id({0}); i.get_layers()[0].invert(False); Gimp.message('{1} {0}')"
    client.python(say.format(image, "alone"))
    batch = client.call("begin_batch", seconds=60, on_abandon="keep", step="2 steps: invert_colours")["batch"]
    python(client, batch, say.format("{0}", "first"), image)
    python(client, batch, say.format("{0}", "second"), image)
    client.call("end_batch", batch=batch)
    client.python(say.format(image, "after"))
    client.call("begin_batch", seconds=0.1, on_abandon="keep")  # ends by itself
    client.python(say.format(image, "later"))
    for title, word in (("Python", "alone"), ("2 steps: invert_colours", "first"), ("2 steps: invert_colours", "second"),
                        ("Python", "after"), ("Python", "later")):
        gimp.wait_log(f"AI: {title}-Warning: {word} {image}", begun)
    # What was kept from a call is still the same thing in a later one, though each was a procedure of its own
    client.python(f"kept = Gimp.Image.get_by_id({image}); layer = kept.get_layers()[0]; layer.invert(False)")
    again = client.python(f"layer.invert(False); print(kept == Gimp.Image.get_by_id({image}), kept in Gimp.get_images(), layer in kept.get_layers())")
    assert again.split() == ["True"] * 3
    # Errors and time limits end as ever, and nothing is left open
    for code, kind in (("layer.invert(False); 1 / 0", "python_error"), ("layer.invert(False); GLib.MainLoop().run()", "timeout"),
                       ("layer.invert(False); raise SystemExit", "python_error")):
        with pytest.raises(CallError) as failed:
            client.call("call_api", api_path="exec", args=["pyGObject-console", [code]], timeout=1 if kind == "timeout" else 60)
        assert failed.value.kind == kind
    assert client.python("layer.invert(False); print(kept.undo_group_end(), kept.undo_group_end())").split() == ["True", "False"]
    assert "CRITICAL" not in gimp.log()[begun:]


def test_restore_takes_images_pixels_and_choices_back(client, image):
    before = picture(client, image)
    batch = begin(client)
    python(client, batch, INVERT, image)
    other = client.call("create_new_image", width=300, height=200, batch=batch)["image"]
    python(client, batch, INVERT, other)
    python(client, batch, "Gimp.Image.get_by_id({0}).insert_layer(Gimp.Layer.new(Gimp.Image.get_by_id({0}), 'x', 9, 9, "
           "Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL), None, 0)", image)
    ended = client.call("end_batch", batch=batch, restore=True)
    assert ended["not_restored"] == [] and ended["effect"]["changed"] is False
    assert picture(client, image) == before
    listed = client.call("list_images")
    assert other not in [row["id"] for row in listed["images"]] and listed["selected"] == image
    with pytest.raises(CallError) as none_left:
        client.call("undo", image=image)
    assert none_left.value.kind == "not_found"


def test_others_wait_and_its_own_other_calls_too(gimp, client, image):
    batch = begin(client)
    with gimp.client("other") as other:
        waiting = other.send_call("get_image_metadata", {"image": image})
        own = client.send_call("get_image_metadata", {"image": image})
        assert other.ping()["busy"]["operation"] == "batch"
        python(client, batch, INVERT, image)
        client.call("end_batch", batch=batch)
        assert other.wait(waiting).result["image"] == image
        assert client.wait(own).result["image"] == image


def test_it_ends_with_its_connection(gimp, client, image):
    before = picture(client, image)
    with gimp.client("gone") as gone:
        batch = begin(gone)
        python(gone, batch, INVERT, image)
    started = time.monotonic()
    assert picture(client, image) == before
    assert time.monotonic() - started < 40  # its own time limit is a minute


def test_it_ends_at_its_time_limit_and_says_so(gimp, client, image):
    batch = begin(client, on_abandon="keep", seconds=0.1)
    with gimp.client("other") as other:
        other.call("get_image_metadata", image=image)  # waits until the batch is over
    with pytest.raises(CallError) as over:
        python(client, batch, INVERT, image)
    assert over.value.kind == "cancelled" and "time limit" in over.value.message
    with pytest.raises(CallError) as unknown:
        client.call("end_batch", batch="b999999")
    assert "restarted" in unknown.value.message
    with pytest.raises(CallError) as none:
        client.call("end_batch")
    assert none.value.kind == "invalid_argument"


def test_a_failed_step_leaves_the_batch_open(client, image):
    batch = begin(client)
    with pytest.raises(CallError):
        python(client, batch, "1 / 0", image)
    python(client, batch, INVERT, image)
    assert client.call("end_batch", batch=batch)["effect"]["changed"] is True


def test_undo_in_a_batch_that_is_taken_back_counts_as_not_done(client, image):
    python(client, None, INVERT, image)
    inverted = picture(client, image)
    batch = begin(client)
    client.call("undo", image=image, batch=batch)
    client.call("end_batch", batch=batch, restore=True)
    assert picture(client, image) == inverted
    assert client.call("undo", image=image)["undone"] == ["call_api"]
