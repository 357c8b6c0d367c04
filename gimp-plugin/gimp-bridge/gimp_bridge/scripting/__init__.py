"""Clients' Python code: compiled, judged, its output and values, what it may not do to the interpreter. Never GIMP.

May import: core.
"""
