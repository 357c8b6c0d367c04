"""open_file and write_file: images from and to files, and bytes that travel.

A file is written beside its target, checked, and then takes the target's name, so that a failed export loses nothing.
"""

import contextlib
import os
import secrets
import shutil
import tempfile

from gi.repository import Gimp, Gio, GLib

import display
import export
import formats
import history
import lookup
import paths
import projection
from errors import OperationError
from ops.image import brief
from registry import Plan, operation

CHUNK = 1 << 20


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
    as_layer = options.get("as") == "layer"
    target = None
    if as_layer:
        target = call.image = call.image or lookup.resolve_image(call, None, lookup.Need("change"))
    if path is not None:
        real = paths.check_path(path, False, call.settings)
        if real.lower().endswith(".desktop"):
            raise OperationError("forbidden", f"`{path}` is a link to another file", "name that file itself")
        return _open_layers(call, target, real, name) if as_layer else _open_image(call, real, name, real)
    with _Upload(call.upload, suffix) as given:
        return _open_layers(call, target, given, name) if as_layer else _open_image(call, given, name, None)


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


def _load_failed(path, error=None):
    reason = error or Gimp.get_pdb().get_last_error()
    if reason in (None, "", "success"):
        reason = "it gave no reason"
    return OperationError(
        "io_error",
        f"GIMP could not open `{os.path.basename(path)}`: {reason}",
        "the file is damaged, or of a kind that this GIMP does not read",
    )


def _open_image(call, path, name, source):
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(path))
    except GLib.Error as error:
        raise _load_failed(path, error.message) from error
    if image is None:
        raise _load_failed(path)
    if source is None:
        # A duplicate has no file: the image must not claim a temporary one as its own
        loaded, image = image, image.duplicate()
        loaded.delete()
    image.clean_all()  # just opened: no work to lose
    lookup.remember(image, path=source, name=name)
    layers = image.get_layers()
    if name and source is None and len(layers) == 1:
        layers[0].set_name(name)
        image.clean_all()
    display.show(image)
    call.image = image
    call.client.image_id = image.get_id()
    return _opened(f"Opened {image.get_width()}x{image.get_height()} image", image, layers)


def _opened(message, image, layers):
    return {"message": message, **brief(image), "layers": [layer.get_id() for layer in layers]}


def _open_layers(call, image, path, name):
    try:
        layers = Gimp.file_load_layers(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(path))
    except GLib.Error as error:
        raise _load_failed(path, error.message) from error
    if not layers:
        raise _load_failed(path)
    for position, layer in enumerate(layers):
        image.insert_layer(layer, None, position)
        if name:
            layer.set_name(name if len(layers) == 1 else f"{name} {position + 1}")
    return _opened(f"Opened {len(layers)} layer{'s' if len(layers) > 1 else ''}", image, layers)


# --- write ---


def _plan_write(call, **arguments):
    # Without a path nothing on this machine changes
    return Plan(changes=arguments.get("path") is not None, images=[])


@operation("write_file", plan=_plan_write)
def write_file(call, path=None, format=None, quality=None, options=None, overwrite=True):
    if call.image is None:
        call.image = lookup.resolve_image(call, None, lookup.Need("read" if path is None else "change"))
    name = _format(path, format)
    if name != "xcf":
        export.find_procedure(name)  # before anything is touched
    if path is None:
        return _stream(call, name, quality, options)
    result, target = save(call, call.image, path, name, quality, options, overwrite)
    result["path"] = target
    result["message"] = f"Saved {result['width']}x{result['height']} image as {name} to {target}"
    saved = result["saved_document"] = name == "xcf" and _claim(call.image, target, result)
    result["effect"] = history.blank(call.image.get_id(), bool(saved))
    result["effect"]["properties_changed"] = ["file"] if saved else []
    return result


def save(call, image, path, name, quality=None, options=None, overwrite=True):
    """Writes `image` as format `name` to `path`, which the policy must allow: (facts of what was written, real path)."""
    with new_file(call, path, overwrite, name) as (temporary, target):
        try:
            return _write(call, image, name, temporary, quality, options), target
        except OperationError as error:
            raise _named(error, temporary, target) from error


def _named(error, temporary, target):
    """The error about a file that could not be written, with the caller's own path and a look at the disk."""
    if error.kind != "io_error":
        return error
    folder = os.path.dirname(target)
    reason = error.message.replace(temporary, target)
    free = f"{shutil.disk_usage(folder).free / 1e6:.0f} MB are free there"
    hint = f"check the space and rights in `{folder}` ({free})" + (f", or {error.hint}" if error.hint else "")
    return OperationError("io_error", f"`{target}` was not written: {reason}", hint, **{**error.details, "path": target})


