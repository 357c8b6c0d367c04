"""Filters > AI with the keyboard, in a GIMP with windows under Xvfb, without a daemon: the plug-in starts one.
With GIMP_BRIDGE_TEST_SHOTS=FOLDER the pictures are kept."""

import json
import os
import subprocess

import pytest
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


def layers(made, image):
    return call(made, "get_image_metadata", image=image)["structure"]["layers"]


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
    screen.key("slash")
    screen.wait_window("Search Actions")
    screen.type("oil painting")
    settled(screen)
    screen.key("Return")
    screen.wait_window("Oil painting", 30)
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
