"""Starts the real thing for the acceptance tests: a headless GIMP, the daemon, MCP clients. Ends what it started."""

import base64
import contextlib
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy
from mcp.client import Client
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gimp_profile import CACHE, know_plug_ins  # noqa: E402

Image.MAX_IMAGE_PIXELS = None
BIN = os.environ.get("GIMP_BRIDGE_BIN", "target/release/gimp-bridge")


SLOWER = 3  # than the machines that the tests were written on


def wait_for(what, condition, seconds):
    """Polls `condition` until it gives something true; raises with `what` after `seconds` of an idle machine."""
    seconds *= SLOWER
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds} s")


def wait_line(process, pattern, seconds):
    """Reads the process's stdout until a line matches; gives the match."""
    deadline = time.monotonic() + seconds
    seen = []
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 0.2)
        if ready:
            line = process.stdout.readline()
            if not line:
                process.wait(30)
                process.log.seek(0)
                raise RuntimeError(f"`{process.args}` ended with {process.returncode}: {seen} {process.log.read()}")
            seen.append(line)
            match = re.search(pattern, line)
            if match:
                return match
    raise TimeoutError(f"no line like `{pattern}` within {seconds} s: {seen}")


class Bridge:
    """One GIMP and one daemon with a state folder of their own."""

    def __init__(self, version):
        self.version = version
        self.folder = tempfile.TemporaryDirectory(prefix="gimp-bridge-acceptance-")
        self.processes = []
        self.env = {
            **os.environ,
            "GIMP_BRIDGE_STATE_DIR": os.path.join(self.folder.name, "state"),
            "GIMP_BRIDGE_GIMP_EXECUTABLE": gimp_executable(version),
            "ORT_DYLIB_PATH": onnx_runtime(),
        }
        self.url = None
        self.daemon = self.gimp = None

    def start(self, *command):
        log = open(os.path.join(self.folder.name, f"{command[0]}-{len(self.processes)}.log"), "w+")
        process = subprocess.Popen([BIN, *command], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                                   text=True, env=self.env, start_new_session=True)
        process.log = log
        self.processes.append(process)
        return process

    def start_gimp(self, mode="--headless"):
        """`gimp-bridge gimp`; gives the instance that it printed."""
        profile = Path(self.folder.name, f"profile-{len(self.processes)}")
        know_plug_ins(profile, self.version)
        self.gimp = self.start("gimp", mode, "--profile", profile)
        return json.loads(wait_line(self.gimp, r"^\{.*\}", 240).group(0))

    def answers(self):
        """Whether GIMP is there, and its plug-in too."""
        asked = subprocess.run([BIN, "call", "list_images", "{}"], env=self.env, capture_output=True, timeout=120)
        return self.gimp.poll() is None and asked.returncode == 0

    def last_words(self):
        """The end of what the GIMP that was started last has said, and its exit status."""
        with open(self.gimp.log.name, errors="replace") as log:
            return f"{log.read()[-2000:]} (exit status {self.gimp.poll()})"

    def end_gimp(self):
        if self.gimp.poll() is None:
            os.killpg(self.gimp.pid, signal.SIGKILL)
        self.gimp.wait(60)

    def start_daemon(self):
        self.daemon = self.start("serve", "--port", "0")
        self.url = wait_line(self.daemon, r"http://\S+/mcp", 60).group(0)
        return self.url

    def client(self, **options):
        return Client(self.url, **options)

    def health(self):
        with urllib.request.urlopen(self.url.replace("/mcp", "/health"), timeout=60) as answer:
            return json.load(answer)

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(60)
        for process in self.processes:
            process.stdout.close()
            process.log.close()
        self.folder.cleanup()


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


def gimp_executable(version):
    """The private root folder that scripts/setup-gimp made for this version."""
    return str(CACHE / f"gimp-{version}")


def onnx_runtime():
    """The library that the Rust tests of the filters fetched; they run before these."""
    found = sorted(CACHE.glob("onnxruntime/*/libonnxruntime.*"))
    return str(found[-1]) if found else ""


@contextlib.contextmanager
def bridge(version, daemon=True):
    made = Bridge(version)
    try:
        made.start_gimp()
        if daemon:
            made.start_daemon()
        yield made
    finally:
        made.close()


async def call(client, tool, _error=False, **arguments):
    """Calls a tool; gives its JSON, with the first picture's array under `picture`. A bitmap is exact unless it is asked
    otherwise."""
    if tool == "get_image_bitmap":
        arguments.setdefault("format", "png")
    result = await client.call_tool(tool, arguments)
    answer = answer_of(result)
    if bool(result.is_error) != _error:
        raise AssertionError(f"{tool}: is_error={result.is_error}: {answer or result.content}")
    for item in result.content:
        if item.type == "image":
            answer["encoded"] = base64.b64decode(item.data)
            answer["picture"] = decode(answer["encoded"])
            break
    return answer


def answer_of(result):
    """A result's JSON: the structured content, or the text before the pictures."""
    shows = any(item.type == "image" for item in result.content)
    return json.loads(result.content[0].text) if shows else dict(result.structured_content or {})


async def python(client, *lines, **arguments):
    """Runs Python in GIMP; gives the answer."""
    return await call(client, "call_api", api_path="exec", args=["pyGObject-console", list(lines)], **arguments)


async def value(client, expression, **arguments):
    """Evaluates a Python expression in GIMP; gives its value."""
    answer = await call(client, "call_api", api_path="exec", args=["pyGObject-eval", [expression]], **arguments)
    return answer["value"]


def decode(data):
    """Encoded picture to an array (height, width, channels)."""
    picture = Image.open(io.BytesIO(data))
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    array = numpy.asarray(picture)
    return array[:, :, None] if array.ndim == 2 else array


def memory(pid, field="VmRSS"):
    """Megabytes of a process: VmRSS now, VmHWM at its peak."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field + ":"))


def reset_peak(pid):
    """Starts VmHWM anew from what is resident now."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")
