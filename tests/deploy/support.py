"""What the tests of deploy/ share: the checkout, a daemon, the chart's manifests."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import helm_python as helm
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/mcp-image-server"
BINARY = os.environ["GIMP_BRIDGE_BIN"]
MODES = ("local", "pvc", "s3")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, body=None, method=None, timeout=60, **headers):
    """Status and body, whatever the status."""
    data = json.dumps(body).encode() if body is not None else None
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def until(is_so, what, process=None, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert process is None or process.poll() is None, f"{what}: it ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def is_up(url):
    try:
        return ask(url, timeout=5)[0] == 200
    except OSError:
        return False


def generate(url, **parameters):
    status, text = ask(f"{url}/mcp/v1/tools/generate_image", {"prompt": "a lake", "width": 128, "height": 96, "seed": 3, **parameters}, timeout=300)
    return status, json.loads(text)


class Daemon:
    def __init__(self, folder, **environment):
        folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {"HOME": str(folder), "PATH": os.environ["PATH"], "PORT": str(self.port), "STORAGE_PATH": str(folder / "images"),
                 "GIMP_BRIDGE_STATE_DIR": str(folder / "state"), **environment}
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=given, cwd=folder, stdout=log, stderr=log)

    def ready(self):
        until(lambda: is_up(f"{self.url}/health"), "the daemon starts", self.process)
        return self

    def end(self):
        self.process.kill()
        self.process.wait()


def render(mode=None, **values):
    """The chart's manifests by file, with the values of a mode."""
    given = yaml.safe_load((CHART / f"values-{mode}.yaml").read_text()) if mode else {}
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render({**given, **values}, name="mcp-image-server", namespace="default")
    return {name.rsplit("/", 1)[1]: text.strip() + "\n" for name, text in sorted(files.items()) if text.strip() and not name.endswith("NOTES.txt")}


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]
