"""The images: built, small, run as their user with a read-only root, and asked for what they are for.

GIMP_BRIDGE_TEST_PROGRAM is the release build that goes into them.
"""

import contextlib
import io
import json
import os
import shutil
import time
from pathlib import Path

import boto3
import containers
import pytest
import yaml
from botocore.exceptions import BotoCoreError
from painter import Painter, png
from PIL import Image
from support import DEPLOY, ask, free_port, generate, is_up, until
from test_files import compose

PROGRAM = os.environ.get("GIMP_BRIDGE_TEST_PROGRAM")
KEY = "art-0123456789abcdef"


@pytest.fixture(scope="session")
def image():
    """Builds an image of a Dockerfile of deploy/docker/, once, and opens it. GIMP_BRIDGE_TEST_KEEP=1: the one that is there."""
    containers.make_base()
    place = containers.context(gimp_bridge=PROGRAM)
    opened = {}

    def build(tag, file, target=None):
        if tag not in opened:
            begun = time.monotonic()
            if not (os.environ.get("GIMP_BRIDGE_TEST_KEEP") and containers.has(f"localhost/{tag}")):
                where = "deploy/docker" if file == "s3.Dockerfile" else str(place)
                containers.build(f"deploy/docker/{file}", f"localhost/{tag}", context=where, target=target, PROGRAM="given")
            took = time.monotonic() - begun
            opened[tag] = containers.Container(f"localhost/{tag}")
            print(f"\n{tag}: built in {took:.0f} s, {opened[tag].megabytes()} MB")
        return opened[tag]

    yield build
    for one in opened.values():
        one.remove()
    shutil.rmtree(place)


@pytest.fixture
def server(image):
    return image("mcp-image-server", "Dockerfile")


def started(container, output, **environment):
    port = free_port()
    process = container.start(output=output, PORT=str(port), **environment)
    until(lambda: is_up(f"http://127.0.0.1:{port}/health"), "it starts", process, 120)
    return f"http://127.0.0.1:{port}", process


