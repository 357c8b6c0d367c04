"""list_images, select_image, create_new_image, close_image, and which image a call without `image` means."""

import numpy as np
import pytest
from client import CallError
from truth import pixels

PRECISIONS = ("u8", "u16", "u32", "half", "float", "double")
WORDS = {
    "u8": "8-bit integer",
    "u16": "16-bit integer",
    "u32": "32-bit integer",
    "half": "16-bit floating point",
    "float": "32-bit floating point",
    "double": "64-bit floating point",
}


def error(client, operation, **arguments):
    with pytest.raises(CallError) as raised:
        client.call(operation, **arguments)
    return raised.value


def test_colours_are_painted_exactly(client):
    for color, wanted in (
        ("rgb(40,80,160)", (40, 80, 160, 255)),
        ("#2850a0", (40, 80, 160, 255)),
        ([40, 80, 160], (40, 80, 160, 255)),
        ([1, 2, 3, 128], (1, 2, 3, 128)),
        ("#0f08", (0, 255, 0, 136)),
        ("rebeccapurple", (102, 51, 153, 255)),
        ("rgba(40, 80, 160, 0.5)", (40, 80, 160, 128)),
        ("hsl(120, 100%, 25%)", (0, 128, 0, 255)),
        ("transparent", (0, 0, 0, 0)),
    ):
        image = client.call("create_new_image", width=310, height=205, color=color)["image"]
        read = pixels(client.stream("read_pixels", image=image))
        assert read.shape == (205, 310, 4) and (read == wanted).all(), f"{color}: {read[0, 0]}"
        client.call("close_image", image=image)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_kind_of_image(client, precision):
    for linear in (False, True):
        for base in ("RGB", "GRAY"):
            for alpha in (False, True):
                made = client.call(
                    "create_new_image",
                    width=310,
                    height=205,
                    color="#c8c8c8",
                    precision=precision,
                    linear=linear,
                    base_type=base,
                    alpha=alpha,
                    name="Ground",
                    resolution=144.0,
                )
                assert made["precision"] == WORDS[precision] and made["linear"] is linear
                assert client.call("list_images")["images"][0]["is_dirty"] is False
                assert client.eval(
                    "(lambda i: [i.get_resolution()[1], i.get_layers()[0].get_name(), i.undo_is_enabled()])"
                    f"(Gimp.Image.get_by_id({made['image']}))"
                ) == [144.0, "Ground", True]
                read = pixels(client.stream("read_pixels"))
                assert read.shape == (205, 310, (1 if base == "GRAY" else 3) + alpha)
                assert np.abs(read[..., 0].astype(int) - 200).max() <= (1 if precision == "u8" and linear else 0)
                client.call("close_image")


@pytest.mark.parametrize(
    "color", ("nosuch", "#12345", "rgb(1,2)", "rgb(300,0,0)", "rgb(0.5,0.5,0.5)", [1, 2], [1, 2, 300], "hsl(1,200%,3%)")
)
def test_a_bad_colour_names_itself_and_the_forms(client, color):
    problem = error(client, "create_new_image", width=310, height=205, color=color)
    assert problem.kind == "invalid_argument" and str(color) in problem.message and "rgb(r, g, b)" in problem.hint
    assert client.call("list_images")["images"] == []


def test_a_translucent_colour_needs_alpha_and_a_size_has_a_limit(client):
    assert error(client, "create_new_image", width=310, height=205, color="#0008", alpha=False).kind == "invalid_argument"
    problem = error(client, "create_new_image", width=500_000, height=500_000)
    assert problem.kind == "too_large" and "500000 x 500000" in problem.message
    assert client.call("list_images")["images"] == []


def test_which_image_is_meant(client, gimp):
    assert error(client, "get_image_metadata").kind == "no_image"
    problem = error(client, "close_image", image=12345)
    assert problem.kind == "image_gone" and problem.details == {"open": []}
    first = client.call("create_new_image", width=310, height=205)["image"]
    second = client.call("create_new_image", width=320, height=205)["image"]
    listed = client.call("list_images")
    assert listed["selected"] == second and {image["id"] for image in listed["images"]} == {first, second}
    assert [image["selected"] for image in listed["images"] if image["id"] == second] == [True]
    with gimp.client("other") as other:  # nothing is chosen for this one
        read = other.call("get_image_metadata")
        assert read["image"] == second and "newest" in read["note"]
        problem = error(other, "close_image")
        assert problem.kind == "ambiguous_image"
        assert {(row["id"], row["width"], row["height"]) for row in problem.details["open"]} == {
            (first, 310, 205),
            (second, 320, 205),
        }
        assert other.call("list_images")["selected"] is None
        assert other.call("select_image", image=first) == {
            "selected": first,
            "name": "[Untitled]",
            "width": 310,
            "height": 205,
            "image": first,
        }
        read = other.call("get_image_metadata")
        assert read["image"] == first and "note" not in read
        assert client.call("get_image_metadata")["image"] == second  # others are not affected
        other.call("close_image")
        assert other.call("get_image_metadata")["image"] == second  # the only one now
    problem = error(client, "select_image", image=first)
    assert problem.kind == "image_gone" and [row["id"] for row in problem.details["open"]] == [second]


def test_closing_refuses_unsaved_work(client):
    image = client.call("create_new_image", width=310, height=205)["image"]
    client.python(f"Gimp.Image.get_by_id({image}).get_layers()[0].set_opacity(50)")
    problem = error(client, "close_image")
    assert problem.kind == "unsaved_changes" and str(image) in problem.message
    assert client.call("list_images")["images"][0]["is_dirty"] is True
    closed = client.call("close_image", discard_changes=True)
    effect = closed.pop("effect")
    assert effect["changed"] and effect["images_removed"] == [closed["closed"]]
    assert closed == {
        "message": f"Closed image {image}",
        "closed": image,
        "unsaved_changes_lost": True,
        "image": None,
    }
    assert client.call("list_images") == {"images": [], "selected": None, "image": None}
    assert client.eval("len(Gimp.get_images())") == 0  # its checkpoints went with it


def test_checkpoints_are_never_seen(client):
    image = client.call("create_new_image", width=310, height=205)["image"]
    client.call("checkpoint", label="hidden")
    hidden = client.eval(f"[i for i in range(1, {image + 20}) if i != {image} and Gimp.Image.id_is_valid(i)]")
    assert len(hidden) >= 1
    assert [row["id"] for row in client.call("list_images")["images"]] == [image]
    assert error(client, "select_image", image=hidden[0]).kind == "image_gone"
