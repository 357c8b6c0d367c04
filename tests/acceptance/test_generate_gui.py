"""Filters > AI > Generate with the keyboard, in a GIMP with windows under Xvfb, against a stand-in for a Stable Diffusion web
UI. Without a daemon: the plug-in starts one. With GIMP_BRIDGE_TEST_SHOTS=FOLDER the pictures are kept."""

import json
import os
import sys
from pathlib import Path

import numpy
import pytest
from support import wait_for
from test_filter_gui import bitmap, call, grainy, keep, layers, open_picture, pick, settled

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generate"))

from web_ui import WebUi, colour, painted  # noqa: E402

SEED = 5  # of a picture that nobody asked a seed for
LAYER, FILL, VARY = "New Layer from Words", "Fill Selection from Words", "Vary Layer"


@pytest.fixture(scope="module")
def webui():
    with WebUi() as started:
        yield started


@pytest.fixture
def set_up(desk, webui):
    """The desk with its generator declared, as the first test does it in a dialog."""
    made, screen = desk
    if not made.settings.read_text():
        file = made.settings.parent / "generators.toml"
        file.write_text(f'[[backend]]\nname = "webui"\nkind = "a1111"\nurl = "{webui.url}"\n')
        made.settings.write_text(f'[generate]\nbackends = "{file}"\n')
    webui.gate.set()
    return made, screen


def from_words(prompt, seed, width, height):
    return painted(prompt, seed, numpy.full((height, width, 3), 128.0), numpy.full((height, width), 255), 1.0)


def prompts(made):
    with open(os.path.join(made.env["GIMP_BRIDGE_STATE_DIR"], "prompts.json")) as file:
        return [row[0] for row in json.load(file)["prompts"]]


def ready(screen, title):
    """Until the dialog is drawn and has found who can make the picture."""
    screen.wait_window(f"^{title}$")
    settled(screen)


def say(screen, prompt):
    screen.key("alt+p", "ctrl+a", "BackSpace")
    if prompt:
        screen.type(prompt)
    settled(screen)


def closed(screen, title):
    # Twice: a search fails when another window goes meanwhile
    wait_for("the dialog to close", lambda: not screen.windows(f"^{title}$") and not screen.windows(f"^{title}$"), 120)


def end(made, image):
    call(made, "close_image", image=image, discard_changes=True)


def test_without_a_generator_a_dialog_says_so_and_sets_one_up(desk, version, webui):
    made, screen = desk
    made.settings.write_text("# mine\n")
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    pick(screen, LAYER)
    ready(screen, LAYER)
    say(screen, "a quiet lake")
    keep(screen, version, "generate-none")
    screen.key("Return")  # nobody is there to make it
    settled(screen)
    assert screen.windows(f"^{LAYER}$") and webui.requests == [] and len(layers(made, image)) == 1
    screen.key("alt+i")
    screen.wait_window("Set Up an Image Generator")
    settled(screen)
    keep(screen, version, "generate-setup")
    screen.key("ctrl+a")
    screen.type(webui.url)
    screen.key("Return")
    wait_for("the window to close", lambda: not screen.windows("Set Up an Image Generator"), 60)
    assert made.settings.read_text().startswith("# mine\n") and webui.url in (made.settings.parent / "generators.toml").read_text()
    ready(screen, LAYER)
    keep(screen, version, "generate-ready")
    screen.key("alt+p", "Return")
    closed(screen, LAYER)
    first, below = layers(made, image)
    assert first["name"] == "a quiet lake"
    (asked,) = webui.requests
    made_of = from_words("a quiet lake", SEED, asked["width"], asked["height"])
    now = bitmap(made, image)
    assert (now == made_of[:300, :400]).all(), "the layer lies on top, pixel for pixel"
    assert prompts(made) == ["a quiet lake"]
    screen.focus("400x300")
    screen.key("ctrl+z")
    wait_for("the user's undo", lambda: len(layers(made, image)) == 1, 60)
    end(made, image)


def test_prompts_are_offered_again_and_the_seed_too(set_up, version, webui):
    made, screen = set_up
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    for number, prompt in enumerate(("a red barn", "two boats"), 1):
        pick(screen, LAYER)
        ready(screen, LAYER)
        say(screen, prompt)
        screen.key("Return")
        closed(screen, LAYER)
        assert len(layers(made, image)) == number + 1
        screen.focus("400x300")
    assert prompts(made)[:2] == ["two boats", "a red barn"]
    pick(screen, LAYER)
    ready(screen, LAYER)
    screen.key("alt+e", "Down")
    settled(screen)
    keep(screen, version, "generate-earlier")
    screen.key("Return")  # the one before the last
    screen.key("alt+o", "alt+a")  # more; the seed again
    settled(screen)
    keep(screen, version, "generate-more")
    screen.key("alt+p", "Return")
    closed(screen, LAYER)
    asked = webui.requests[-1]
    assert (asked["prompt"], asked["seed"]) == ("a red barn", SEED)
    assert prompts(made)[0] == "a red barn"
    # With the last values, by the menu's own entry for it
    screen.focus("400x300")
    before = len(layers(made, image))
    screen.key("ctrl+f")
    wait_for("the same again", lambda: len(layers(made, image)) == before + 1, 120)
    assert webui.requests[-1] == asked
    end(made, image)


