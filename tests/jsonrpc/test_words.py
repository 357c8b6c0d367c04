"""An image generator behind the JSON-RPC API: ai_inpainting with a prompt, and generate_image as the image of a session."""

import base64
import io
import json
import sys
import urllib.request
from pathlib import Path

import numpy
import pytest
from api import Failed, Server, decode, png
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generate"))

from web_ui import WebUi, colour  # noqa: E402


@pytest.fixture(scope="module")
def words(version, tmp_path_factory):
    """A server with a stand-in for Automatic1111 as `ui`."""
    folder = tmp_path_factory.mktemp("words")
    with WebUi() as ui:
        backends = folder / "backends.toml"
        backends.write_text(f'[[backend]]\nname = "home"\nkind = "a1111"\nurl = "{ui.url}"\n')
        settings = {"GIMP_BRIDGE_GENERATE_BACKENDS": str(backends), "GIMP_BRIDGE_STORAGE_PATH": str(folder / "images")}
        with Server(version, **settings) as server:
            server.ui = ui
            yield server


def photo(width=300, height=200, alpha=False):
    y, x = numpy.indices((height, width))
    lanes = [120 + 70 * numpy.sin(x / 9), 110 + 60 * numpy.cos(y / 7), 90 + 50 * numpy.sin((x + y) / 11)]
    return numpy.stack(lanes + [255 - x * 120 / width] * alpha, axis=2).astype("uint8")


@pytest.fixture
def session(words):
    """A session of a photo below a small moved layer with a mask; the photo is selected."""
    api = words.api
    opened = api.operation("open_image", image_data=png(photo()))["session_id"]
    small = api.operation("create_layer", session_id=opened, name="small", width=60, height=40)["result"]["layer"]
    api.operation("fill_selection", session_id=opened, layer=small, color="red")
    api.operation("move_layer", session_id=opened, layer=small, x=230, y=-10)
    api.operation("add_layer_mask", session_id=opened, layer=small)
    base = layers(api, opened)[-1]["id"]
    api.operation("select_layers", session_id=opened, layers=[base])
    words.ui.requests.clear()
    yield opened
    api.call("mcp_close_session", session_id=opened)


def layers(api, session):
    return api.operation("get_image_metadata", session_id=session)["result"]["structure"]["layers"]


def open_to_all(api):
    """Ids of the images that a client without a session finds."""
    return [image["id"] for image in api.operation("list_images")["result"]["images"]]


def far(made, wanted):
    return numpy.abs(made[..., :3].astype(int) - wanted).max(axis=-1)


def fits(mask, x, y, width, height):
    """Whether what is sent as white is the part of the area, within a pixel of the scale."""
    rows, columns = numpy.nonzero(mask > 127)
    share = (rows.max() - rows.min() + 1) / mask.shape[0], (columns.max() - columns.min() + 1) / mask.shape[1]
    return rows.size and 0 < share[0] < 1 and 0 < share[1] < 1


def test_the_sessions_selection_is_filled_from_words(words, session):
    api, prompt = words.api, "a red balloon"
    api.operation("create_rectangle_selection", session_id=session, x=40, y=60, width=120, height=90, feather=6)
    before = api.pixels(session)
    done = api.call("ai_inpainting", session_id=session, prompt=prompt, seed=3, num_inference_steps=20, include_image_data=True)
    assert done["success"] is True and len(done["result"]["layers"]) == 1, done
    assert decode(done["image_data"]).shape[:2] == (200, 300)
    (sent,) = words.ui.requests
    assert (sent["prompt"], sent["seed"], sent["steps"], sent["denoising_strength"]) == (prompt, 3, 20, 1)
    mask = numpy.asarray(Image.open(io.BytesIO(base64.b64decode(sent["mask"]))))
    assert fits(mask, 40, 60, 120, 90)
    after = api.pixels(session)
    away = numpy.ones((200, 300), bool)
    away[44:166, 24:176] = False
    assert (after[away] == before[away]).all(), "pixels away from the selection changed"
    assert far(after[100:110, 95:105], colour(prompt, 3)).max() <= 40, "the balloon is not there"
    assert far(after, before[..., :3].astype(int))[70:140, 50:150].max() > 60
    api.operation("undo", session_id=session)
    assert (api.pixels(session) == before).all(), "one step"


