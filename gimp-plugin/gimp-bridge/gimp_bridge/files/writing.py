"""Writes an image as a format to a path, and proves what came out."""

import os

from gi.repository import Gimp, Gio, GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.files import export, film, kept_metadata
from gimp_bridge.files.shaping import shaped_copy
from gimp_bridge.formats import table as formats
from gimp_bridge.images import projection
from gimp_bridge.items import targets
from gimp_bridge.policy import rules


def write(call, image, name, path, quality=None, options=None, metadata="keep", source=None):
    """Writes to `path` and checks what came out; the facts, with the sentences `said` about what the file does not hold.

    `source` is the image whose metadata the file gets, where `image` is only a part of it.
    """
    width, height = image.get_width(), image.get_height()
    if name == "xcf":
        return _write_xcf(image, path, quality, options, width, height)
    procedure = export.find_procedure(name)
    refusal = rules.refusal(call.settings, procedure.get_name())
    if refusal is not None:  # also where the bytes travel and no path is named: some options name files
        raise OperationError("forbidden", f"format `{name}` is not written: {refusal[0]}", "choose another format")
    if not image.get_layers():
        raise OperationError(
            "no_image", f"image `{image.get_id()}` has no layer to export", "add a layer first, or save it as xcf"
        )
    with projection.visible(image, need_layer=False) as seen:
        alpha = seen.alpha
    values, note = export.prepare_options(procedure, name, quality, options, alpha)
    pictures, lost = film.of(image, name, values)
    kept = kept_metadata.Kept(source or image, name, export.specs(procedure), metadata)
    kept.take(values)
    values = {**kept.values, **(pictures.values if pictures else {}), **values}
    shaped = _run(call, procedure, image, name, path, values, pictures, kept)
    kept.finish(path)
    count = pictures.finish(path) if pictures else None
    # Pages and sizes need not be as large as the image
    one_size = pictures is None or pictures.what == "frames"
    sniffed, unread = verify(name, path, *((width, height) if one_size else (None, None)))
    said = [*([lost] if lost else []), *shaped.said, *kept.said]
    if count is not None and count != pictures.count:
        said.append(f"the file has {count} {pictures.what} for {pictures.count} layers: equal ones are written once")
    if shaped.flattened and not lost and len(image.get_layers()) > 1:
        said.insert(0, f"its {len(image.get_layers())} layers were merged into one picture")
    result = {
        "format": name,
        "mime_type": formats.media_type(name),
        "bytes": os.path.getsize(path),
        "width": width,
        "height": height,
        "flattened": shaped.flattened,
        "alpha_lost": shaped.alpha_lost,
        "options_used": values,
        "said": said,
    }
    if pictures:
        result[pictures.what] = pictures.count if count is None else count
    notes = [text for text in (note, unread) if text]
    if notes:
        result["note"] = "; ".join(notes)
    return result


def _run(call, procedure, image, name, path, values, pictures, kept):
    """Writes the file; what GIMP's exporter does not take as an indexed picture, it is given as RGB."""
    for as_rgb in (False, True):
        holds_profile = "include-color-profile" in export.specs(procedure)
        with shaped_copy(image, name, values, holds_profile, pictures) as shaped:
            if as_rgb:
                shaped.image.convert_rgb()
                shaped.said.append("the indexed picture was saved as RGB, as GIMP could not write it with its palette")
            kept.dress(shaped.image)
            call.check()
            try:
                export.run(procedure, shaped.image, path, values)
                return shaped
            except OperationError as error:
                if as_rgb or error.kind != "io_error" or targets.base_type(shaped.image) != "INDEXED":
                    raise
    raise AssertionError("the second try returns or raises")


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
        "said": [],
    }
    if quality is not None:
        result["note"] = "`quality` has no meaning for xcf and was not used"
    return result


def verify(name, path, width=None, height=None):
    """Reads back what was written, and its size if one is given.

    (what its header says or None, a note where it could not be read), or io_error.
    """
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
    if None not in (*size, width) and size != (width, height):
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
