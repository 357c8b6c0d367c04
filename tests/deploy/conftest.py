"""Which of the tests run: those that take minutes only where an option asks for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "generate"), str(HERE.parents[1] / "deploy/kserve/runtime")]
SLOW = {"test_prometheus.py": "--prometheus", "test_images.py": "--images", "test_runtime.py": "--runtime"}


def pytest_addoption(parser):
    parser.addoption("--prometheus", action="store_true", help="ask Debian's Prometheus")
    parser.addoption("--images", action="store_true", help="build the images and run them")
    parser.addoption("--runtime", action="store_true", help="build the reference runtime's image and paint with a tiny model")


def pytest_ignore_collect(collection_path, config):
    option = SLOW.get(collection_path.name)
    return True if option and not config.getoption(option) else None


@pytest.fixture
def daemon(tmp_path):
    """Starts daemons with an environment; ends them."""
    started = []

    def start(**environment):
        from support import Daemon

        started.append(Daemon(tmp_path / f"daemon-{len(started)}", **environment))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture(scope="session")
def settings():
    """Every environment variable that the program knows."""
    import re

    told = subprocess.run([os.environ["GIMP_BRIDGE_BIN"], "config", "--reference"], capture_output=True, text=True, timeout=60, check=True)
    return set(re.findall(r"`([A-Z][A-Z0-9_]+)`", told.stdout))
