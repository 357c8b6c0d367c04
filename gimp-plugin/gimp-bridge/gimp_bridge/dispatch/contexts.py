"""Each client's own GIMP context (colours, brush, …), for code that sets it in one call and uses it in a later one.

The plug-in shares one context with GIMP's user. The client that touched it last is its owner; when another client that
touches or finds it runs, the owner's values are kept and the other's put in place, or those from before any client.
A client that is alone works on the user's own context, as GIMP's scripts do.
"""

import weakref

from gi.repository import Gegl, Gimp

_saved = weakref.WeakKeyDictionary()  # client → its values while it is not the owner
_owner = None  # a weak reference
_before = None  # the values before any client changed them
_names = []

# Their setters take other arguments than their getters give, or change what others set: brush and method go first
_FIRST = ("paint_method", "brush", "dynamics_name", "stroke_method", "line_width_unit")
_SPREAD = {"feather_radius": slice(1, 3)}
_LEFT_OUT = {"mypaint_brush", "sample_threshold_int", "line_dash_pattern"}


def enter(client, text):
    """Before code or a procedure of `client` runs; `text` is its source or name."""
    global _owner, _before
    if _owner is None and "context" not in text:
        return
    owner = _owner() if _owner is not None else None
    if owner is client:
        return
    if _owner is None:
        _before = _read()
    elif owner is not None:
        _saved[owner] = _read()
    wanted = _saved.get(client, _before)
    if wanted is not None:
        _write(wanted)
    _owner = weakref.ref(client)


def way_back():
    """A function that sets the context to what it is now."""
    values, dynamics = _read(), Gimp.context_are_dynamics_enabled()

    def put_back():
        _write(values)
        Gimp.context_enable_dynamics(dynamics)

    return put_back


def _read():
    if not _names:
        pairs = {n.removeprefix("context_get_") for n in dir(Gimp) if n.startswith("context_get_")}
        pairs &= {n.removeprefix("context_set_") for n in dir(Gimp) if n.startswith("context_set_")}
        _names.extend(sorted(pairs - _LEFT_OUT, key=lambda n: (n not in _FIRST, n)))
    return {name: _plain(name, getattr(Gimp, f"context_get_{name}")()) for name in _names}


def _plain(name, value):
    return tuple(value)[_SPREAD[name]] if name in _SPREAD else value


def _write(values):
    now = _read()
    for name, value in values.items():
        if value is not None and not _same(value, now[name]):
            getattr(Gimp, f"context_set_{name}")(*(value if name in _SPREAD else (value,)))


def _same(one, other):
    if isinstance(one, Gegl.Color) and isinstance(other, Gegl.Color):
        return tuple(one.get_rgba()) == tuple(other.get_rgba())
    return one == other
