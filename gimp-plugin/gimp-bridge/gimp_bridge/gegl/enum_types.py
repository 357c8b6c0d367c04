"""The values of enum types by their nicks: of procedures' arguments and of operations' properties."""

from gi.repository import Gegl, Gimp

from gimp_bridge.core.errors import OperationError


def enum_values(kind):
    """{nick: value} of an enum type, in GIMP's order. 3.0 has a table on the class, 3.2 has Python enums."""
    python = enum_class(kind)
    table = getattr(python, "__enum_values__", None)
    if table is not None:
        return {member.value_nick: member for _, member in sorted(table.items())}
    return {member.name.lower().replace("_", "-"): member for member in python}


def enum_class(kind):
    """The Python class; PyGObject knows it by the type only once it was asked for by name."""
    for module, prefix in ((Gimp, "Gimp"), (Gegl, "Gegl")):
        if kind.name.startswith(prefix) and hasattr(module, kind.name.removeprefix(prefix)):
            return getattr(module, kind.name.removeprefix(prefix))
    if kind.pytype is None:
        raise OperationError(
            "unsupported", f"an argument of type {kind.name} cannot be given as JSON", "use exec for this procedure"
        )
    return kind.pytype
