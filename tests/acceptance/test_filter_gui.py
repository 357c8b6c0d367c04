"""Filters > AI with the keyboard, in a GIMP with windows under Xvfb, without a daemon: the plug-in starts one.
With GIMP_BRIDGE_TEST_SHOTS=FOLDER the pictures are kept."""

import io
import json
import os
import subprocess

import numpy
import pytest
from PIL import Image
from screen import Screen
from support import BIN, Bridge, wait_for


@pytest.fixture
def desk(version):
    screen = Screen(version)
    made = Bridge(version)
    made.env["DISPLAY"] = screen.display
    try:
        made.start_gimp("--gui")
        yield made, screen
    finally:
        end_attendants(made)
        made.close()
        screen.close()


def end_attendants(made):
    """What the plug-in started outlives a GIMP that is killed; it ends with its connection, or here."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "attend" in command and made.env["GIMP_BRIDGE_STATE_DIR"] in command:
                os.kill(int(entry), 15)


def call(made, operation, **arguments):
    done = subprocess.run([BIN, "call", operation, json.dumps(arguments)], env=made.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def keep(screen, version, name):
    folder = os.environ.get("GIMP_BRIDGE_TEST_SHOTS")
    return screen.shot(os.path.join(folder, f"gimp-{version}-{name}.png") if folder else None)


def settled(screen):
    wait_for("a quiet screen", lambda: (screen.shot() == screen.shot()).all(), 20)


def pick(screen, title):
    """Opens a filter's dialog by GIMP's search for actions."""
    screen.key("slash")
    screen.wait_window("Search Actions")
    screen.type(title)
    settled(screen)
    screen.key("Return")
    screen.wait_window(f"^{title}$", 30)


def layers(made, image):
    return call(made, "get_image_metadata", image=image)["structure"]["layers"]


def grainy(width, height):
    """Soft colours with grain: no part of it is like another, and a filter that takes grain away is seen to work."""
    y, x = numpy.mgrid[0:height, 0:width]
    soft = numpy.stack([120 + 60 * numpy.sin(x / 70), 110 + 50 * numpy.cos(y / 50), 100 + 0.1 * x], -1)
    grain = numpy.random.default_rng(1).normal(0, 20, (height, width, 3))
    return (soft + grain).clip(0, 255).astype(numpy.uint8)


def open_picture(made, pixels):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    path = os.path.join(made.folder.name, "grainy.png")
    with open(path, "wb") as file:
        file.write(data.getvalue())
    return call(made, "open_image", path=path)["image"]


def bitmap(made, image):
    path = os.path.join(made.folder.name, "now.png")
    subprocess.run([BIN, "call", "get_image_bitmap", json.dumps({"image": image}), "--out", path], env=made.env, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    with Image.open(path) as now:
        return numpy.asarray(now.convert("RGB"))


def place(shot, part):
    """Where in the picture of the screen the part lies pixel by pixel: (x, y), or None."""
    height, width, _ = part.shape
    spots = (shot[: 1 - height or None, : 1 - width or None] == part[0, 0]).all(-1)
    for y, x in zip(*numpy.nonzero(spots)):
        if (shot[y : y + height, x : x + width] == part).all():
            return x, y
    return None


def grain(part):
    return numpy.abs(numpy.diff(part.astype(int), axis=1)).mean()


def test_the_preview_shows_what_a_parameter_does_and_changes_nothing(desk, version):
    made, screen = desk
    picture = grainy(600, 400)
    image = open_picture(made, picture)
    state = call(made, "get_image_metadata", image=image)
    screen.focus("600x400", fill=True)
    pick(screen, "Denoise")

    # Before: the layer's own middle, pixel by pixel
    middle = picture[40:360, 140:460]
    screen.key("alt+b")
    left, top = wait_for("the layer in the preview", lambda: place(screen.shot(), middle), 60)

    def seen():
        return screen.shot()[top : top + 320, left : left + 320]

    screen.key("alt+b")
    wait_for("what the filter makes of it", lambda: grain(seen()) < 0.5 * grain(middle), 120)
    settled(screen)
    keep(screen, version, "ai-preview")
    # Another strength: not automatic, and then none at all
    measured = seen()
    screen.key("alt+a")
    wait_for("the preview of the strength that was set", lambda: (seen() != measured).any(), 120)
    screen.key("Tab")
    screen.key("Home")
    wait_for("the preview of another strength", lambda: grain(seen()) > 0.5 * grain(middle), 120)
    screen.key("alt+b")
    wait_for("the layer again", lambda: (seen() == middle).all(), 10)
    screen.key("alt+b")
    # A press shows the layer too, and moves it
    x, y = left + 160, top + 160
    screen.run("xdotool", "mousemove", str(x), str(y), "mousedown", "1")
    wait_for("the layer while the button is down", lambda: (seen() == middle).all(), 10)
    screen.run("xdotool", "mousemove", "--sync", str(x + 40), str(y + 20))
    moved = picture[20:340, 100:420]
    wait_for("another part", lambda: (seen() == moved).all(), 10)
    screen.run("xdotool", "mouseup", "1")
    wait_for("the filter there", lambda: (seen() != moved).any(), 120)

    screen.key("Escape")
    wait_for("the dialog to close", lambda: not screen.windows("Denoise"), 10)
    assert call(made, "get_image_metadata", image=image) == state
    assert (bitmap(made, image) == picture).all()
    call(made, "close_image", image=image, discard_changes=True)


def test_a_filter_runs_from_the_menu_and_a_step_back_takes_it_away(desk, version):
    made, screen = desk
    image = call(made, "create_new_image", width=160, height=120, color="#4080a0")["image"]
    call(made, "draw_ellipse", image=image, x=30, y=20, width=90, height=70, fill_color="#e0b020")
    screen.focus("160x120", fill=True)
    # Filters, its last entry: AI
    screen.key("alt+r", "Up", "Right")
    settled(screen)
    keep(screen, version, "ai-menu")
    screen.key("Escape", "Escape", "Escape")
    pick(screen, "Oil painting")
    settled(screen)
    keep(screen, version, "ai-dialog")
    screen.key("alt+o")
    wait_for("the filter's layer", lambda: len(layers(made, image)) == 2, 120)
    settled(screen)
    keep(screen, version, "ai-result")
    assert layers(made, image)[0]["name"].endswith("(Oil painting)")
    screen.focus("160x120")
    screen.key("ctrl+z")
    wait_for("the user's undo", lambda: len(layers(made, image)) == 1, 10)
    # The same filter with the last values, by the menu's own entry for it
    screen.key("ctrl+f")
    wait_for("the filter again", lambda: len(layers(made, image)) == 2, 120)
    call(made, "close_image", image=image, discard_changes=True)


def choose_file(screen, label, path):
    """Gives the dialog's file entry a file, by the file dialog that its button opens."""
    screen.key(label)
    screen.key("space")
    screen.wait_window("Select a File")
    settled(screen)
    screen.key("ctrl+l")
    settled(screen)
    screen.key("ctrl+a")
    screen.type(path)
    settled(screen)
    # The first Return may only end the completion
    wait_for("the file dialog to close", lambda: not screen.windows("Select a File") or screen.key("Return"), 10)
    settled(screen)


