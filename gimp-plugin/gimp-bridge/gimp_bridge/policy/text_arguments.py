"""Text arguments of procedures that name files or operations, held to the policy. Never imports Gimp."""

import urllib.parse

from gimp_bridge.core.errors import OperationError
from gimp_bridge.policy import file_paths, rules

_SAFE_NAME = 100


def text_argument(settings, procedure, name, value):
    """A text argument that names a file, made safe: a whole path in place of a URI, a plain name, an operation."""
    use = rules.arguments(procedure).get(name)
    if use is None or not isinstance(value, str) or not value:
        return value
    if "write" in use and name == "uri":
        local = urllib.parse.unquote(urllib.parse.urlsplit(value).path) if value.startswith("file://") else value
        if "://" in local[:20]:
            raise OperationError("forbidden", f"`{value[:200]}` is not a local file", "give a path")
        real = file_paths.check_path(local, True, settings, use["write"])
        return "file://" + urllib.parse.quote(real)
    if settings.bound and "name" in use:
        _check_name(value)
    if "gegl" in use:
        rules.check_operation(settings, value)
    return value


def _check_name(value):
    """A name that GIMP's scripts put into a path: it must stay a name."""
    if len(value) > _SAFE_NAME or value.startswith(".") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in value):
        raise OperationError(
            "forbidden",
            f"`{value[:100]}` is no plain name, and it becomes part of a file's name",
            f"give at most {_SAFE_NAME} letters, digits, spaces, `-` and `_`",
        )
