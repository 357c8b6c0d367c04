"""The plug-in's own threads, told apart from those that client code starts. Never imports Gimp."""

import sys
import threading
import time


class OwnThread(threading.Thread):
    """Ends with the process; nothing that cleans up after client code touches it."""

    def __init__(self, target, name):
        super().__init__(target=target, name=f"gimp-bridge {name}", daemon=True)


def strangers():
    """Identifiers of the threads that are not the plug-in's own nor the main one."""
    while True:
        own = [thread for thread in threading.enumerate() if isinstance(thread, OwnThread)]
        if all(thread.ident is not None for thread in own):
            break
        time.sleep(0.001)  # one of ours begins just now, and cannot be told from another yet
    known = {thread.ident for thread in own} | {threading.main_thread().ident}
    found = set(sys._current_frames()) - known
    # One that began between the two looks is in the list by now
    return found - {thread.ident for thread in threading.enumerate() if isinstance(thread, OwnThread)}
