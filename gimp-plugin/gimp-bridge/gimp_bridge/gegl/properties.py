"""Properties of GEGL operations: the choices of one, and those of a filter carried to an operation in a graph."""

import difflib

from gi.repository import Gegl, Gimp, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl.enum_types import enum_values


def carry(config, node, operation):
    """Sets on a node what a filter's config of the same operation has."""
    own = {spec.name: spec for spec in Gegl.Operation.list_properties(operation)}
    for spec in config.list_properties():
        wanted, value = own.get(spec.name), config.get_property(spec.name)
        if wanted is None or value is None:
            continue
        if isinstance(value, str) and wanted.value_type.is_a(GObject.TYPE_ENUM):
            value = member(wanted, value, operation)
        node.set_property(wanted.name, value)


def member(spec, value, operation):
    members = enum_members(spec)
    nick = str(value).replace("_", "-").lower()
    for candidate, member in members.items():
        if nick == candidate.lower():
            return int(member)
    near = difflib.get_close_matches(nick, members, 1, 0.4)
    raise OperationError(
        "invalid_argument",
        f"`{operation}`: `{spec.name}`: `{str(value)[:100]}` is not one of {', '.join(members)}",
        f"did you mean `{near[0]}`?" if near else None,
    )


def choices_of(spec):
    if type(spec).__name__ == "ParamChoice":
        return list(Gimp.param_spec_choice_get_choice(spec).list_nicks())
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return list(enum_members(spec))
    return None


def enum_members(spec):
    """{nick: member} of an enum property."""
    kind = spec.value_type
    if kind.name not in _enums:
        known = any(kind.name.startswith(prefix) and hasattr(module, kind.name.removeprefix(prefix))
                    for prefix, module in (("Gimp", Gimp), ("Gegl", Gegl)))
        if known:
            _enums[kind.name] = enum_values(kind)
        else:
            # An operation's own enum is known through the spec alone. PyGObject hands its class out without a
            # reference of ours, so that asking twice frees what is in use: it is asked once, and kept for ever.
            python = spec.enum_class
            _enums[kind.name] = _table(python)
            _kept.append(python)
    return _enums[kind.name]


def _table(python):
    """{nick: value} of an enum's class: a Python class, or GObject's own (PyGObject of GIMP 3.0)."""
    if hasattr(python, "__enum_values__"):
        return {member.value_nick: member for _, member in sorted(python.__enum_values__.items())}
    found = (GObject.enum_get_value(python, value) for value in range(python.minimum, python.maximum + 1))
    return {each.value_nick: each.value for each in found if each is not None}


_enums, _kept = {}, []
