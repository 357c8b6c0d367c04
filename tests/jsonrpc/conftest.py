"""The JSON-RPC API against the real daemon and a real GIMP, each test file with its own pair."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
os.environ.setdefault("GIMP_BRIDGE_BIN", str(Path(__file__).resolve().parents[2] / "target" / "debug" / "gimp-bridge"))

import api  # noqa: E402

CHOSEN = os.environ.get("GIMP_BRIDGE_TEST_GIMP", "3.0")
VERSIONS = ["3.0", "3.2"] if CHOSEN == "all" else [CHOSEN]


def pytest_addoption(parser):
    parser.addoption("--seconds", type=float, default=20, help="how long the parallel clients work")
    parser.addoption("--fuzz", type=int, default=300, help="how many random requests the fuzzer sends")


@pytest.fixture(scope="session", params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(scope="module")
def server(version):
    """A daemon and a GIMP that the tests of a file share; no session is left when a file ends."""
    with api.Server(version) as made:
        yield made


@pytest.fixture
def own(version):
    """A daemon and a GIMP for one test that ends them."""
    with api.Server(version) as made:
        yield made