def test_a_mask_is_filled_and_the_selection_stays_as_it_was(words, session):
    api, prompt = words.api, "a blue boat"
    api.operation("create_ellipse_selection", session_id=session, x=10, y=10, width=50, height=40, feather=3)
    selected, before = api.operation("get_selection", session_id=session)["result"], api.pixels(session)
    names = [row["name"] for row in layers(api, session)]
    mask = numpy.zeros((200, 300, 3), "uint8")
    mask[110:180, 90:200] = 255
    done = api.call("ai_inpainting", session_id=session, mask_data=png(mask), prompt=prompt, seed=8)
    assert done["success"] is True and "region" in done["result"], done
    assert done["result"]["region"] == [90, 110, 110, 70]
    after = api.pixels(session)
    assert (after[mask[..., 0] == 0] == before[mask[..., 0] == 0]).all()
    assert far(after[142:148, 142:148], colour(prompt, 8)).max() <= 40
    now = api.operation("get_selection", session_id=session)["result"]
    assert {name: now[name] for name in ("empty", "bounds", "pixels", "soft")} == {
        name: selected[name] for name in ("empty", "bounds", "pixels", "soft")
    }
    facts = api.operation("get_image_metadata", session_id=session)["result"]["structure"]
    assert not facts.get("channels"), facts
    api.operation("undo", session_id=session)
    assert (api.pixels(session) == before).all() and [row["name"] for row in layers(api, session)] == names


def test_a_region_is_filled_and_nothing_is_selected_afterwards(words, session):
    api = words.api
    before = api.pixels(session)
    done = api.call("ai_inpainting", session_id=session, region={"x": 20, "y": 100, "width": 100, "height": 80}, prompt="a tree")
    assert done["success"] is True, done
    after = api.pixels(session)
    inside = numpy.zeros((200, 300), bool)
    inside[100:180, 20:120] = True
    assert (after[~inside] == before[~inside]).all() and (after[inside] != before[inside]).any()
    assert api.operation("get_selection", session_id=session)["result"]["empty"] is True
    nothing = api.call("ai_inpainting", session_id=session, prompt="a tree")
    assert nothing["success"] is False and "select" in nothing["message"] + nothing["error"]["hint"], nothing


@pytest.mark.parametrize("alpha", [False, True])
def test_a_picture_that_comes_along_is_filled_without_a_gimp(words, alpha):
    picture, prompt = photo(alpha=alpha), "a green kite"
    mask = numpy.zeros((200, 300, 3), "uint8")
    mask[50:150, 60:200] = 255
    mask[50:54, 60:200] = 128
    words.ui.requests.clear()
    done = words.api.call("ai_inpainting", image_data=png(picture), mask_data=png(mask), prompt=prompt, seed=2, strength=0.9)
    assert done["success"] is True and done["image_dimensions"] == {"width": 300, "height": 200}, done
    made = decode(done["image_data"])
    assert made.shape == picture.shape
    outside = mask[..., 0] == 0
    assert (made[outside] == picture[outside]).all(), "pixels outside of the mask changed"
    assert far(made[97:103, 127:133], colour(prompt, 2)).max() <= 60, "the kite is not there"
    assert words.ui.requests[0]["denoising_strength"] == 0.9
    if alpha:
        assert (made[60:150, 60:200, 3] == 255).all() and (made[50:54, 60:200, 3] > picture[50:54, 60:200, 3]).all()
    else:
        # What is round the disc is the picture again: the model's cast was taken out.
        ring = numpy.zeros((200, 300), bool)
        ring[58:64, 70:190] = True
        assert far(made, picture.astype(int))[ring].mean() < 12
    with urllib.request.urlopen(done["url"], timeout=30) as answer:
        stored = Image.open(io.BytesIO(answer.read()))
    assert (stored.width, stored.height) == (done["metadata"]["width"], done["metadata"]["height"])
    assert done["metadata"]["begun_from"] == "image and mask" and done["metadata"]["backend"] == "home"


