"""What clients may run under a policy: protocol/procedures.json and protocol/gegl.json. Never imports Gimp.

Both tables name what is allowed. What they do not name, such as another plug-in's procedure, is refused as soon as a
policy binds this caller (`Settings.bound`); without a policy it runs.
"""

import functools
import json
import os

from gimp_bridge.core.errors import OperationError
from gimp_bridge.core.folders import PROTOCOL_DIR
from gimp_bridge.formats import table as formats

_ALLOWED = ("read", "image")
_WHY = {
    "settings": "reads or changes GIMP's own settings",
    "program": "starts another program",
    "code": "runs code",
    "interactive": "waits for a person",
    "elsewhere": "reaches files that its arguments do not name",
}


@functools.lru_cache(maxsize=None)
def _table(name):
    with open(os.path.join(PROTOCOL_DIR, name), encoding="utf-8") as file:
        return json.load(file)


@functools.lru_cache(maxsize=None)
def _classes():
    """{procedure: class}; `files` for those that are given files."""
    table = _table("procedures.json")
    found = {name: kind for kind, row in table["classes"].items() for name in row["procedures"]}
    return {**found, **dict.fromkeys(table["files"], "files")}


def class_of(procedure):
    """The class of a procedure, or None for one that the table does not know."""
    return _classes().get(procedure)


def arguments(procedure):
    """{argument: how it is used} of the arguments that name files, for a procedure that the table knows."""
    return _table("procedures.json")["files"].get(procedure, {})


def endings(format_name):
    """The endings that a file of this format may have, without a dot; none for a format that is not written."""
    if format_name in formats.FORMATS:
        return tuple(formats.FORMATS[format_name][1])
    use = arguments(f"file-{formats.export_stem(format_name)}-export").get("file", {}).get("write", ())
    return tuple(use) if isinstance(use, list) else ()


def refusal(settings, procedure):
    """(why, what instead) for a procedure that the policy forbids, else None."""
    if not settings.bound:
        return None
    kind = class_of(procedure)
    if kind in _ALLOWED or kind == "files":
        return None
    why = _WHY.get(kind, "is not in the table of procedures that a policy allows")
    return f"it {why}, and {settings.binding()}", "use an operation of the bridge, or ask GIMP's user to loosen the policy"


def check_operation(settings, operation):
    """Refuses a GEGL operation that the table does not know, where a policy binds."""
    if settings.bound and operation not in _gegl():
        raise OperationError(
            "forbidden",
            f"`{operation[:100]}` is not in the table of GEGL operations that a policy allows, and {settings.binding()}",
            "use another operation; list_gegl_operations shows what there is",
        )


@functools.lru_cache(maxsize=None)
def _gegl():
    return frozenset(_table("gegl.json")["operations"])


def is_file_property(operation, name):
    """Whether this text property of a GEGL operation names a file."""
    return name in _table("gegl.json")["files"].get(operation, ())


def is_text_property(operation, name):
    """Whether this property of a GEGL operation is known to be text and nothing else."""
    return name in _table("gegl.json")["texts"].get(operation, ())


def file_properties():
    """Names of all properties that name files, whatever operation they belong to."""
    return {name for names in _table("gegl.json")["files"].values() for name in names}


def knows_operation(operation):
    return operation in _gegl()
