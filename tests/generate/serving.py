"""What the tests of generated images share: the real daemon without a GIMP, and the S3 servers. GIMP_BRIDGE_BIN is the
binary; GIMP_BRIDGE_TEST_S3 is `moto` (the default; in this Python environment) or `s3s`, whose binary scripts/test-s3
builds and GIMP_BRIDGE_TEST_S3S names."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BINARY = os.environ.get("GIMP_BRIDGE_BIN") or str(Path(__file__).resolve().parents[2] / "target/debug/gimp-bridge")
BUCKET = "image-generation"
SECRET = {"AWS_ACCESS_KEY_ID": "test-id", "AWS_SECRET_ACCESS_KEY": "test-secret"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(is_so, what, process=None, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert process is None or process.poll() is None, f"{what}: it ended"
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        pass
    except OSError:
        return False
    return True


def clocked(shift):
    """The environment that sets a process's clock off, such as by `+30m`."""
    found = [path for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    assert found, "libfaketime is missing: apt-get install libfaketime"
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}


class Daemon:
    """`gimp-bridge serve` on a free port. A test's environment is not its own."""

    def __init__(self, folder, painter_url, **environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(folder)
        self.log = self.folder / f"daemon-{self.port}.log"
        self.given = {
            "HOME": str(folder), "PATH": os.environ["PATH"], "PORT": str(self.port), "KSERVE_ENDPOINT": painter_url,
            "STORAGE_PATH": str(self.folder / "images"),
            "GIMP_BRIDGE_STATE_DIR": str(self.folder / f"state-{self.port}"), **environment,
        }
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=self.given, stdout=subprocess.DEVNULL, stderr=log)
        return self

    def ready(self):
        until(lambda: self.process.poll() is not None or answers(self.url + "/health"), "the daemon starts")
        assert self.process.poll() is None, self.said()
        return self

    def ask(self, method, path, body=None, headers=(), limit=60):
        """Status, headers and bytes."""
        url = path if path.startswith("http") else self.url + path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **dict(headers)}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    @contextlib.contextmanager
    def asking(self, path, body, headers=()):
        """A POST whose caller hangs up at the end, unanswered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **dict(headers)})
            yield

    def get(self, path):
        """Status and bytes."""
        status, _, body = self.ask("GET", path)
        return status, body

    def json(self, path):
        return json.loads(self.get(path)[1])

    def generate(self, prompt, headers=(), **parameters):
        wanted = {"prompt": prompt, "width": 128, "height": 96, "seed": 3, **parameters}
        status, _, text = self.ask("POST", "/mcp/v1/tools/generate_image", wanted, headers)
        return status, json.loads(text)

    def metric(self, name):
        """The sum over all labels."""
        text = self.get("/metrics")[1].decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.M))

    def said(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.said()


class Server:
    """An S3 server with a bucket in it. `clock` sets its own off."""

    secret = SECRET
    no_bucket = "no-such-bucket"
    has_folders = False

    def __init__(self, folder, clock=None):
        self.folder, self.clock = Path(folder), clock
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        import boto3
        from botocore.config import Config

        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", config=Config(retries={"max_attempts": 1}),
            **botocore_names(SECRET),
        )
        try:
            self.make_bucket()
        except BaseException:
            self.stop()
            raise

    def start(self):
        command, environment = self.command()
        environment = {**os.environ, **environment, **(clocked(self.clock) if self.clock else {})}
        with open(self.folder / "s3.log", "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        until(lambda: answers(self.url), "the S3 server starts", self.process)

    def settings(self):
        """Environment of a daemon that keeps its images here."""
        return {"STORAGE_BACKEND": "s3", "S3_ENDPOINT_URL": self.url, **self.secret}

    def names(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return sorted(found["Key"].removeprefix("mcp-server/") for page in pages for found in page.get("Contents", []))

    def pause(self):
        """Takes connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Moto(Server):
    """Takes any signature; forgets everything when it ends."""

    checks_signatures = False

    def command(self):
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], {}

    def start(self):
        super().start()
        if hasattr(self, "client"):
            self.make_bucket()

    def make_bucket(self):
        self.client.create_bucket(Bucket=BUCKET)

    def later(self, shift):
        """The environment of a daemon that lives later; its objects are of now."""
        return clocked(shift)


class CheckedMoto(Moto):
    """Checks the signatures of requests, though not of links, nor their time."""

    def make_bucket(self):
        import boto3

        super().make_bucket()
        users = boto3.client("iam", endpoint_url=self.url, region_name="us-east-1", **botocore_names(SECRET))
        users.create_user(UserName="bridge")
        key = users.create_access_key(UserName="bridge")["AccessKey"]
        rule = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
        users.put_user_policy(UserName="bridge", PolicyName="all", PolicyDocument=policy)
        self.secret = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        # From now on nothing goes unsigned.
        plain = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(self.url + "/moto-api/reset-auth", b"0", plain)).close()


def botocore_names(secret):
    return {name.lower(): value for name, value in secret.items()}


class S3s(Server):
    """Checks signatures and their time; keeps its buckets in folders."""

    checks_signatures = True
    # It makes a bucket for the first object, if it takes the name.
    no_bucket = "No_Such_Bucket"
    has_folders = True

    @property
    def root(self):
        return self.folder / "s3-root"

    def command(self):
        self.root.mkdir(exist_ok=True)
        binary = os.environ["GIMP_BRIDGE_TEST_S3S"]
        keys = ["--access-key", SECRET["AWS_ACCESS_KEY_ID"], "--secret-key", SECRET["AWS_SECRET_ACCESS_KEY"]]
        return [binary, "--host", "127.0.0.1", "--port", str(self.port), *keys, str(self.root)], {"RUST_LOG": "warn"}

    def make_bucket(self):
        (self.root / BUCKET).mkdir(exist_ok=True)

    def names(self):
        """Of its files: when its clock is another, it takes no request of this process."""
        folder = self.root / BUCKET / "mcp-server"
        return sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.exists() else []

    def later(self, shift):
        # It takes no signature of another time than its own.
        self.stop()
        self.clock = shift
        self.start()
        return clocked(shift)


class Folder:
    """The other store, for tests of both."""

    def __init__(self, folder):
        self.root = Path(folder) / "images"

    def settings(self):
        return {"STORAGE_BACKEND": "file", "STORAGE_PATH": str(self.root)}

    def names(self):
        return sorted(path.name for path in self.root.iterdir()) if self.root.exists() else []

    def later(self, shift):
        return clocked(shift)

    def stop(self):
        pass


# The one that checks credentials, and the one for the rest.
CHECKED = {"moto": CheckedMoto, "s3s": S3s}[os.environ.get("GIMP_BRIDGE_TEST_S3") or "moto"]
S3 = {"moto": Moto, "s3s": S3s}[os.environ.get("GIMP_BRIDGE_TEST_S3") or "moto"]


@contextlib.contextmanager
def ended(*parts):
    """Stops what was started, whatever happens."""
    try:
        yield parts
    finally:
        for part in parts:
            part.stop()
