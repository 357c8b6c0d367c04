"""A Python value as JSON where it is JSON. Never imports Gimp."""

import math

MAX_DEPTH = 100  # the message round it has levels of its own
_INTEGERS = range(-(2**63), 2**64)  # what the daemon's JSON keeps exactly


class NotJson(Exception):
    """The value, or one in it, has no JSON form."""


def to_json(value, depth=MAX_DEPTH):
    """`value` with tuples as lists; exact types only, so that an enum or a numpy number is not taken for an int."""
    kind = type(value)
    if kind in (str, bool, type(None)):
        return value
    if kind is int and value in _INTEGERS:
        return value
    if kind is float and math.isfinite(value):
        return value
    if depth > 0 and (
        kind is list or isinstance(value, tuple)
    ):  # GIMP's functions with several results give a subclass
        return [to_json(item, depth - 1) for item in value]
    if depth > 0 and kind is dict and all(type(key) is str for key in value):
        return {key: to_json(item, depth - 1) for key, item in value.items()}
    raise NotJson
