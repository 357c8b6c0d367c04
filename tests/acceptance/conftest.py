"""Each acceptance test runs on every GIMP named in GIMP_BRIDGE_TEST_GIMP (`3.0`, `3.2`, `all`)."""

import os

import pytest
import support

CHOSEN = os.environ.get("GIMP_BRIDGE_TEST_GIMP", "all")
VERSIONS = ["3.0", "3.2"] if CHOSEN == "all" else [CHOSEN]


@pytest.fixture(scope="session", params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(scope="session")
def shared(version):
    """One GIMP and daemon for the tests that leave them as they found them."""
    with support.bridge(version) as made:
        yield made


@pytest.fixture
def own(version):
    """A GIMP and daemon for one test that breaks them."""
    with support.bridge(version) as made:
        yield made
