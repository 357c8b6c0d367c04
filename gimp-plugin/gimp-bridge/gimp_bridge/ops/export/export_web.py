"""export_for_web and export_icons: the composed picture in the sizes and formats that web pages and programs want."""

import math
import os
import shutil
import struct
import tempfile

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.files import export, file_names, kept_metadata, shaping, writing
from gimp_bridge.formats import table as file_formats
from gimp_bridge.images import projection
from gimp_bridge.items import colors, lookup, targets
from gimp_bridge.items.image_edits import enlarge, set_interpolation
from gimp_bridge.items.scratch import scratch
from gimp_bridge.ops.canvas.canvas import scaled_size
from gimp_bridge.ops.image import files
from gimp_bridge.policy import file_paths

PRESETS = {"web-jpeg": "jpeg", "web-webp": "webp", "web-png": "png", "web-avif": "avif"}
SHRINK_STEPS = 12
ICO_SIDE = 256  # the largest that the format holds


def plan_file(call, **_):
    """A file is written and no image changes; nothing to take back, but a policy may forbid it."""
    call.image = call.image or lookup.resolve_image(call, None, lookup.Need("read"))
    return Plan(changes=True, images=[], isolated=True)


@operation("export_for_web", plan=plan_file)
def export_for_web(
    call, path, preset=None, max_side=None, max_bytes=None, quality=85, min_quality=40, shrink=True, background="white",
    overwrite=True, metadata="no-location",
):  # fmt: skip
    name = _format(path, preset)
    procedure = export.find_procedure(name)
    lossy = name != "png"
    if min_quality > quality:
        raise OperationError(
            "invalid_argument",
            f"`min_quality` {min_quality} is above `quality` {quality}",
            "give a smaller `min_quality`",
        )
    rgba = colors.parse(background)
    with (
        tempfile.TemporaryDirectory(prefix="gimp-bridge-") as work,
        scratch(call, lambda: web_copy(call, name == "jpeg", rgba)) as whole,
    ):
        size = old = whole.get_width(), whole.get_height()
        if max_side is not None:
            size, _ = scaled_size(old, max_side, max_side, fit="contain", only_shrink=True)
        kept = kept_metadata.Kept(call.image, name, export.specs(procedure), metadata)
        trials = _Trials(call, procedure, name, kept, os.path.join(work, f"trial.{file_formats.ending(name)}"))
        for _ in range(SHRINK_STEPS):
            used = trials.of(whole, size, max_bytes, quality if lossy else None, min_quality)
            if max_bytes is None or trials.bytes <= max_bytes or not shrink or max(size) == 1:
                break
            factor = min(math.sqrt(max_bytes / trials.bytes) * 0.97, 0.97)
            size = tuple(max(math.floor(side * factor), 1) for side in size)
        if max_bytes is not None and trials.bytes > max_bytes:
            raise OperationError(
                "too_large",
                f"the smallest {name} has {trials.bytes} bytes, more than `max_bytes` {max_bytes}",
                "give a smaller `max_side` or `min_quality`, a larger `max_bytes`, or `shrink` true",
                bytes=trials.bytes,
            )
        with files.new_file(call, path, overwrite, name) as (temporary, target):
            shutil.copyfile(trials.path, temporary)
            writing.verify(name, temporary, *size)
            written = os.path.getsize(temporary)
    return {
        "message": "; ".join([f"Exported {size[0]}x{size[1]} {name} of {written} bytes to {target}", *kept.said]),
        "path": target, "format": name, "bytes": written, "width": size[0], "height": size[1],
        "quality": used, "trials": trials.count,
    }  # fmt: skip


def _format(path, preset):
    by_path = file_formats.by_path(path)
    name = PRESETS[preset] if preset is not None else by_path
    if name not in PRESETS.values():
        raise OperationError(
            "invalid_argument",
            f"path `{path}` ends on none of .jpg, .webp, .png and .avif",
            "give one of these, or a `preset`; save_image writes other formats",
        )
    if by_path != name:
        raise OperationError(
            "invalid_argument",
            f"path `{path}` does not end on .{file_formats.ending(name)}, as `{preset}` wants",
            "make both the same",
        )
    return name


def web_copy(call, opaque, rgba=(1.0, 1.0, 1.0, 1.0)):
    """A flattened duplicate in 8-bit sRGB without a profile; without alpha where `opaque`. The caller deletes it."""
    image = call.image
    if not image.get_layers():
        raise OperationError("no_image", f"image `{image.get_id()}` has no layer to export", "add one first")
    copy = image.duplicate()
    try:
        if targets.base_type(copy) == "INDEXED":
            copy.convert_rgb()
        with projection.visible(copy) as source:
            alpha = source.alpha
        projection.remove_overlays(copy)
        merged = Gimp.Layer.new_from_visible(copy, copy, "Picture")
        for layer in copy.get_layers():
            copy.remove_layer(layer)
        copy.insert_layer(merged, None, 0)
        Gimp.Selection.none(copy)
        if opaque or not alpha:
            Gimp.context_set_background(colors.gegl_color((*rgba[:3], 1.0)))
            merged.flatten()
        copy.convert_precision(Gimp.Precision.U8_NON_LINEAR)
        if copy.get_color_profile() is not None:
            shaping.to_srgb(copy)
        return copy
    except BaseException:
        copy.delete()
        raise


def _scale(image, size):
    set_interpolation("cubic")
    image.scale(*size)


