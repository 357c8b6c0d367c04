"""A sign of life of work that is long because there is much to do, such as the proof of an image of thousands of layers.

What hangs is given up when nothing has moved for a while; what goes on from item to item does not hang. Never imports Gimp.
"""

import time

last = 0.0  # by time.monotonic()


def beat():
    """Main thread: something was done."""
    global last
    last = time.monotonic()
