"""In a GIMP with windows (Xvfb): each call, and each undo through the bridge, is one step of the user's own undo."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from client import ROOT
from harness import Gimp, install_plugin
from rich_image import SETUP

# Inside the GIMP root: a display of its own choosing, a window manager, GIMP
START = r'''
exec 3>"$1/display"
Xvfb -displayfd 3 -screen 0 1200x800x24 2>/dev/null & server=$!
while [ ! -s "$1/display" ]; do kill -0 $server || exit 1; sleep 0.05; done
export DISPLAY=":$(cat "$1/display")"
openbox 2>/dev/null &
gimp --no-splash
kill $server
'''
# xdotool's own `windowfocus --sync` hangs where the window has the focus already
KEYS = r'''
export DISPLAY=":$1"
for try in $(seq 200); do
  window=$(xdotool search --onlyvisible --name "$2" | tail -1)
  [ -n "$window" ] && xdotool windowfocus $window && [ "$(xdotool getwindowfocus)" = "$window" ] && exec xdotool key --clearmodifiers "$3"
  sleep 0.1
done
echo "no window $2 takes the focus" >&2; exit 1
'''



class WindowedGimp(Gimp):
    """The harness's GIMP, with windows."""

    def __init__(self, version):
        self.version, self._own_home, self.instance = version, True, None
        self.home = Path(tempfile.mkdtemp(prefix=f"gimp-bridge-gui-{version}-"))
        self.state_dir = self.home / ".local" / "state" / "gimp-bridge"
        self.profile = self.home / ".config" / "GIMP" / version
        self.log_path = self.home / "gimp.log"
        install_plugin(self.profile / "plug-ins" / "gimp-bridge")
        (self.profile / "gimprc").write_text("(show-welcome-dialog no)\n(single-window-mode yes)\n")
        self.state_dir.mkdir(parents=True)
        (self.state_dir / "plugin.json").write_text('{"port": 0}')
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.inside("bash", "-c", START, "start", str(self.home)), cwd=ROOT,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ))
        self.wait_ready(seconds=120)

    def inside(self, *command):
        return [str(ROOT / "scripts" / "in-gimp-root"), self.version, str(self.home), *command]

    def press(self, window, key):
        display = (self.home / "display").read_text().strip()
        subprocess.run(self.inside("bash", "-c", KEYS, "press", display, window, key), cwd=ROOT, check=True, timeout=60)


@pytest.fixture
def windowed(gimp_version):
    with WindowedGimp(gimp_version) as running:
        yield running


def test_one_step_each_for_ctrl_z(windowed):
    with windowed.client() as client:
        client.python(SETUP, "im = make_rich()", "display = Gimp.Display.new(im)")
        image = client.eval("im.get_id()")
        # Getters only, so that looking adds no step
        look = "[(l.get_name(), l.get_opacity(), list(l.get_pixel(3, 3).get_rgba())) for l in im.get_layers()]"
        seen = client.call("call_api", api_path="exec", args=["pyGObject-eval", [look]])
        assert seen["effect"] == {"changed": False}, "reads open no undo group"
        windowed.press("Welcome to GIMP", "Escape")
        states = [client.eval(look)]
        steps = (
            lambda: client.python("Gimp.Selection.none(im)", "item('Background').edit_fill(Gimp.FillType.WHITE)", "item('Group').set_opacity(5)"),
            lambda: client.python("im.undo_group_start(); im.undo_group_start(); item('Hello').set_opacity(50); im.undo_freeze()"),
            lambda: client.python("im.flatten()"),
            lambda: client.call("undo", image=image),
            lambda: client.call("undo", image=image),
        )
        for step in steps:
            step()
            states.append(client.eval(look))
        assert states[4] == states[2] and states[5] == states[1]
        lost = 0
        for before, expected in zip(states[::-1], states[-2::-1]):
            windowed.press("Untitled", "ctrl+z")
            deadline = time.monotonic() + 30
            while (now := client.eval(look)) != expected:
                assert now == before, "one step brings the state before, and no other"
                if time.monotonic() > deadline:
                    # A loaded X server loses a key now and then; an empty step per call would need more of this
                    lost += 1
                    assert lost <= 1, "a step that changes nothing"
                    windowed.press("Untitled", "ctrl+z")
                    deadline = time.monotonic() + 60
    assert "CRITICAL" not in windowed.log()
    # In the instant between its label and its work a window may look for it; for as long as the work goes on none does
    looked_for = windowed.log().count("action which doesn't exist")
    assert looked_for < 20, "the steps' procedure is not for GIMP's windows"
