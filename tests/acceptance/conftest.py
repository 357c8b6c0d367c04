"""Each acceptance test runs on every GIMP named in GIMP_BRIDGE_TEST_GIMP (`3.0`, `3.2`, `all`)."""

import os
import warnings
from pathlib import Path

import pytest
import support
from screen import Screen

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


@pytest.fixture(scope="session")
def first_desk(version):
    screen = Screen(version)
    made = support.Bridge(version)
    # Of its own: the settings of whoever runs the tests are not read, nor written
    made.settings = Path(made.folder.name, "settings", "gimp-bridge.toml")
    made.settings.parent.mkdir()
    made.settings.touch()
    made.env.update(
        DISPLAY=screen.display,
        GIMP_BRIDGE_CONFIG=str(made.settings),
        GIMP_BRIDGE_STORAGE_PATH=os.path.join(made.folder.name, "store"),
    )
    try:
        made.start_gimp("--gui")
        yield made, screen
    finally:
        support.end_attendants(made)
        made.close()
        screen.close()


@pytest.fixture
def desk(first_desk):
    """A GIMP with windows on a screen of its own, without a daemon, for tests that close what they open."""
    made, screen = first_desk
    # GIMP 3.0.4 has ended, on a busy machine, after an image was closed while a filter worked on it
    if not made.answers():
        warnings.warn(f"GIMP ended in the test before; it was started again. It said last: {made.last_words()}", stacklevel=1)
        made.end_gimp()
        made.start_gimp("--gui")
    return made, screen
