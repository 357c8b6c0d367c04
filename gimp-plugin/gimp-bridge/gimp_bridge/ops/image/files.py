"""open_file and write_file: images from and to files, and bytes that travel.

A file is written beside its target, checked, and then takes the target's name, so that a failed export loses nothing.
"""

import contextlib
import os
import secrets
import shutil
import tempfile

from gi.repository import Gimp, Gio

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.files import export, loading
from gimp_bridge.files.writing import write
from gimp_bridge.formats import table as formats
from gimp_bridge.images import display
from gimp_bridge.items import lookup
from gimp_bridge.ops.image.image import brief
from gimp_bridge.policy import file_paths, rules
from gimp_bridge.undo.transaction import blank

CHUNK = 1 << 20
SCARCE = 200_000_000  # bytes free below which a failed write may be the disk's fault


# --- open ---


def _plan_open(call, **arguments):
    if arguments.get("as") != "layer":
        return Plan(changes=True, images=[])
    call.prepared = call.image or lookup.resolve_image(call, None, lookup.Need("change"))
    return Plan(changes=True, images=[call.prepared])


@operation("open_file", plan=_plan_open)
def open_file(call, path=None, suffix=None, name=None, **options):
    if (path is None) == (call.upload is None):
        raise OperationError(
            "invalid_argument", "give `path` or bytes, not both" if path else "neither `path` nor bytes are given"
        )
    as_layer, keep = options.get("as") == "layer", options.get("orientation") == "keep"
    target = None
    if as_layer:
        target = call.image = call.image or lookup.resolve_image(call, None, lookup.Need("change"))
    if path is not None:
        real = file_paths.check_path(path, False, call.settings)
        if real.lower().endswith(".desktop"):
            raise OperationError("forbidden", f"`{path}` is a link to another file", "name that file itself")
        return _open(call, target, real, name, real, keep)
    with _Upload(call.upload, suffix) as given:
        file_paths.check_bytes(given, given, call.settings)
        return _open(call, target, given, name, None, keep)


def _open(call, target, path, name, source, keep):
    """As layers of `target` or, without one, as an image; `source` is the file that it may claim as its own."""
    if target is not None:
        return _open_layers(call, target, path, name, source, keep)
    return _open_image(call, path, name, source, keep)


class _Upload:
    """The uploaded bytes under a name with the right ending: GIMP knows some formats by that alone."""

    def __init__(self, path, suffix):
        kind = formats.sniff_file(path)
        ending = formats.ending(kind.format) if kind else "".join(c for c in suffix or "" if c.isalnum())[:10]
        if os.path.getsize(path) == 0:
            raise OperationError("invalid_argument", "the given bytes are empty")
        self.path, self._source = f"{path}.{ending}" if ending else path, path

    def __enter__(self):
        if self.path != self._source:
            os.link(self._source, self.path)
        return self.path

    def __exit__(self, *_):
        if self.path != self._source:
            os.unlink(self.path)


def _open_image(call, path, name, source, keep):
    loaded = loading.load(path, keep)
    image = loaded.image
    if source is None:
        # A duplicate has no file: the image must not claim a temporary one as its own
        image = image.duplicate()
        loaded.image.delete()
        image.clean_all()  # just opened: no work to lose
    lookup.remember(image, path=source, name=name)
    layers = image.get_layers()
    if name and source is None and len(layers) == 1:
        layers[0].set_name(name)
        image.clean_all()
    display.show(image)
    call.image = image
    call.client.image_id = image.get_id()
    return _opened(f"Opened {image.get_width()}x{image.get_height()} image", loaded, image, layers)


def _opened(message, loaded, image, layers):
    ids = [layer.get_id() for layer in layers]
    return {"message": loaded.said(message), **brief(image), **loaded.facts(), "layers": ids}


def _open_layers(call, image, path, name, source, keep):
    with loading.opened(call, path, keep) as loaded:
        # As GIMP's own "Open as Layers" does: colours are converted to those of the image, and a lone layer gets the
        # file's name
        layers = [Gimp.Layer.new_from_drawable(layer, image) for layer in loaded.image.get_layers()]
        lone = name or (os.path.basename(source) if source is not None else None)
        for position, (layer, original) in enumerate(zip(layers, loaded.image.get_layers())):
            image.insert_layer(layer, None, position)
            if len(layers) == 1:
                layer.set_name(lone or original.get_name())
            else:
                layer.set_name(f"{name} {position + 1}" if name else original.get_name())
    return _opened(f"Opened {len(layers)} layer{'s' if len(layers) > 1 else ''}", loaded, image, layers)


# --- write ---


def _plan_write(call, **arguments):
    # Without a path nothing on this machine changes
    return Plan(changes=arguments.get("path") is not None, images=[])


