"""The real daemon, without a GIMP, on a folder and on a real S3 server's bucket."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generate"))

from painter import Painter  # noqa: E402
from serving import S3, Daemon, Folder  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=5, help="how often a daemon that writes is killed")
    parser.addoption("--minutes", type=float, default=0.1, help="how long replicas sweep and delete at once")


@pytest.fixture
def painter():
    with Painter() as started:
        yield started


@pytest.fixture
def bucket(tmp_path):
    """An S3 server with a bucket."""
    started = S3(tmp_path)
    yield started
    started.stop()


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    """Both kinds of store in turn."""
    return Folder(tmp_path) if request.param == "file" else request.getfixturevalue("bucket")


@pytest.fixture
def daemon(tmp_path):
    """Starts daemons: `daemon(painter_url, NAME=VALUE, …)`; they end with the test."""
    started = []

    def start(painter_url, **environment):
        started.append(Daemon(tmp_path, painter_url, **environment))
        return started[-1]

    yield start
    for one in started:
        one.stop()