def test_the_server_as_docker_run_starts_it(server, tmp_path):
    """`docker run -p 8000:8000 -e KSERVE_ENDPOINT=… mcp-image-server`, read-only besides."""
    assert server.megabytes() < 60
    with Painter() as painter, (tmp_path / "log").open("wb") as log:
        url, process = started(server, log, KSERVE_ENDPOINT=painter.url)
        status, made = generate(url)
        assert status == 200 and made["url"].startswith(url), made
        assert ask(made["url"]) == (200, png("a lake", 3, 128, 96))
        told = json.loads(ask(f"{url}/health")[1])
        assert told["status"] == "ok" and told["service"] == "mcp-image-server" and told["gimp"]["state"] == "none"
        assert ask(f"{url}/metrics")[0] == 200
        # Who has no key may do nothing else.
        assert ask(f"{url}/images")[0] == 403 and ask(f"{url}/images/{made['image_id']}", method="DELETE")[0] == 403
        for method, params in [("open_image", {"path": "/etc/passwd"}), ("call_api", {"code": "1"}), ("list_images", {})]:
            answer = json.loads(ask(f"{url}/jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})[1])
            assert answer["result"]["error"]["kind"] == "forbidden", (method, answer)
        # No other user's, nothing writable but /tmp.
        assert owner(process) == 10001
        port = url.rsplit(":", 1)[1]
        assert server.healthy(PORT=port)
        begun = time.monotonic()
        assert server.stop(process) == 0 and time.monotonic() - begun < 30
        assert not server.healthy(PORT=port)


def owner(process):
    """The user of the program in the namespace that `unshare` made."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    status = Path(f"/proc/{child}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["CapEff"].strip("0") == "" and fields["NoNewPrivs"] == "1" and fields["Groups"].strip() == "", status
    (user,) = set(fields["Uid"].split())
    return int(user)


def test_the_server_holds_nothing_but_itself(server):
    files = [file for file in server.root.rglob("*") if file.is_file()]
    programs = {file.name for file in files if file.parent.name == "bin"}
    assert programs == {"gimp-bridge", "busybox"} and len(files) < 20, files
    assert not [file for file in files if file.stat().st_mode & 0o6000], "set-user-id programs"
    told = server.run(["/bin/busybox", "touch", "/usr/x"], status=1)
    assert "Read-only file system" in told


def test_https_backends_are_trusted_by_the_images_authorities(server):
    told = server.run(["/bin/busybox", "sh", "-c", 'busybox test "$(busybox grep -c BEGIN $SSL_CERT_FILE)" -gt 100 && busybox echo well'])
    assert told.strip() == "well"


@pytest.fixture
def s3(image):
    """Starts the image for trials as compose does, with a bucket; its address and a client."""
    container, started = image("s3-for-trials", "s3.Dockerfile"), []

    def start(bucket):
        port = free_port()
        command = compose()["s3"]["command"]
        started.append(container.start("127.0.0.1", str(port), *command[2:] if bucket == command[2] else [bucket]))
        url = f"http://127.0.0.1:{port}"
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")

        def there():
            with contextlib.suppress(BotoCoreError):
                return bucket in [one["Name"] for one in client.list_buckets()["Buckets"]]

        until(there, "the S3 server starts", started[-1], 120)
        return url, client

    yield start
    for process in started:
        assert container.stop(process) == 0


def names(client, bucket, prefix=""):
    return {one["Key"] for one in client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])}


def test_composes_services_together(server, s3, tmp_path):
    """compose.yaml's environment and commands, with addresses of this machine."""
    url, client = s3("image-generation")
    with Painter() as painter, (tmp_path / "log").open("wb") as log:
        environment = {**compose()["server"]["environment"], "S3_ENDPOINT_URL": url, "KSERVE_ENDPOINT": painter.url}
        here, _ = started(server, log, **environment)
        status, made = generate(here)
        assert status == 200, (made, (tmp_path / "log").read_text())
        assert ask(made["url"]) == (200, png("a lake", 3, 128, 96))
        assert names(client, "image-generation") == {f"mcp-server/{made['image_id']}.{kind}" for kind in ("png", "json")}
        # Another replica sees it; a bucket that is not there ends the start with what to set.
        other, _ = started(server, log, **environment)
        assert ask(f"{other}/images/{made['image_id']}")[0] == 200
        wrong = server.start(output=log, **{**environment, "PORT": str(free_port()), "S3_BUCKET": "no-such-bucket"})
        assert wrong.wait(30) == 2 and "S3_BUCKET" in (tmp_path / "log").read_text()


def test_the_job_filters_each_picture_once(image, s3):
    """The Job's own arguments, in as many runs as it has pods, over a bucket."""
    spec = yaml.safe_load((DEPLOY / "kubernetes/filters-job.yaml").read_text())["spec"]
    (pod,) = spec["template"]["spec"]["containers"]
    url, client = s3("photos")
    pictures = {}
    for at in range(12):
        file = io.BytesIO()
        Image.radial_gradient("L").resize((300, 200)).rotate(at * 15).convert("RGB").save(file, "JPEG", quality=10)
        pictures[f"summer/{at}.jpg" if at % 3 else f"{at}.jpg"] = file.getvalue()
    for name, data in pictures.items():
        client.put_object(Bucket="photos", Key=f"in/{name}", Body=data)
    filters = image("gimp-bridge-filters", "Dockerfile", target="filters")
    environment = {"S3_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    shares, seen = [], set()
    for index in range(spec["completions"]):
        arguments = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in pod["args"]]
        filters.run(filters.config["Entrypoint"] + arguments, **environment)
        shares.append(names(client, "photos", "out/") - seen)
        seen |= shares[-1]
    assert sorted(seen) == sorted(f"out/{name}" for name in pictures) and sum(map(bool, shares)) > 3, shares
    for name, data in pictures.items():
        before, after = Image.open(io.BytesIO(data)), Image.open(client.get_object(Bucket="photos", Key=f"out/{name}")["Body"])
        assert before.size == after.size and before.tobytes() != after.convert("RGB").tobytes()
    # A pod that is started again does nothing twice.
    told = filters.run(filters.config["Entrypoint"] + arguments, **environment)
    assert "left out" in told or not shares[-1], told


def test_gimp_without_windows(image, tmp_path):
    container = image("gimp-bridge-headless", "Dockerfile", target="gimp")
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.chown(folder, 10001, 10001)
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(folder / "in.png")
    with (tmp_path / "log").open("wb") as log:
        refused = container.start(output=log, PORT=str(free_port()))
        assert refused.wait(30) == 2 and "server.api_key" in (tmp_path / "log").read_text()
        port = free_port()
        process = container.start(output=log, PORT=str(port), GIMP_BRIDGE_SERVER_API_KEY=KEY, mounts={"/pictures": (folder, "rw")})
        url = f"http://127.0.0.1:{port}"

        def gimp():
            return json.loads(ask(f"{url}/health", X_API_Key=KEY)[1])["gimp"]["state"]

        until(lambda: is_up(f"{url}/health") and gimp() in ("connected", "idle"), "GIMP starts", process, 240)
        assert container.healthy(PORT=str(port))

        def call(method, **params):
            text = ask(f"{url}/jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, X_API_Key=KEY, timeout=120)[1]
            return json.loads(text)["result"]

        assert ask(f"{url}/jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": "list_images"})[0] == 401
        opened = call("open_image", path="/pictures/in.png")
        assert opened["success"], opened
        session = opened["session_id"]
        for told in (call("invert_colors", session_id=session), call("save_image", session_id=session, path="/pictures/out.png")):
            assert told["success"], told
        before, after = (Image.open(folder / name).convert("RGB") for name in ("in.png", "out.png"))
        assert all(abs(255 - a - b) <= 1 for a, b in zip(before.getpixel((150, 20)), after.getpixel((150, 20))))
        for method, params in [("call_api", {"code": "1"}), ("open_image", {"path": "/etc/hostname"})]:
            assert call(method, **params)["error"]["kind"] == "forbidden", method
        container.stop(process)
