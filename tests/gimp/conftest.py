"""Fixtures for tests in a real GIMP: `gimp` (one per version and session), `client` (fresh for each test)."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Gimp  # noqa: E402

VERSIONS = ("3.0", "3.2")


def pytest_addoption(parser):
    parser.addoption(
        "--gimp",
        default=os.environ.get("GIMP_BRIDGE_TEST_GIMP", "all"),
        choices=("all", *VERSIONS),
        help="which GIMP to test in",
    )


def pytest_generate_tests(metafunc):
    if "gimp_version" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--gimp")
        metafunc.parametrize("gimp_version", VERSIONS if chosen == "all" else (chosen,), scope="session", indirect=True)


@pytest.fixture(scope="session")
def gimp_version(request):
    return request.param


@pytest.fixture(scope="session")
def gimp(gimp_version):
    """A running GIMP that all tests share: leave no image open."""
    with Gimp(gimp_version) as running:
        yield running


@pytest.fixture
def client(gimp):
    """A connection of its own. Images that the test left open are closed after it."""
    with gimp.client() as connected:
        yield connected
    with gimp.client("clean-up") as connected:
        connected.python("for i in Gimp.get_images(): i.delete()")
