"""Filters > AI with the keyboard, in a GIMP with windows under Xvfb, without a daemon: the plug-in starts one.
With GIMP_BRIDGE_TEST_SHOTS=FOLDER the pictures are kept."""

import io
import json
import os
import subprocess

import numpy
from PIL import Image
from support import BIN, wait_for


def call(made, operation, **arguments):
    done = subprocess.run([BIN, "call", operation, json.dumps(arguments)], env=made.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def keep(screen, version, name):
    folder = os.environ.get("GIMP_BRIDGE_TEST_SHOTS")
    return screen.shot(os.path.join(folder, f"gimp-{version}-{name}.png") if folder else None)


def settled(screen):
    wait_for("a quiet screen", lambda: (screen.shot() == screen.shot()).all(), 90)


def pick(screen, title):
    """Opens a filter's dialog by GIMP's search for actions."""
    screen.key("slash")
    screen.wait_window("Search Actions")
    screen.type(title)
    settled(screen)
    screen.key("Return")
    # Given the keyboard as by a click: a window manager may leave it with the window that had it.
    screen.focus(f"^{title}$")
    # Nobody presses a key of a dialog that is not drawn yet
    settled(screen)


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
    # Taken over, the strength stays what was measured; then none at all
    measured = seen()
    screen.key("alt+a")
    settled(screen)
    assert (seen() == measured).all()
    screen.key("Tab")
    screen.key("Home")
    wait_for("the preview of another strength", lambda: grain(seen()) > 0.5 * grain(middle), 120)
    screen.key("End")
    wait_for("the preview of the largest strength", lambda: grain(seen()) < 0.5 * grain(middle), 120)
    screen.key("alt+b")
    wait_for("the layer again", lambda: (seen() == middle).all(), 60)
    screen.key("alt+b")
    # A press shows the layer too, and moves it
    x, y = left + 160, top + 160
    screen.run("xdotool", "mousemove", str(x), str(y), "mousedown", "1")
    wait_for("the layer while the button is down", lambda: (seen() == middle).all(), 60)
    screen.run("xdotool", "mousemove", "--sync", str(x + 40), str(y + 20))
    moved = picture[20:340, 100:420]
    wait_for("another part", lambda: (seen() == moved).all(), 60)
    screen.run("xdotool", "mouseup", "1")
    wait_for("the filter there", lambda: (seen() != moved).any(), 120)

    screen.key("Escape")
    wait_for("the dialog to close", lambda: not screen.windows("Denoise"), 60)
    assert call(made, "get_image_metadata", image=image) == state
    assert (bitmap(made, image) == picture).all()
    call(made, "close_image", image=image, discard_changes=True)


def inside(screen, title):
    """Where the window with this title lies on the screen: left, top, width, height."""
    def geometry():
        for window in screen.windows(title):
            try:
                return screen.run("xdotool", "getwindowgeometry", "--shell", window)
            except subprocess.CalledProcessError:
                pass  # another takes its place just now
        return None

    told = wait_for(f"the place of a window `{title}`", geometry, 60).decode().split()
    return tuple(int(part.split("=")[1]) for part in told[1:5])


def test_an_open_dialog_grows_zooms_and_follows_what_the_user_does(desk, version):
    made, screen = desk
    picture = grainy(900, 700)
    image = open_picture(made, picture)
    screen.focus("900x700", fill=True)
    pick(screen, "Denoise")
    window = screen.wait_window("^Denoise$")
    screen.run("xdotool", "windowmove", window, "0", "0", "windowsize", window, "1380", "860")
    screen.key("alt+b")  # before: the layer's own pixels can be looked for
    middle = picture[100:600, 150:750]
    left, top = wait_for("a larger part of the layer", lambda: place(screen.shot(), middle), 120)
    settled(screen)
    keep(screen, version, "ai-large")
    # The keyboard's focus is on the picture after a click
    screen.run("xdotool", "mousemove", str(left + 300), str(top + 250), "click", "1")
    screen.key("plus")
    squares = picture[300:400, 400:500].repeat(2, axis=0).repeat(2, axis=1)
    wait_for("each pixel as a square of four", lambda: place(screen.shot(), squares), 120)
    settled(screen)
    keep(screen, version, "ai-zoomed")
    screen.key("0")
    wait_for("what fits", lambda: place(screen.shot(), middle), 120)
    # The wheel keeps the place under the mouse
    screen.run("xdotool", "mousemove", str(left + 300), str(top + 250), "click", "4")
    wait_for("the wheel's zoom", lambda: place(screen.shot(), squares), 120)
    screen.key("1")
    wait_for("pixel by pixel", lambda: place(screen.shot(), picture[200:500, 250:650]), 120)
    # What is selected, painted and chosen meanwhile
    call(made, "create_rectangle_selection", image=image, x=0, y=0, width=60, height=60)
    wait_for("the selection's place", lambda: place(screen.shot(), picture[0:400, 0:500]), 120)
    call(made, "draw_rectangle", image=image, x=20, y=20, width=30, height=30, fill_color="#ff0000")
    red = numpy.full((20, 20, 3), (255, 0, 0), numpy.uint8)
    wait_for("what was painted", lambda: place(screen.shot()[:700, :800], red), 120)
    call(made, "create_layer", image=image, name="white", fill="#ffffff")
    white = numpy.full((200, 300, 3), 255, numpy.uint8)
    wait_for("the layer that is chosen now", lambda: place(screen.shot()[:700, :800], white), 120)
    # And its end with the image
    call(made, "close_image", image=image, discard_changes=True)
    wait_for("the dialog to close", lambda: not screen.windows("^Denoise$"), 60)


def test_escape_and_the_image_s_end_end_a_filter_that_runs(desk, version):
    made, screen = desk
    image = open_picture(made, grainy(2400, 1800))
    screen.focus("2400x1800", fill=True)

    def begin():
        pick(screen, "Oil painting")
        settled(screen)
        screen.key("alt+o")
        wait_for("the dialog to close", lambda: len(screen.windows("^Oil painting$")) == 0, 60)
        wait_for("the progress", lambda: screen.windows("^Oil painting$"), 60)

    begin()
    screen.run("xdotool", "windowactivate", "--sync", screen.wait_window("^Oil painting$"))
    screen.key("Escape")
    wait_for("the end of the filter", lambda: not screen.windows("^Oil painting$"), 120)
    assert len(layers(made, image)) == 1
    screen.focus("2400x1800")
    begin()
    call(made, "close_image", image=image, discard_changes=True)
    # Its place is taken by the sentence that says why
    wait_for("the end of the filter", lambda: not call(made, "list_images")["images"], 60)
    settled(screen)
    keep(screen, version, "ai-image-closed")
    screen.dismiss("^Oil painting$")


def test_what_stands_in_the_way_is_told_with_a_button_and_nothing_to_do_adds_nothing(desk, version):
    made, screen = desk
    image = call(made, "create_new_image", width=400, height=300, color="#8090a0")["image"]
    call(made, "create_channel", image=image, name="spot")
    select = f"i = Gimp.Image.get_by_id({image}); i.set_selected_channels(i.get_channels())"
    call(made, "call_api", api_path="exec", args=["pyGObject-console", [select]])
    screen.focus("400x300", fill=True)
    pick(screen, "Denoise")
    settled(screen)
    keep(screen, version, "ai-message")
    screen.key("alt+u")  # use the layer
    wait_for("the layer in the dialog", lambda: inside(screen, "^Denoise$")[3] > 300, 60)
    settled(screen)
    screen.key("alt+o")
    screen.wait_window("Note: Denoise", 120)  # there was nothing to do
    keep(screen, version, "ai-nothing-to-do")
    wait_for("the note to go by itself", lambda: not screen.windows("Note: Denoise") and not screen.windows("Note: Denoise"), 60)
    assert not screen.windows("GIMP Message")
    assert len(layers(made, image)) == 1
    # Nothing is selected: a sentence, which Escape closes
    screen.focus("400x300")
    pick(screen, "Remove object")
    settled(screen)
    keep(screen, version, "ai-nothing-selected")
    screen.key("alt+o")
    wait_for("the message", lambda: screen.windows("^Remove object$") and inside(screen, "^Remove object$")[3] < 300, 60)
    settled(screen)
    screen.key("Escape")
    wait_for("the message to close", lambda: not screen.windows("^Remove object$"), 60)
    call(made, "close_image", image=image, discard_changes=True)


def test_a_filter_runs_from_the_menu_and_a_step_back_takes_it_away(desk, version):
    made, screen = desk
    image = call(made, "create_new_image", width=320, height=240, color="#4080a0")["image"]
    call(made, "draw_ellipse", image=image, x=60, y=40, width=180, height=140, fill_color="#e0b020")
    screen.focus("320x240", fill=True)
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
    screen.focus("320x240")
    screen.key("ctrl+z")
    wait_for("the user's undo", lambda: len(layers(made, image)) == 1, 60)
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
    wait_for("the file dialog to close", lambda: not screen.windows("Select a File") or screen.key("Return"), 60)
    settled(screen)


def test_every_filter_runs_from_its_dialog(desk, version):
    """Each once: by the keyboard, within the selection, seen in pixels, and taken back by one step of GIMP's undo."""
    made, screen = desk
    picture = grainy(330, 220)
    picture[70:150, 120:200] = (200, 40, 30)
    image = open_picture(made, picture)
    call(made, "create_rectangle_selection", image=image, x=110, y=60, width=100, height=100)
    screen.focus("330x220", fill=True)
    style = os.path.join(made.folder.name, "style.png")
    Image.fromarray(255 - picture[::-1]).save(style)
    outside = numpy.ones((220, 330), bool)
    outside[60:160, 110:210] = False
    with open(os.path.join(made.env["GIMP_BRIDGE_STATE_DIR"], "filters.json")) as file:
        rows = json.load(file)["filters"]
    assert len(rows) >= 8, rows
    for row in rows:
        state = lambda: {key: call(made, "get_image_metadata", image=image)[key] for key in ("structure", "selection")}  # noqa: E731
        before = state()
        pick(screen, row["title"])
        if row.get("style"):
            choose_file(screen, "alt+i", style)
        if row["name"] == "jpeg-cleanup":  # the picture never was a JPEG: by itself it would find nothing to do
            screen.key("alt+a", "Tab", "End")
            settled(screen)
        screen.key("alt+o")
        if row["name"] == "upscale":
            images = lambda: call(made, "list_images")["images"]  # noqa: E731
            wait_for("the larger image", lambda: len(images()) == 2, 120)
            large = next(each for each in images() if each["id"] != image)
            assert (large["width"], large["height"]) == (660, 440)
            call(made, "close_image", image=large["id"], discard_changes=True)
            assert (bitmap(made, image) == picture).all()
            screen.focus("330x220")
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
            assert all(abs(found[key] - value) <= 15 for key, value in zip(("x", "y", "width", "height"), (120, 70, 80, 80))), found
        else:
            assert (now[outside] == picture[outside]).all(), row["name"]
            assert (now[~outside] != picture[~outside]).any(), row["name"]
        screen.focus("330x220")
        screen.key("ctrl+z")
        wait_for(f"undo of {row['name']}", lambda: not changed() and (bitmap(made, image) == picture).all(), 60)
    call(made, "close_image", image=image, discard_changes=True)
