"""Starts a real headless GIMP with the plug-in in a temporary home, and ends it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from client import ROOT, CallError, Client
from gimp_profile import know_plug_ins

START_SECONDS = 180  # two of them start at once, beside other work
STOP_SECONDS = 15
# Without the program under test: a plug-in that finds it would start a daemon on its own.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "GIMP_BRIDGE_BIN"}
HEADLESS = {"BABL_PATH_LENGTH": "1", "BABL_LUT": "0"}  # as src/gimp/launch/spawn.rs starts one


class Gimp:
    """A GIMP of `version` ("3.0" or "3.2"). `settings` goes into plugin.json, `environment` to GIMP.

    `home` may be given to start again in the same one. Output of GIMP is in `home/gimp.log`.
    """

    def __init__(self, version, settings=None, environment=None, home=None, wait=True, plug_ins=()):
        self.version = version
        self._own_home = home is None
        self.home = Path(home or tempfile.mkdtemp(prefix=f"gimp-bridge-test-{version}-"))
        self.state_dir = self.home / ".local" / "state" / "gimp-bridge"
        self.profile = self.home / ".config" / "GIMP" / version
        self.log_path = self.home / "gimp.log"
        self.instance = None
        if not self.profile.exists():
            know_plug_ins(self.profile, version)
        install_plugin(self.profile / "plug-ins" / "gimp-bridge")
        for folder in plug_ins:  # of tests/gimp/plug_ins
            shutil.copytree(ROOT / "tests" / "gimp" / "plug_ins" / folder, self.profile / "plug-ins" / folder, dirs_exist_ok=True)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        (self.state_dir / "plugin.json").write_text(json.dumps({"port": 0, **(settings or {})}))
        command = [str(ROOT / "scripts" / "in-gimp-root"), version, str(self.home), "gimp-console", "-i", "--no-splash"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**ENVIRONMENT, **HEADLESS, **(environment or {})},
            )
        if wait:
            self.wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_ready(self, other_than=None, seconds=START_SECONDS):
        """Waits for the instance file (of another plug-in process than `other_than`)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for path in (self.state_dir / "instances").glob("[0-9]*.json"):
                try:
                    instance = json.loads(path.read_text())
                except FileNotFoundError:
                    continue
                if instance["pid"] != other_than:
                    self.instance = instance
                    return instance
            assert self.process.poll() is None, f"GIMP ended with {self.process.returncode}:\n{self.log()}"
            time.sleep(0.05)
        raise AssertionError(f"no instance file within {seconds} s:\n{self.log()}")

    @property
    def port(self):
        return self.instance["port"]

    @property
    def secret(self):
        return bytes.fromhex((self.state_dir / "secret").read_text().strip())

    def client(self, name="test", **options):
        """A connected Client; also of a plug-in that was started again in this GIMP since."""
        try:
            return Client(self.port, self.secret, name, **options)
        except ConnectionRefusedError:
            if self.process.poll() is not None:
                raise
            self.wait_ready(other_than=self.instance["pid"], seconds=90)
            return Client(self.port, self.secret, name, **options)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, text, begin=0, seconds=60):
        """Waits until GIMP has written `text`, `begin` characters into its log or later."""
        deadline = time.monotonic() + seconds
        while text not in (said := self.log()[begin:]):
            assert time.monotonic() < deadline, f"no `{text}` within {seconds} s:\n{said}"
            time.sleep(0.05)

    def kill(self):
        """As a crash would: GIMP itself, at once."""
        os.kill(self.instance["gimp_pid"], signal.SIGKILL)
        self.process.wait(60)

    def stop(self):
        """Asks GIMP to quit; kills it when it does not. Removes the home."""
        if self.process.poll() is None:
            try:
                with self.client("harness", timeout=STOP_SECONDS) as client:
                    client.python(
                        "pdb = Gimp.get_pdb()",
                        "p = pdb.lookup_procedure('gimp-quit'); c = p.create_config()",
                        "c.set_property('force', True); p.run(c)",
                        timeout=5,
                    )
            except CallError:  # a policy forbids code
                self.kill()
            except Exception:  # whatever the state of the plug-in is: GIMP has to end
                pass
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._own_home:
            shutil.rmtree(self.home, ignore_errors=True)


def install_plugin(folder):
    """Copies the plug-in and the protocol folder as the installer does."""
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "vectors")
    shutil.copytree(ROOT / "gimp-plugin" / "gimp-bridge", folder, ignore=ignore)
    shutil.copytree(ROOT / "protocol", folder / "protocol", ignore=ignore)
    (folder / "gimp-bridge.py").chmod(0o755)
