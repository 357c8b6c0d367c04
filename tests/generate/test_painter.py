"""The stand-in on its own, as `deploy/compose.yaml` starts it."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from painter import png
from serving import free_port, until


def test_it_paints_as_a_program(tmp_path):
    alone = tmp_path / "painter.py"  # with nothing beside it
    alone.write_bytes(Path(__file__).with_name("painter.py").read_bytes())
    port = free_port()
    process = subprocess.Popen([sys.executable, alone, "127.0.0.1", str(port)])
    instance = {"prompt": "a lake", "width": 64, "height": 48, "seed": 3}
    body = json.dumps({"instances": [instance]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models/painter:predict", body)
    answers = []

    def answered():
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                answers.append(json.loads(answer.read()))
        except ConnectionRefusedError:
            return False
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionRefusedError), error
            return False
        return True

    try:
        until(answered, "it answers", process)
    finally:
        process.kill()
        process.wait()
    assert base64.b64decode(answers[0]["predictions"][0]["image"]["b64"]) == png("a lake", 3, 64, 48)
