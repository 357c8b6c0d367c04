"""A virtual screen for a GIMP with windows: Xvfb, a small window manager, keys and pictures, all from the GIMP root folder."""

import os
import signal
import subprocess
import tempfile

from support import decode, gimp_executable, wait_for

SIZE = "1400x900x24"


class Screen:
    """Starts an X server on a free display; ends it and the window manager on close."""

    def __init__(self, version):
        self.root = gimp_executable(version)
        self.home = tempfile.TemporaryDirectory(prefix="gimp-bridge-screen-")
        self.display = None
        self.started = []
        read, write = os.pipe()
        server = self._start("Xvfb", "-displayfd", str(write), "-screen", "0", SIZE, "-nolisten", "tcp", "-noreset",
                             pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as numbers:
            self.display = f":{int(numbers.readline())}"
        if server.poll() is not None:
            raise RuntimeError("Xvfb ended at once")
        self._start("openbox")

    def _command(self, *command):
        binds = [part for folder in ("/tmp", self.home.name, os.getcwd()) for part in ("--bind", folder, folder)]
        display = ["--setenv", "DISPLAY", self.display] if self.display else []
        return ["bwrap", "--die-with-parent", "--bind", self.root, "/", "--dev", "/dev", "--proc", "/proc", *binds,
                "--setenv", "HOME", self.home.name, *display, *command]

    def _start(self, *command, **options):
        process = subprocess.Popen(self._command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True, **options)
        self.started.append(process)
        return process

    def run(self, *command):
        """Runs a tool on this display and gives what it printed."""
        return subprocess.run(self._command(*command), check=True, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=120).stdout

    def shot(self, path=None):
        """A picture of the whole screen, as an array; written to `path` too."""
        data = self.run("import", "-window", "root", "png:-")
        if path:
            with open(path, "wb") as file:
                file.write(data)
        return decode(data)[..., :3]

    def windows(self, title):
        """Ids of the visible windows whose title has this text."""
        try:
            return self.run("xdotool", "search", "--onlyvisible", "--name", title).decode().split()
        except subprocess.CalledProcessError:
            return []

    def wait_window(self, title, seconds=60):
        return wait_for(f"a window `{title}`", lambda: self.windows(title), seconds)[0]

    def focus(self, title, fill=False):
        """Gives the keyboard to the window with this text in its title; `fill` makes it as large as the screen."""
        def given():
            window = self.wait_window(title)
            try:
                if fill:
                    self.run("xdotool", "windowsize", "--sync", window, "100%", "100%", "windowmove", window, "0", "0")
                self.run("xdotool", "windowactivate", "--sync", window, "windowfocus", "--sync", window)
            except subprocess.CalledProcessError:
                return False  # it has just gone; another of this title comes
            return True

        wait_for(f"the keyboard in `{title}`", given, 60)

    def key(self, *keys):
        self.run("xdotool", "key", "--delay", "60", *keys)

    def dismiss(self, title, seconds=120):
        """Closes the windows of this title by Escape, one key at a time: more would go to the window behind."""
        def closed():
            for window in self.windows(title):
                try:
                    self.run("xdotool", "windowactivate", "--sync", window, "key", "Escape")
                    wait_for("its end", lambda: window not in self.windows(title), 5)
                except (subprocess.CalledProcessError, TimeoutError):  # it was gone, or not ready yet
                    return False
            return not self.windows(title)

        wait_for(f"the end of `{title}`", closed, seconds)

    def type(self, text):
        self.run("xdotool", "type", "--delay", "30", text)

    def close(self):
        for process in reversed(self.started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(60)
        self.home.cleanup()