@contextlib.contextmanager
def new_file(call, path, overwrite=True, name=None):
    """(a file beside the target to write to, the real target); at the end it takes the target's name, or goes."""
    target = paths.check_path(path, True, call.settings)
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
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = os.stat(target if os.path.exists(target) else temporary).st_mode & 0o7777
        yield temporary, target
        os.chmod(temporary, mode)
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


def _stream(call, name, quality, options):
    folder = tempfile.mkdtemp(prefix="gimp-bridge-")
    try:
        path = os.path.join(folder, f"image.{formats.ending(name)}")
        try:
            result = _write(call, call.image, name, path, quality, options)
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
    result.update(path=None, saved_document=False)
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


def _write(call, image, name, path, quality, options):
    """Writes to `path` and checks what came out."""
    width, height = image.get_width(), image.get_height()
    if name == "xcf":
        return _write_xcf(image, path, quality, options, width, height)
    procedure = export.find_procedure(name)
    if not image.get_layers():
        raise OperationError(
            "no_image", f"image `{image.get_id()}` has no layer to export", "add a layer first, or save it as xcf"
        )
    with projection.visible(image, need_layer=False) as source:
        alpha = source.alpha
    values, note = export.prepare_options(
        procedure, name, quality, options, image.get_color_profile() is not None, alpha
    )
    with export.shaped_copy(image, name, values) as (copy, flattened):
        call.check()
        export.run(procedure, copy, path, values)
    sniffed, unread = verify(name, path, width, height)
    result = {
        "format": name,
        "mime_type": formats.media_type(name),
        "bytes": os.path.getsize(path),
        "width": width,
        "height": height,
        "flattened": flattened,
        "alpha_lost": bool(alpha and sniffed is not None and sniffed.alpha is False),
        "options_used": values,
    }
    notes = [text for text in (note, unread) if text]
    if notes:
        result["note"] = "; ".join(notes)
    return result


def _write_xcf(image, path, quality, options, width, height):
    if options:
        raise OperationError(
            "invalid_argument", f"format `xcf` has no option `{next(iter(options))}`", "leave `options` out"
        )
    copy = image.duplicate()  # so that a failure leaves the image's own file and flags alone
    try:
        if not Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, copy, Gio.File.new_for_path(path), None):
            raise OperationError(
                "io_error",
                f"GIMP could not save it: {Gimp.get_pdb().get_last_error()}",
                "choose another folder",
            )
    finally:
        copy.delete()
    verify("xcf", path, width, height)
    result = {
        "format": "xcf",
        "mime_type": formats.media_type("xcf"),
        "bytes": os.path.getsize(path),
        "width": width,
        "height": height,
        "flattened": False,
        "alpha_lost": False,
        "options_used": {},
    }
    if quality is not None:
        result["note"] = "`quality` has no meaning for xcf and was not used"
    return result


def verify(name, path, width, height):
    """Reads back what was written: (what its header says or None, a note where it could not be read), or io_error."""
    if os.path.getsize(path) == 0:
        raise OperationError("io_error", f"GIMP wrote nothing for `{name}`", "choose another format")
    if formats.can_sniff(name):
        sniffed = formats.sniff_file(path)
        if sniffed is None or not formats.matches(sniffed, name):
            raise OperationError(
                "io_error",
                f"GIMP wrote {sniffed.format if sniffed else 'unknown'} bytes for `{name}`",
                "choose another format",
            )
        size, note = (sniffed.width, sniffed.height), None
    else:
        sniffed = None
        size, note = _loaded_size(name, path)
    if None not in size and size != (width, height):
        raise OperationError(
            "io_error",
            f"the written `{name}` has {size[0]} x {size[1]} pixels instead of {width} x {height}",
            "choose another format, or scale the image to what the format can hold",
        )
    return sniffed, note


def _loaded_size(name, path):
    """What GIMP itself reads of a format that has no telling header: ((width, height), note)."""
    unknown = (None, None), f"GIMP cannot read {name} back, so the file was not checked"
    if name in formats.SIZELESS or Gimp.get_pdb().lookup_procedure(f"file-{formats.export_stem(name)}-load") is None:
        return unknown
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(path))
    except GLib.Error:
        return unknown
    if image is None:
        return unknown
    try:
        return (image.get_width(), image.get_height()), None
    finally:
        image.delete()