def test_every_filter_runs_from_its_dialog(desk, version):
    """Each once: by the keyboard, within the selection, seen in pixels, and taken back by one step of GIMP's undo."""
    made, screen = desk
    picture = grainy(240, 160)
    picture[50:110, 90:150] = (200, 40, 30)
    image = open_picture(made, picture)
    call(made, "create_rectangle_selection", image=image, x=80, y=40, width=80, height=80)
    screen.focus("240x160", fill=True)
    style = os.path.join(made.folder.name, "style.png")
    Image.fromarray(255 - picture[::-1]).save(style)
    outside = numpy.ones((160, 240), bool)
    outside[40:120, 80:160] = False
    with open(os.path.join(made.env["GIMP_BRIDGE_STATE_DIR"], "filters.json")) as file:
        rows = json.load(file)["filters"]
    assert len(rows) >= 8, rows
    for row in rows:
        state = lambda: {key: call(made, "get_image_metadata", image=image)[key] for key in ("structure", "selection")}  # noqa: E731
        before = state()
        pick(screen, row["title"])
        if row.get("style"):
            choose_file(screen, "alt+i", style)
        screen.key("alt+o")
        if row["name"] == "upscale":
            images = lambda: call(made, "list_images")["images"]  # noqa: E731
            wait_for("the larger image", lambda: len(images()) == 2, 120)
            large = next(each for each in images() if each["id"] != image)
            assert (large["width"], large["height"]) == (480, 320)
            call(made, "close_image", image=large["id"], discard_changes=True)
            assert (bitmap(made, image) == picture).all()
            screen.focus("240x160")
            continue
        changed = lambda: state() != before  # noqa: E731
        wait_for(f"the result of {row['name']}", lambda: changed() or not (bitmap(made, image) == picture).all(), 120)
        settled(screen)
        keep(screen, version, f"ai-{row['name']}")
        now = bitmap(made, image)
        if row["name"] == "cut-out":
            after = state()
            assert after["structure"] == before["structure"], "the same layer is the selected one"
            found = after["selection"]["bounds"]
            assert all(abs(found[key] - value) <= 15 for key, value in zip(("x", "y", "width", "height"), (90, 50, 60, 60))), found
        else:
            assert (now[outside] == picture[outside]).all(), row["name"]
            assert (now[~outside] != picture[~outside]).any(), row["name"]
        screen.focus("240x160")
        screen.key("ctrl+z")
        wait_for(f"undo of {row['name']}", lambda: not changed() and (bitmap(made, image) == picture).all(), 20)
    call(made, "close_image", image=image, discard_changes=True)
