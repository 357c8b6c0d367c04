"""The real daemon without a GIMP, asked as strangers and programs ask it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from painter import Painter  # noqa: E402
from serving import Daemon  # noqa: E402


@pytest.fixture
def painter():
    with Painter() as started:
        yield started


@pytest.fixture
def daemon(tmp_path):
    """Starts daemons: `daemon(painter_url, NAME=VALUE, …)`; they end with the test."""
    started = []

    def start(painter_url, **environment):
        started.append(Daemon(tmp_path, painter_url, **environment))
        return started[-1].ready()

    yield start
    for one in started:
        one.stop()