class _Trials:
    """Writes a picture again and again until it is small enough."""

    def __init__(self, call, procedure, name, kept, path):
        self._call, self._procedure, self._name, self._kept = call, procedure, name, kept
        self.path, self.bytes, self.count = path, None, 0

    def of(self, whole, size, limit, best, least):
        """Writes `whole` in that size: the best that is within the limit, else the smallest; returns the quality."""
        with scratch(self._call, whole.duplicate) as image:
            self._kept.dress(image)
            if size != (image.get_width(), image.get_height()):
                _scale(image, size)
            return self._run(image, None) if best is None else self._search(image, limit, best, least)

    def _run(self, image, quality):
        self._call.check()
        values, _ = export.prepare_options(self._procedure, self._name, quality, self._options(), False)
        export.run(self._procedure, image, self.path, {**self._kept.values, **values})
        self._kept.finish(self.path)
        self.bytes, self.count = os.path.getsize(self.path), self.count + 1
        self._call.progress(min(self.count / 20, 0.95), f"{self.bytes} bytes")
        return quality

    def _options(self):
        # Thumbnails, comments and time stamps are bytes that no page shows
        more = {"jpeg": {"progressive": True, "optimize": True, "sub-sampling": "sub-sampling-2x2"},
                "png": {"compression": 9, "bkgd": False, "phys": False, "time": False}}  # fmt: skip
        known = {spec.name for spec in self._procedure.get_arguments()}
        return {key: value for key, value in more.get(self._name, {}).items() if key in known}

    def _search(self, image, limit, best, least):
        """Leaves the best quality whose file is within the limit, else the least one; returns it."""
        self._run(image, best)
        if limit is None or self.bytes <= limit:
            return best
        low, high = least, best  # `low` is not known to fit until it was tried
        self._run(image, low)
        if self.bytes > limit:
            return low
        while high - low > 1:
            middle = (low + high) // 2
            self._run(image, middle)
            low, high = (middle, high) if self.bytes <= limit else (low, middle)
        return self._run(image, low)


@operation("export_icons", plan=plan_file)
def export_icons(
    call, folder, sizes=(16, 32, 48, 64, 128, 256), name="icon", formats="png+ico", fit="contain", overwrite=True,
    metadata="none",
):  # fmt: skip
    real = file_paths.check_folder(folder, True, call.settings)
    stem = file_names.file_name(name)
    sizes = sorted(set(sizes))
    in_ico = [size for size in sizes if size <= ICO_SIDE]
    if "ico" in formats and not in_ico:
        raise OperationError(
            "invalid_argument", f"an .ico file holds up to {ICO_SIDE} pixels, and `sizes` has none", "add 16, 32 or 48"
        )
    rows = []
    with scratch(call, lambda: web_copy(call, False)) as source:
        if not source.get_layers()[0].has_alpha():
            source.get_layers()[0].add_alpha()
        _square(source, fit)
        if "png" in formats:
            for place, size in enumerate(sizes):
                call.check()
                with scratch(call, source.duplicate) as icon:
                    _scale(icon, (size, size))
                    facts, written = files.save(
                        call, icon, os.path.join(real, f"{stem}-{size}.png"), "png", overwrite=overwrite,
                        metadata=metadata, more=True,
                    )  # fmt: skip
                rows.append({"path": written, "bytes": facts["bytes"], "sizes": [size]})
                call.progress((place + 1) / (len(sizes) + 1))
        if "ico" in formats:
            rows.append(_ico(call, source, in_ico, os.path.join(real, f"{stem}.ico"), overwrite))
    left_out = [size for size in sizes if size not in in_ico] if "ico" in formats else []
    if left_out:
        targets.add_note(call, f"the .ico file is without {', '.join(map(str, left_out))}: it holds up to {ICO_SIDE}")
    return {"message": f"Exported {len(rows)} icon files to {real}", "folder": real, "files": rows}


def _square(image, fit):
    """Makes the picture square: with transparent borders, cut, or stretched."""
    width, height = image.get_width(), image.get_height()
    if width == height:
        return
    if fit == "stretch":
        image.scale(max(width, height), max(width, height))
        return
    side = (max if fit == "contain" else min)(width, height)
    x, y = (side - width) // 2, (side - height) // 2
    image.resize(side, side, x, y)
    enlarge(image.get_layers()[0], side, side, x, y, (0.0, 0.0, 0.0, 0.0))


def _ico(call, source, sizes, path, overwrite):
    """One file with a picture of each size."""
    procedure = export.find_procedure("ico")
    with scratch(call, source.duplicate) as image:
        _scale(image, (sizes[-1], sizes[-1]))
        for size in sizes[-2::-1]:
            call.check()
            with scratch(call, source.duplicate) as icon:
                _scale(icon, (size, size))
                layer = Gimp.Layer.new_from_drawable(icon.get_layers()[0], image)
            image.insert_layer(layer, None, 0)
            layer.set_offsets(0, 0)
        with files.new_file(call, path, overwrite, "ico") as (temporary, target):
            export.run(procedure, image, temporary, {})
            written = ico_sizes(temporary)
            if sorted(written) != sizes:
                raise OperationError(
                    "io_error",
                    f"GIMP wrote the sizes {written} for {sizes}",
                    'leave the .ico file out (`formats` "png")',
                )
            return {"path": target, "bytes": os.path.getsize(temporary), "sizes": sizes}


def ico_sizes(path):
    """The sides of the pictures in an .ico file, as its directory has them."""
    with open(path, "rb") as file:
        head = file.read(6)
        count = struct.unpack("<HHH", head)[2] if head[:4] == b"\0\0\1\0" else 0
        return [(entry[0] or 256) for entry in (file.read(16) for _ in range(count)) if len(entry) == 16]