def test_what_is_wrong_is_said(words, server):
    api, picture = words.api, png(photo())
    region = {"x": 20, "y": 20, "width": 30, "height": 30}
    words.ui.requests.clear()
    for params, what in (
        ({"image_data": picture, "mask_data": png(numpy.zeros((200, 300, 3), "uint8")), "prompt": "x"}, "black"),
        ({"image_data": picture, "region": region, "prompt": "  "}, "only blanks"),
        ({"image_data": picture, "region": region, "prompt": "x", "backend": "other"}, "no backend `other`"),
        ({"image_data": picture, "region": region, "prompt": "x", "filter": "remove-object"}, "filter"),
        ({"region": region, "prompt": "x"}, "no picture is given"),
    ):
        done = api.call("ai_inpainting", **params)
        assert done["success"] is False and what in done["message"], (params.keys(), done)
    for params in ({"prompt": "x" * 1001}, {"prompt": "x", "strength": 2}):
        with pytest.raises(Failed, match=list(params)[-1]):
            api.call("ai_inpainting", image_data=picture, region=region, **params)
    assert words.ui.requests == []
    none = server.api.call("ai_inpainting", image_data=picture, region=region, prompt="a tree")
    assert none["success"] is False and none["error"]["kind"] == "unsupported", none
    assert "no backend that generates images is configured" in none["message"] and "KSERVE_ENDPOINT" in none["error"]["hint"]


def test_a_generated_image_begins_a_session(words):
    api = words.api
    made = api.call("mcp_operation", operation="generate_image", prompt="a lake", width=320, height=208, into="new_image", seed=4)
    session = made["session_id"]
    assert made["success"] is True and made["image_dimensions"] == {"width": 320, "height": 208}, made
    assert far(api.pixels(session)[100:108, 156:164], colour("a lake", 4)).max() <= 1
    # Other clients do not see it, which is said, with what to do about it.
    assert f"the image of session `{session}`, which other clients do not see" in made["message"]
    assert f"POST /images/{made['image_id']}/open" in made["message"]
    assert open_to_all(api) == []
    status, _, text = api.http("POST", f"/images/{made['image_id']}/open")
    assert status == 200 and open_to_all(api) == [json.loads(text)["image"]]
    api.call("close_image", image=json.loads(text)["image"], discard_changes=True)
    api.operation("invert_colors", session_id=session)
    layer = api.call(
        "mcp_operation", operation="generate_image", session_id=session, prompt="a boat", width=128, height=96, into="new_layer"
    )
    assert layer["success"] is True and layer["session_id"] == session and len(layers(api, session)) == 2, layer
    assert "other clients" not in layer["message"], layer
    again = api.call(
        "mcp_operation", operation="generate_image", session_id=session, prompt="a hill", width=256, height=128, into="new_image"
    )
    assert again["session_id"] == session and again["image_dimensions"] == {"width": 256, "height": 128}, again
    assert f"session `{session}`" in again["message"]
    several = api.call("mcp_operation", operation="generate_image", prompt="a lake", into="new_image", count=2)
    assert several["success"] is False and "one image" in several["message"], several
    api.call("mcp_close_session", session_id=session)
    loose = api.call("mcp_operation", operation="generate_image", prompt="a lake", width=64, height=64)
    assert loose["success"] is True and "session_id" not in loose and json.dumps(api.sessions()).find(session) < 0
    assert "session" not in loose["message"]


def test_what_begins_commands_says_whose_it_is_too(words):
    api = words.api
    commands = [
        {"operation": "generate_image", "params": {"prompt": "a lake", "width": 128, "height": 96, "into": "new_image"}},
        {"operation": "invert_colors"},
    ]
    done = api.call("execute_gimp_commands", commands=commands)
    assert done["success"] is True, done
    assert f"the image of session `{done['session_id']}`" in done["results"][0]["message"]
    assert open_to_all(api) == []
    api.call("mcp_close_session", session_id=done["session_id"])


def test_the_plans_endpoint_opens_it_for_all(words):
    wanted = {"prompt": "a lake", "width": 128, "height": 96, "into": "new_image"}
    status, _, text = words.api.http("POST", "/mcp/v1/tools/generate_image", wanted)
    made = json.loads(text)
    assert status == 200 and "session" not in text.decode(), made
    assert open_to_all(words.api) == [made["image"]]
    words.api.call("close_image", image=made["image"], discard_changes=True)
