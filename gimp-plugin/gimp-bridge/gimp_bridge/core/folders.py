"""Where the plug-in's own files are. Never imports Gimp."""

import os

PLUGIN_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTOCOL_DIR = os.path.join(PLUGIN_DIR, "protocol")
if not os.path.isdir(PROTOCOL_DIR):  # a checkout: the folder is copied beside us only when the plug-in is installed
    PROTOCOL_DIR = os.path.normpath(os.path.join(PLUGIN_DIR, "..", "..", "protocol"))


def is_own(path):
    """Whether this file of code is the plug-in's."""
    return path.startswith(_INSIDE)


_INSIDE = PLUGIN_DIR + os.sep
