"""What Filters > AI > Generate offers follows the generators that are set up: sizes, words, keys. And what stands in the way in
GIMP itself. By the keyboard, in a GIMP with windows under Xvfb."""

import json
import stat
from pathlib import Path

import pytest
import support
from support import wait_for
from test_filter_gui import bitmap, call, grainy, keep, layers, open_picture, pick, settled
from test_generate_gui import FILL, LAYER, VARY, WebUi, closed, end, ready, say


@pytest.fixture
def webui():
    with WebUi() as started:
        yield started


@pytest.fixture
def declared(desk, webui):
    """declared(text): the desk's generators are these, for a daemon that reads them anew; afterwards what they were, and no
    prompt is offered again."""
    made, screen = desk
    file, before = made.settings.parent / "generators.toml", made.settings.read_text()
    others = file.read_text() if file.exists() else None

    def declare(text):
        file.write_text(text)
        made.settings.write_text(f'[generate]\nbackends = "{file}"\n')
        support.end_attendants(made)

    yield declare
    made.settings.write_text(before)
    file.unlink() if others is None else file.write_text(others)
    Path(made.env["GIMP_BRIDGE_STATE_DIR"], "prompts.json").unlink(missing_ok=True)
    support.end_attendants(made)


def webui_row(webui, more=""):
    return f'[[backend]]\nname = "webui"\nkind = "a1111"\nurl = "{webui.url}"\n{more}'


def test_a_new_layer_s_size_follows_the_model_until_one_is_chosen(desk, version, webui, declared):
    made, screen = desk
    declared(webui_row(webui, '[backend.models.large]\nnative = 1024\nmultiple_of = 64\n[backend.models.other]\nsizes = [[512, 512], [640, 384]]\n'))
    image = open_picture(made, grainy(600, 400))
    screen.focus("600x400", fill=True)

    def generated(*keys, name):
        pick(screen, LAYER)
        ready(screen, LAYER)
        say(screen, "a red barn")
        if keys:
            screen.key(*keys)
            settled(screen)
        keep(screen, version, f"generate-size-{name}")
        screen.key("alt+p", "Return")
        closed(screen, LAYER)
        screen.focus("600x400")
        asked = webui.requests[-1]
        return (asked.get("override_settings") or {}).get("sd_model_checkpoint"), asked["width"], asked["height"]

    assert generated(name="usual") == (None, 624, 416)
    assert generated("alt+m", "Down", name="large") == ("large", 1280, 832)
    assert generated("alt+m", "Down", name="other") == ("other", 640, 384)
    # One that is chosen is not changed by a model that makes it
    assert generated("alt+s", "Up", name="chosen") == ("other", 512, 512)
    assert generated("alt+m", "Up", name="kept") == ("large", 512, 512)
    end(made, image)


def test_without_words_only_those_are_asked_who_do_without(desk, version, webui, declared):
    made, screen = desk
    declared(webui_row(webui) + '[[backend]]\nname = "shop_1"\nkind = "openai"\nurl = "http://127.0.0.1:9/v1"\n')
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    pick(screen, VARY)
    ready(screen, VARY)
    screen.key("alt+p", "ctrl+a", "Delete")
    screen.key("alt+b", "End")
    settled(screen)
    keep(screen, version, "generate-words-wanted")
    screen.key("alt+p", "Return")  # nothing can be made of it
    settled(screen)
    assert screen.windows(f"^{VARY}$") and not webui.requests
    screen.key("alt+b", "Home")
    settled(screen)
    keep(screen, version, "generate-words-free")
    screen.key("alt+p", "Return")
    closed(screen, VARY)
    (asked,) = webui.requests
    assert asked["prompt"] == "" and len(layers(made, image)) == 2
    end(made, image)


def test_a_generator_that_wants_a_key_gets_it_in_the_dialog(desk, version, webui, declared):
    made, screen = desk
    webui.key = "sk-of-the-test"
    declared(webui_row(webui))
    image = open_picture(made, grainy(400, 300))
    screen.focus("400x300", fill=True)
    pick(screen, LAYER)
    ready(screen, LAYER)
    say(screen, "a red barn")
    keep(screen, version, "generate-key-wanted")
    screen.key("Return")  # asked all the same, it refuses
    settled(screen)
    assert screen.windows(f"^{LAYER}$") and not webui.requests
    screen.key("alt+k")
    screen.wait_window("Key of an Image Generator")
    settled(screen)
    screen.type("sk-of-the-test")
    settled(screen)
    keep(screen, version, "generate-key")
    screen.key("Return")
    wait_for("the window to close", lambda: not screen.windows("Key of an Image Generator"), 60)
    ready(screen, LAYER)
    keep(screen, version, "generate-key-given")
    screen.key("alt+p", "Return")
    closed(screen, LAYER)
    assert len(webui.requests) == 1 and len(layers(made, image)) == 2
    kept = made.settings.parent / "webui.token"
    assert kept.read_text() == "sk-of-the-test\n" and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "sk-of" not in (made.settings.parent / "generators.toml").read_text() + made.settings.read_text()
    end(made, image)


@pytest.mark.parametrize("title", (LAYER, FILL, VARY, "Denoise"))
def test_what_floats_is_made_a_layer_by_the_button_that_says_so(desk, version, webui, declared, title):
    made, screen = desk
    declared(webui_row(webui))
    image = open_picture(made, grainy(400, 300))
    float_it = [
        f"i = Gimp.Image.get_by_id({image}); l = i.get_layers()[0]",
        "i.select_rectangle(Gimp.ChannelOps.REPLACE, 60, 50, 200, 160)",
        "Gimp.edit_copy([l]); Gimp.edit_paste(l, False); Gimp.displays_flush()",
    ]
    call(made, "call_api", api_path="exec", args=["pyGObject-console", float_it])
    before = bitmap(made, image)
    screen.focus("400x300", fill=True)
    screen.key("ctrl+t")  # no outline that moves
    pick(screen, title)
    ready(screen, title)
    if title != "Denoise":
        say(screen, "a red barn")
        screen.key("alt+p", "Return")
        settled(screen)
        assert screen.windows(f"^{title}$") and not webui.requests
    keep(screen, version, f"generate-floating-{title.split()[0].lower()}")
    screen.key("alt+l")
    floats = [f"print(Gimp.Image.get_by_id({image}).get_floating_sel())"]
    asked = lambda: call(made, "call_api", api_path="exec", args=["pyGObject-console", floats])["output"]  # noqa: E731
    wait_for("the layer that floated", lambda: asked().strip() == "None", 60)
    ready(screen, title)
    keep(screen, version, f"generate-settled-{title.split()[0].lower()}")
    assert len(layers(made, image)) == 2 and (bitmap(made, image) == before).all()
    if title in (LAYER, VARY):
        screen.key("alt+p", "Return")
        closed(screen, title)
        assert len(layers(made, image)) == 3 and json.dumps(layers(made, image)[0]["name"])
    else:
        screen.dismiss(f"^{title}$")
    end(made, image)