def test_escape_ends_what_runs_and_then_the_dialog(set_up, version, webui):
    made, screen = set_up
    picture = grainy(400, 300)
    image = open_picture(made, picture)
    screen.focus("400x300", fill=True)
    pick(screen, LAYER)
    ready(screen, LAYER)
    say(screen, "something slow")
    webui.gate.clear()
    before, stopped = len(webui.requests), len(webui.stops)
    screen.key("Return")
    wait_for("the request", lambda: len(webui.requests) == before + 1, 60)
    keep(screen, version, "generate-progress")
    # GIMP and its other clients go on
    assert call(made, "get_image_metadata", image=image)["structure"]["layers"]
    screen.key("Escape")
    wait_for("the generator to be told", lambda: len(webui.stops) > stopped, 60)
    settled(screen)
    keep(screen, version, "generate-cancelled")
    assert screen.windows(f"^{LAYER}$"), "the dialog stays"
    screen.key("Escape")
    closed(screen, LAYER)
    webui.gate.set()
    assert len(layers(made, image)) == 1 and (bitmap(made, image) == picture).all()
    end(made, image)


def test_what_a_generator_does_wrong_is_told_in_the_dialog_which_stays(set_up, version, webui):
    made, screen = set_up
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    pick(screen, LAYER)
    ready(screen, LAYER)
    say(screen, "forbidden fruit")
    webui.faults.append({"images": []})
    screen.key("Return")
    wait_for("the answer that is none", lambda: not webui.faults, 60)
    settled(screen)
    keep(screen, version, "generate-refused")
    assert screen.windows(f"^{LAYER}$") and len(layers(made, image)) == 1
    screen.key("Return")  # as it stands, once more
    closed(screen, LAYER)
    assert layers(made, image)[0]["name"] == "forbidden fruit"
    end(made, image)


def selected(made, screen, picture):
    """The picture open with a soft ellipse selected, whose moving outline is hidden: the screen could not be seen to rest."""
    image = open_picture(made, picture)
    call(made, "create_ellipse_selection", image=image, x=140, y=90, width=120, height=100, feather=8)
    screen.focus("400x300", fill=True)
    screen.key("ctrl+t")
    settled(screen)
    return image


def outside(shape):
    """Pixels that the selection does not reach."""
    far = numpy.ones(shape[:2], bool)
    far[70:210, 120:280] = False
    return far


def test_a_selection_is_filled_with_two_variants_and_nothing_else_changes(set_up, version, webui):
    made, screen = set_up
    picture = grainy(400, 300)
    image = selected(made, screen, picture)
    pick(screen, FILL)
    ready(screen, FILL)
    say(screen, "a red barn")
    screen.key("alt+v", "ctrl+a")
    screen.type("2")
    settled(screen)
    keep(screen, version, "generate-fill")
    screen.key("alt+p", "Return")
    closed(screen, FILL)
    group, below = layers(made, image)
    assert group["kind"] == "group" and len(group["children"]) == 2, group
    assert [child["visible"] for child in group["children"]] == [True, False]
    asked = webui.requests[-2:]
    assert all(body["prompt"] == "a red barn" and body["mask"] for body in asked)
    now, far = bitmap(made, image), outside(picture.shape)
    assert (now[far] == picture[far]).all()
    middle = now[130:150, 190:210].reshape(-1, 3).mean(axis=0)
    assert abs(middle - colour("a red barn", SEED)).max() < 60, (middle, colour("a red barn", SEED))
    keep(screen, version, "generate-filled")
    screen.focus("400x300")
    screen.key("ctrl+z")
    wait_for("one step back", lambda: len(layers(made, image)) == 1, 60)
    assert (bitmap(made, image) == picture).all()
    end(made, image)


def test_without_a_selection_nothing_is_filled_and_the_dialog_says_so(set_up, version, webui):
    made, screen = set_up
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    pick(screen, FILL)
    ready(screen, FILL)
    say(screen, "a red barn")
    before = len(webui.requests)
    screen.key("Return")
    settled(screen)
    keep(screen, version, "generate-nothing-selected")
    assert screen.windows(f"^{FILL}$") and len(layers(made, image)) == 1 and len(webui.requests) == before
    screen.key("Escape")
    closed(screen, FILL)
    end(made, image)


def test_a_layer_is_varied_without_words(set_up, version, webui):
    made, screen = set_up
    picture = grainy(400, 300)
    image = open_picture(made, picture)
    screen.focus("400x300", fill=True)
    pick(screen, VARY)
    ready(screen, VARY)
    say(screen, "")
    screen.key("alt+s", "Home", "Right", "Right")  # strength
    settled(screen)
    keep(screen, version, "generate-vary")
    screen.key("alt+p", "Return")
    closed(screen, VARY)
    asked = webui.requests[-1]
    assert "mask" not in asked or asked["mask"]
    assert asked["prompt"] == "" and abs(asked["denoising_strength"] - 0.1) < 0.001, asked["denoising_strength"]
    assert len(layers(made, image)) == 2 and (bitmap(made, image) != picture).any()
    screen.focus("400x300")
    screen.key("ctrl+z")
    wait_for("one step back", lambda: len(layers(made, image)) == 1, 60)
    assert (bitmap(made, image) == picture).all()
    end(made, image)


def test_the_image_s_end_ends_the_dialog(set_up, version, webui):
    made, screen = set_up
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    pick(screen, LAYER)
    ready(screen, LAYER)
    end(made, image)
    # Its place is taken by the sentence that says why
    settled(screen)
    keep(screen, version, "generate-image-closed")
    screen.dismiss(f"^{LAYER}$")