@operation("write_file", plan=_plan_write)
def write_file(call, path=None, format=None, quality=None, options=None, overwrite=True, metadata="keep"):
    if call.image is None:
        call.image = lookup.resolve_image(call, None, lookup.Need("read" if path is None else "change"))
    name = _format(path, format)
    if name != "xcf":
        export.find_procedure(name)  # before anything is touched
    if path is None:
        return _stream(call, name, quality, options, metadata)
    result, target = save(call, call.image, path, name, quality, options, overwrite, metadata)
    result["path"] = target
    result["message"] = told(f"Saved {result['width']}x{result['height']} image as {name} to {target}", result)
    saved = result["saved_document"] = name == "xcf" and _claim(call.image, target, result)
    result["effect"] = blank(call.image.get_id(), bool(saved))
    result["effect"]["properties_changed"] = ["file"] if saved else []
    return result


def told(message, facts):
    """The message with what the written file does not hold."""
    return "; ".join([message, *facts.pop("said")])


def save(
    call, image, path, name, quality=None, options=None, overwrite=True, metadata="keep", source=None, more=False
):  # fmt: skip
    """Writes `image` as format `name` to `path`, which the policy must allow: (facts of what was written, real path)."""
    with new_file(call, path, overwrite, name, more=more) as (temporary, target):
        try:
            return write(call, image, name, temporary, quality, options, metadata, source), target
        except OperationError as error:
            raise _named(error, temporary, target) from error


def _room(folder):
    """Bytes that a file there may take at most: what is free, or what the system allows this process for a file."""
    free = shutil.disk_usage(folder).free
    try:
        import resource  # not on Windows
    except ImportError:
        return free
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return free if limit == resource.RLIM_INFINITY else min(free, limit)


def _named(error, temporary, target):
    """The error about a file that could not be written, with the caller's own path and a look at the disk."""
    if error.kind != "io_error":
        return error
    folder = os.path.dirname(target)
    reason = error.message.replace(temporary, target)
    free, hint = _room(folder), error.hint
    if free < SCARCE or not os.access(folder, os.W_OK):
        hint = f"check the space and rights in `{folder}` ({free / 1e6:.0f} MB are free there)"
        hint += f", or {error.hint}" if error.hint else ""
    return OperationError("io_error", f"`{target}` was not written: {reason}", hint, **{**error.details, "path": target})


@contextlib.contextmanager
def new_file(call, path, overwrite=True, name=None, endings=None, more=False):
    """(a file beside the target to write to, the real target); at the end it takes the target's name, or goes.

    Under a policy the target has one of the `endings`, by default those of the format `name`. With its last file a call
    is done, and a cancel too late: `more` says that others follow.
    """
    target = file_paths.check_path(path, True, call.settings, endings or rules.endings(name))
    if not overwrite and os.path.exists(target):
        raise OperationError(
            "io_error",
            f"`{path}` exists and `overwrite` is false",
            "choose another name, or set `overwrite` to true",
            path=target,
        )
    # The target's whole name stays in it: some procedures (gz) read the inner format from the ending
    temporary = os.path.join(os.path.dirname(target), f".{secrets.token_hex(6)}-{os.path.basename(target)[-150:]}")
    if name is not None and formats.by_path(target) != name:
        temporary += "." + formats.ending(name)
    with call.masked():
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            mode = os.stat(target if os.path.exists(target) else temporary).st_mode & 0o7777
            with call.unmasked():
                yield temporary, target
            os.chmod(temporary, mode)
            file_paths.still_there(target)
            if not more:
                call.commit()
            if overwrite:
                os.replace(temporary, target)
            else:
                _take_name(temporary, target, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)


def _take_name(temporary, target, path):
    """Gives the file its name unless someone else was faster."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OperationError(
            "io_error", f"`{path}` exists and `overwrite` is false", "choose another name", path=target
        ) from None
    except OSError:  # a file system without links
        os.replace(temporary, target)


def _claim(image, target, result):
    """Makes a saved XCF the image's own file."""
    if not target.lower().endswith((".xcf", ".xcf.gz", ".xcf.bz2", ".xcf.xz")):
        result["note"] = "the ending is not .xcf, so this is a copy: the image keeps its own file"
        return False
    image.set_file(Gio.File.new_for_path(target))
    image.clean_all()
    lookup.forget(image.get_id())
    return True


def _stream(call, name, quality, options, metadata):
    folder = tempfile.mkdtemp(prefix="gimp-bridge-")
    try:
        path = os.path.join(folder, f"image.{formats.ending(name)}")
        try:
            result = write(call, call.image, name, path, quality, options, metadata)
        except OperationError as error:
            raise _named(error, path, path) from error

        def chunks():
            with open(path, "rb") as file:
                while piece := file.read(CHUNK):
                    call.check()
                    yield piece

        call.stream({key: result[key] for key in ("format", "mime_type", "bytes", "width", "height")}, chunks())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    size = f"{result['width']}x{result['height']}"
    result.update(path=None, saved_document=False, message=told(f"Wrote {size} image as {name}", result))
    return result


def _format(path, given):
    """The format that is asked for: `format`, else the path's ending, else png."""
    if given is not None:
        return formats.by_name(given)
    if path is None:
        return "png"
    name = formats.by_path(path)
    if name is None:
        raise OperationError(
            "invalid_argument",
            f"path `{path}` has no ending that names a format",
            "add one, such as .png, or give `format`",
        )
    return name
