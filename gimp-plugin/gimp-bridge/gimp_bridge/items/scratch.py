"""Images that an operation makes for itself, and that go with it whatever happens."""

import contextlib


@contextlib.contextmanager
def scratch(call, make):
    """The image that `make()` gives, until the block ends.

    A cancel that came between making it and noting it would leave it open for ever: it waits until the image is made.
    """
    with call.masked():
        image = make()
        try:
            image.undo_disable()
            with call.unmasked():
                yield image
        finally:
            if image.is_valid():
                image.delete()
