"""What docs/generation.md tells a reader to do, done."""

import io
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from PIL import Image
from serving import BINARY, Daemon, free_port

DOC = (Path(__file__).resolve().parents[2] / "docs/generation.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)


def test_the_commands_make_images(daemon, painter, tmp_path):
    """With other ports: the doc's are those that others may have."""
    serve, ask = [re.sub(r"\\\n", "", block).strip() for block in blocks("sh")]
    assignment, program, command = shlex.split(serve)
    assert (assignment.partition("=")[0], program, command) == ("KSERVE_ENDPOINT", "gimp-bridge", "serve")
    one = daemon(painter.url)
    ask = shlex.split(ask.replace("http://127.0.0.1:8000", one.url))
    answer = json.loads(subprocess.run(ask, check=True, capture_output=True, timeout=60).stdout)
    shown = json.loads(re.sub(r",? *…", "", blocks("json")[0]))
    assert answer["success"] and answer.keys() >= shown.keys() and answer["metadata"].keys() >= shown["metadata"].keys(), answer
    assert Image.open(io.BytesIO(one.ask("GET", answer["url"])[2])).size == (768, 512)

    (shell,) = re.findall(r"`(gimp-bridge generate .*?)`", DOC)
    program, *arguments = shlex.split(shell)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "KSERVE_ENDPOINT": painter.url, "STORAGE_PATH": str(tmp_path / "own")}
    subprocess.run([BINARY, *arguments], check=True, capture_output=True, timeout=60, cwd=tmp_path, env=environment)
    assert Image.open(tmp_path / "lake.png").size == (512, 512)


def test_the_declarations_are_understood(tmp_path):
    (declared,) = blocks("toml")
    (tmp_path / "backends.toml").write_text(declared)
    for name in re.findall(r'_?workflow = "(.*?)"', declared):
        words = ["prompt", "negative_prompt", "width", "height", "steps", "guidance_scale", "seed", "model", "image", "strength", "mask"]
        (tmp_path / name).write_text(json.dumps({"1": {"class_type": "Any", "inputs": {word: f"{{{{{word}}}}}" for word in words}}}))
    given = {"GIMP_BRIDGE_GENERATE_BACKENDS": str(tmp_path / "backends.toml"), "GIMP_BRIDGE_GIMP_MODE": "none"}
    one = Daemon(tmp_path, f"http://127.0.0.1:{free_port()}", **given).ready()
    try:
        call = {"jsonrpc": "2.0", "id": 1, "method": "list_generation_backends", "params": {}}
        told = json.loads(one.ask("POST", "/jsonrpc", call)[2])["result"]["result"]["backends"]
    finally:
        one.stop()
    can = {backend["name"]: (backend["kind"], backend["can"]["image_to_image"], backend["can"]["masks"]) for backend in told}
    assert can["home"] == ("a1111", True, True) and can["flow"] == ("comfyui", True, True) and can["cluster"] == ("kserve-v1", True, True), can
    home = next(backend for backend in told if backend["name"] == "home")
    assert home["limits"]["width"] == [256, 1024] and home["limits"]["multiple_of"] == 8, home["limits"]
