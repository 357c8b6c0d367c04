"""How a file becomes an image: the one way in for open_image, layers, folders, and the daemon's filters.

Owns what every picture from outside gets: the loader's own defaults where GIMP's call has none, the turn that its
EXIF orientation asks for, the look at whether the file is whole, and the end of what is no picture. GIMP's own
snapshots (sessions) and what this plug-in wrote itself do not come this way.
"""

import contextlib
import dataclasses
import os
import re
import struct

from gi.repository import Gimp, Gio, GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.files import cut_jpeg, orientation, origin, psd_features
from gimp_bridge.formats import intact, intact_chunks, table as formats
from gimp_bridge.items.image_edits import MAX_PIXELS
from gimp_bridge.items.scratch import scratch

_PAGE = re.compile(rb"%%BoundingBox:\s*(-?[\d.]+)\s+(-?[\d.]+)\s+(-?[\d.]+)\s+(-?[\d.]+)")
_PAGE_DPI = 300  # GIMP's default
_LOADER = re.compile(r"file-[a-z0-9-]+-load\b")


@dataclasses.dataclass
class Loaded:
    """An image that its caller owns, and what has to be said of it.

    `orientation` is the EXIF value (2 to 8) that it was turned by, None for none; `missing` says what the file lacks.
    """

    image: object
    orientation: object = None
    missing: object = None
    notes: list = dataclasses.field(default_factory=list)

    def facts(self):
        """What every answer about an opened file says."""
        return {"complete": self.missing is None, "orientation_applied": self.orientation}

    def said(self, opened):
        """The answer's message, from its beginning such as "Opened 40x30 image"."""
        if self.orientation is not None:
            opened += f", {orientation.TURNS[self.orientation][2]} as its EXIF orientation {self.orientation} asks"
        if self.missing is not None:
            opened += f"; the file is damaged or cut short: {self.missing}"
        return "; ".join((opened, *self.notes))


def load(path, keep=False, name=None):
    """Opens `path`, which the policy must allow, as a Loaded; `name` is what errors call it.

    With `keep` the picture lies as it is stored, and its tag stays. The image has no undo step and is not dirty.
    """
    name = name or os.path.basename(path)
    missing = intact.missing(path)
    _check_page(path, name)
    before = {image.get_id() for image in Gimp.get_images()}
    try:
        image = _load(path, name, missing)
        if not image.get_layers():
            raise _failed(name, "it holds no picture that GIMP reads", missing)
        if missing == intact_chunks.JPEG_CUT:
            missing = cut_jpeg.missing(image, path)
        loaded = Loaded(image, missing=missing)
        _turn(loaded, keep)
        loaded.notes += psd_features.compared(image, path)
        origin.note(image, path)
        image.clean_all()
    except BaseException:
        # Some loaders leave a half-made image open when they fail; GIMP refuses to close one that is in a window
        for left in Gimp.get_images():
            if left.get_id() not in before:
                left.delete()
        raise
    return loaded


def _check_page(path, name):
    """Refuses PostScript whose page GIMP would need hours to draw: nothing ends that once it has begun."""
    kind = formats.sniff_file(path)
    if kind is None or kind.format != "ps":
        return
    with open(path, "rb") as file:
        box = _PAGE.search(file.read(formats.HEAD_BYTES))
    if box is None:
        return
    left, bottom, right, top = (float(value) for value in box.groups())
    width, height = (round(side * _PAGE_DPI / 72) for side in (right - left, top - bottom))
    if width * height > MAX_PIXELS:
        raise OperationError(
            "too_large",
            f"the page of `{name}` makes {width}x{height} pixels at {_PAGE_DPI} pixels per inch",
            f"the limit is {MAX_PIXELS:,} pixels; call_procedure `file-eps-load` takes a `width` and a `height`",
        )


@contextlib.contextmanager
def opened(call, path, keep=False, name=None):
    """The Loaded of `path` until the block ends: its image goes with it, whatever happens."""
    found = []

    def make():
        found.append(load(path, keep, name))
        return found[0].image

    with scratch(call, make):
        yield found[0]


def _turn(loaded, keep):
    image = loaded.image
    value = None if image.get_xcf_file() is not None else orientation.stored(image)
    if value is None:
        return
    if keep:
        loaded.notes.append(f"it lies as it is stored; its EXIF orientation is {value}")
        return
    image.undo_disable()
    try:
        orientation.apply(image, value)
    finally:
        image.undo_enable()
    loaded.orientation = value


def _load(path, name, missing):
    file = Gio.File.new_for_path(path)
    try:
        image, reason = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file), None
    except GLib.Error as error:
        image, reason = None, error.message
    if image is None:
        reason = reason or Gimp.get_pdb().get_last_error()
        image, reason = _load_by_procedure(path, reason)
    if image is None:
        raise _failed(name, reason, missing)
    return image


def _load_by_procedure(path, reason):
    """(image, reason) of the loader that GIMP named when it failed, with that loader's own defaults.

    GIMP 3.0 hands a loader's choices an empty text each (SVG, EPS, PCX …), and a JPEG 2000 codestream does not say what
    its components mean.
    """
    codestream = formats.sniff_file(path)
    codestream = codestream is not None and codestream.format == "j2k"
    named = _LOADER.search(reason or "")
    loader = "file-j2k-load" if codestream else named.group() if named else None
    procedure = Gimp.get_pdb().lookup_procedure(loader) if loader else None
    if procedure is None:
        return None, reason
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("file", Gio.File.new_for_path(path))
    if codestream:
        _set_codestream(config, procedure, path)
    result = procedure.run(config)
    if int(result.index(0)) != int(Gimp.PDBStatusType.SUCCESS):
        said = [result.index(place) for place in range(1, result.length())]
        return None, next((text for text in said if isinstance(text, str) and text), reason)
    return result.index(1), None


def _set_codestream(config, procedure, path):
    """Grey for up to two components, else sRGB."""
    with open(path, "rb") as file:
        head = file.read(64)
    components = struct.unpack_from(">H", head, 40)[0]
    spec = next((spec for spec in procedure.get_arguments() if spec.name == "colorspace"), None)
    if spec is None:
        return
    nicks = list(Gimp.param_spec_choice_get_choice(spec).list_nicks())
    wanted = ("grayscale", "gray") if components < 3 else ("srgb", "rgb")
    choice = next((nick for nick in nicks if nick.lower() in wanted), None)
    if choice is not None:
        config.set_property("colorspace", choice)


def _failed(name, reason, missing):
    reason = reason if reason not in (None, "", "success") else "it gave no reason"
    if missing is not None:
        return OperationError(
            "io_error", f"GIMP could not open `{name}`, which is damaged or cut short ({missing}): {reason}", "get the whole file"
        )
    return OperationError(
        "io_error", f"GIMP could not open `{name}`: {reason}", "the file is damaged, or of a kind that this GIMP does not read"
    )
