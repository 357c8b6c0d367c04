"""File names from clients: which are allowed, and which file is really meant. Never imports Gimp."""

import os

from gimp_bridge.core.errors import OperationError
from gimp_bridge.formats import table as formats
from gimp_bridge.policy import references


PICTURE, DATA = "picture", "data"


def check_path(path, write, settings, use=PICTURE):
    """The absolute path that `path` means, if the policy allows it.

    Symbolic links are resolved before the policy is asked, so that a link inside an allowed folder cannot lead out
    of it. The file itself may be absent when `write` is true, its folder may not.

    `use` matters where a policy binds (`settings.bound`). For reading: PICTURE for what GIMP opens, which is held to
    what it refers to, or DATA for what is only read as bytes. For writing: PICTURE, or the endings that the format has;
    another ending is refused, so that a client's pixels or texts become no script and no setting.
    """
    real = _allowed(path, settings)
    if write and settings.read_only:
        raise _read_only(path)
    if write:
        _check_target(path, real)
        if settings.bound:
            _check_written(path, real, settings, use)
    else:
        _check_source(path, real)
        if settings.bound and use == PICTURE:
            _check_references(real, real, path, settings)
    return real


def check_bytes(path, name, settings):
    """The same for uploaded bytes that lie in the file `path` and will be opened under `name`."""
    if settings.bound:
        _check_references(path, name, "the given bytes", settings, base=None)


def _check_references(real, name, shown, settings, **more):
    def follow(path, depth):
        target = _allowed(path, settings)
        _check_source(path, target)
        references.check(target, target, path, follow, depth)

    references.check(real, name, shown, follow, **more)


def still_there(real):
    """Raises if the folder of the checked path `real` has become a link to elsewhere since."""
    folder = os.path.dirname(real)
    if os.path.realpath(folder) != folder:
        raise OperationError("forbidden", f"the folder `{folder}` became a link to another one meanwhile", "try again")


def _check_written(path, real, settings, use):
    """What is written is a picture, under the name of one, and not among the programs' own files."""
    name = os.path.basename(real).lower()
    stem, ending = os.path.splitext(name)
    wanted = sorted(formats.ENDINGS if use == PICTURE else use)
    packed = ending in (".gz", ".bz2", ".xz") and ending[1:] in wanted
    if packed:
        ending, wanted = os.path.splitext(stem)[1], sorted(formats.ENDINGS)
    if ending[1:] not in wanted:
        shown = ", ".join(f".{each}" for each in wanted[:12]) + (" or another picture's" if len(wanted) > 12 else "")
        raise OperationError(
            "forbidden",
            f"`{path}` is not written: {settings.binding()}, and then a file has the ending of its format, {shown}",
            "change the ending of the name",
        )
    for folder in settings.private:
        if _inside(real, os.path.realpath(folder)):
            raise OperationError(
                "forbidden", f"`{path}` is not written: `{folder}` holds settings and programs", "use another folder"
            )
    if os.path.exists(real) and os.stat(real).st_nlink > 1:
        raise OperationError(
            "forbidden", f"`{path}` is not written: the file has other names (hard links) elsewhere", "use another name"
        )


def check_folder(path, write, settings):
    """The same for a folder that is there; with `write`, one that files may be put into."""
    real = _allowed(path, settings)
    if write and settings.read_only:
        raise _read_only(path)
    if not os.path.isdir(real):
        what = "is no folder" if os.path.exists(real) else "does not exist"
        raise OperationError("not_found", f"the folder `{path}` {what}", "name one on the machine where GIMP runs", path=real)
    if not os.access(real, os.X_OK | (os.W_OK if write else os.R_OK)):
        verb = "written" if write else "read"
        raise OperationError(
            "io_error", f"the folder `{path}` cannot be {verb}: permission denied", "choose another folder"
        )
    return real


def _read_only(path):
    return OperationError(
        "forbidden", f"`{path}` is not written: this GIMP is read-only", "change the policy `read_only`"
    )


def _allowed(path, settings):
    """The absolute path without links, if it is in an allowed folder."""
    if "\0" in path:
        raise OperationError("invalid_argument", "the path has a NUL character")
    full = os.path.expanduser(path)
    if not os.path.isabs(full):
        raise OperationError(
            "invalid_argument",
            f"path `{path}` is relative",
            "give an absolute path, or one that starts with ~, on the machine where GIMP runs",
        )
    real = os.path.realpath(full)
    if settings.folders is not None:
        allowed = [os.path.realpath(os.path.expanduser(folder)) for folder in settings.folders]
        if not any(_inside(real, folder) for folder in allowed):
            raise OperationError(
                "forbidden",
                f"path `{path}` is outside the allowed folders",
                "use one of the allowed folders" if allowed else "file access is switched off",
                folders=list(settings.folders),
            )
    return real


def _inside(path, folder):
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # other drives on Windows
        return False


def _check_source(path, real):
    if not os.path.exists(real):
        folder = os.path.dirname(real)
        hint = "check the name" if os.path.isdir(folder) else f"the folder `{folder}` does not exist either"
        raise OperationError("not_found", f"no file `{path}`", hint, path=real)
    if not os.path.isfile(real):
        raise OperationError(
            "invalid_argument", f"`{path}` is a folder or a device, not a file", "name a file", path=real
        )
    if not os.access(real, os.R_OK):
        raise OperationError(
            "io_error", f"file `{path}` cannot be read: permission denied", "give GIMP's user the right to read it"
        )


def _check_target(path, real):
    folder = os.path.dirname(real)
    if os.path.isdir(real):
        raise OperationError("invalid_argument", f"`{path}` is a folder", "name a file in it", path=real)
    if os.path.exists(real) and not os.path.isfile(real):
        raise OperationError("invalid_argument", f"`{path}` is a device, not a file", "name a file", path=real)
    if not os.path.isdir(folder):
        raise OperationError(
            "not_found", f"the folder `{folder}` does not exist", "create it first, or choose another", path=folder
        )
    if not os.access(folder, os.W_OK):
        raise OperationError(
            "io_error", f"the folder `{folder}` cannot be written: permission denied", "choose another folder"
        )
