"""The daemon's side of the plug-in: frames, authentication, connections, requests that wait, uploads. Never GIMP.

May import: core.
"""
