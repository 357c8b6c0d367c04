"""Dockerfiles, compose file, unit, nginx block, and the names of settings in all of them."""

import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from painter import Painter, png
from support import BINARY, DEPLOY, free_port, until

DOCKERFILES = sorted(str(file.relative_to(DEPLOY)) for file in DEPLOY.rglob("*Dockerfile"))


def test_there_are_the_dockerfiles():
    assert DOCKERFILES == ["docker/Dockerfile", "docker/s3.Dockerfile", "kserve/runtime/Dockerfile"]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_dockerfiles_have_no_fault(file):
    told = subprocess.run([Path(sys.executable).with_name("hadolint"), DEPLOY / file], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout
    text = (DEPLOY / file).read_text()
    last = re.split(r"^FROM ", text, flags=re.M)[-1]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.M), "a number is what runAsNonRoot can check"
    # The comment's build commands name files that there are.
    for command in re.findall(r"docker build (.*)", text):
        given = re.search(r"-f (\S+)", command)
        place = given[1] if given else f"{command.split()[-1]}/Dockerfile"
        assert (DEPLOY.parent / place).is_file(), command


def test_the_program_knows_every_variable(settings):
    found = {}
    for file in DEPLOY.rglob("*"):
        if file.is_file() and file.suffix not in (".json", ".md", ".py"):
            for name in re.findall(r"\b(?:GIMP_BRIDGE|KSERVE|S3|STORAGE|IMAGE|AWS|LOG|SERVICE|MAX_IMAGE)_[A-Z0-9_]+\b", file.read_text()):
                found.setdefault(name, file)
    tokens = {name for name in found if name.startswith("GIMP_BRIDGE_TOKEN_")}
    unknown = {name: str(file) for name, file in found.items() if name not in settings | tokens}
    assert not unknown and len(found) > 20, unknown


def compose():
    done = subprocess.run(["docker-compose", "-f", DEPLOY / "compose.yaml", "config"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


def test_compose_is_understood_and_its_services_find_each_other():
    services = compose()
    server = services["server"]["environment"]
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        for there in service.get("depends_on", []):
            assert there in services
        for mount in service.get("volumes", []):
            source = mount["source"] if isinstance(mount, dict) else mount.split(":")[0]
            assert not source.startswith("/") or Path(source).is_file(), f"{name} mounts {source}"
    s3, painter = services["s3"]["command"], services["painter"]["command"]
    assert server["S3_ENDPOINT_URL"] == f"http://s3:{s3[1]}" and server["S3_BUCKET"] == s3[2]
    assert server["KSERVE_ENDPOINT"] == f"http://painter:{painter[-1]}/v1/models/painter"


def test_the_unit_is_one(tmp_path):
    unit = (DEPLOY / "systemd/gimp-bridge.service").read_text()
    program = re.search(r"^ExecStart=(\S+) serve$", unit, re.M)[1]
    assert program == "%h/.cargo/bin/gimp-bridge"
    file = tmp_path / "gimp-bridge.service"
    file.write_text(unit.replace(program, BINARY))
    told = subprocess.run(["systemd-analyze", "verify", "--user", "--man=no", file], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
    assert told.returncode == 0 and "gimp-bridge.service" not in told.stderr, told.stderr
    file.write_text(unit.replace(program, "/no/such/program"))
    told = subprocess.run(["systemd-analyze", "verify", "--user", "--man=no", file], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
    assert "/no/such/program" in told.stderr, "this check can fail"


@contextlib.contextmanager
def nginx(folder, replicas):
    port = free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    block = (DEPLOY / "nginx/mcp-image-server.conf").read_text()
    changes = [("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("images.example.org;", "localhost;"),
               ("/etc/ssl/images.example.org.pem", f"{folder}/cert.pem"), ("/etc/ssl/images.example.org.key", f"{folder}/key.pem")]
    changes += [(f"10.0.0.{11 + at}:8000", f"127.0.0.1:{replica.port}") for at, replica in enumerate(replicas)]
    for there, here in changes:
        assert there in block, there
        block = block.replace(there, here)
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
                                       f"events {{}}\nhttp {{ access_log off;\n{temporary}{block} }}\n")
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    arguments = ["-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    told = subprocess.run([program, "-t", *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    process = subprocess.Popen([program, *arguments])
    try:
        def up():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return True
        until(up, "nginx starts", process)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


def test_three_replicas_behind_nginx(daemon, tmp_path):
    with Painter() as painter:
        shared = {"KSERVE_ENDPOINT": painter.url, "STORAGE_PATH": str(tmp_path / "images"), "GIMP_BRIDGE_SERVER_API_KEY": "key-0123456789abcdef",
                  "GIMP_BRIDGE_SERVER_TRUSTED_PROXIES": "127.0.0.1"}
        replicas = [daemon(**shared).ready() for _ in range(3)]
        with nginx(tmp_path, replicas) as base:
            context = ssl.create_default_context(cafile=tmp_path / "cert.pem")

            def call(path, body=None, **headers):
                data = json.dumps(body).encode() if body is not None else None
                sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                        "Authorization": "Bearer key-0123456789abcdef", **headers}
                try:
                    answer = urllib.request.urlopen(urllib.request.Request(base + path, data, sent), timeout=60, context=context)
                except urllib.error.HTTPError as refused:
                    answer = refused
                with answer:
                    return answer.status, answer.headers, answer.read()

            status, _, text = call("/mcp/v1/tools/generate_image", {"prompt": "a lake", "width": 128, "height": 96, "seed": 3})
            made = json.loads(text)
            assert status == 200 and made["url"].startswith(base), made
            assert call(made["url"].removeprefix(base))[2] == png("a lake", 3, 128, 96)
            # A session of an old client stays with its replica.
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}
            status, headers, _ = call("/mcp", hello)
            assert status == 200
            session = {"Mcp-Session-Id": headers["Mcp-Session-Id"]}
            call("/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
            for id in range(2, 8):
                status, _, text = call("/mcp", {"jsonrpc": "2.0", "id": id, "method": "tools/list"}, **session)
                assert status == 200 and b"generate_image" in text
            assert call("/metrics")[0] == 404
            # One replica goes, and nobody notices: the others see the same store.
            replicas[0].end()
            for _ in range(6):
                assert call(made["url"].removeprefix(base))[0] == 200
            # More than the burst is refused before it costs a model anything.
            statuses = [call("/mcp/v1/tools/generate_image", {"prompt": ""})[0] for _ in range(40)]
            assert 429 in statuses and len(painter.requests) == 1, statuses
