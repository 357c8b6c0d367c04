"""How far what GIMP shows of a PSD is from the flattened picture that the file itself holds.

Photoshop keeps that picture beside the layers. GIMP draws the layers, and leaves out adjustment layers, effects and
vector masks, so the two differ where the file has such. The comparison is GIMP's own, at full size.
"""

import mmap
import struct

from gi.repository import Gegl, Gimp, Gio

from gimp_bridge.core import enums
from gimp_bridge.formats import psd_layers, table as formats

_SLIGHT = 0.5  # of 255, on average: rounding, another way to blend
_CLEAR = 16  # of 255: what an eye sees at a glance
_NAMED = 8


def compared(image, path):
    """What has to be said of a PSD's picture, a list of sentences; nothing of other files."""
    kind = formats.sniff_file(path)
    if kind is None or kind.format not in ("psd", "psb"):
        return []
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            layers, features, real = psd_layers.read(data)
    except (struct.error, IndexError, ValueError):
        return []
    if not layers:
        return []
    named = ", ".join(features[:_NAMED]) + (f" and {len(features) - _NAMED} more" if len(features) > _NAMED else "")
    difference = _difference(image, path) if real else None
    if difference is None:
        return [f"the file has what GIMP may not draw, and no flattened picture to compare with: {named}"] if features else []
    mean, clear = difference
    if mean <= _SLIGHT and clear < 0.001:
        return []
    said = f"what GIMP shows differs from the flattened picture in the file, by {mean:.1f} of 255 on average"
    said += f" and by more than {_CLEAR} in {_percent(clear)} of the pixels"
    return [f"{said}: GIMP does not draw all of {named}" if features else said]


def _percent(share):
    return f"{share * 100:.0f} %" if share >= 0.01 else "less than 1 %"


def _difference(image, path):
    """(mean of the largest channel's difference 0 to 255, share of the pixels that clearly differ), or None."""
    procedure = Gimp.get_pdb().lookup_procedure("file-psd-load-merged")
    if procedure is None:
        return None
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("file", Gio.File.new_for_path(path))
    result = procedure.run(config)
    merged = result.index(1) if int(result.index(0)) == int(Gimp.PDBStatusType.SUCCESS) else None
    if merged is None:
        return None
    try:
        if (merged.get_width(), merged.get_height()) != (image.get_width(), image.get_height()):
            return None
        return _compare(image, merged)
    finally:
        merged.delete()


def _compare(image, merged):
    """Both on the same grey: what is transparent has no colour of its own."""
    merged.undo_disable()
    if enums.name(Gimp.ImageBaseType, merged.get_base_type()) == "INDEXED":
        merged.convert_rgb()
    own = merged.get_layers()
    shown = Gimp.Layer.new_from_visible(image, merged, "shown")
    merged.insert_layer(shown, None, 0)
    Gimp.context_push()
    try:
        Gimp.context_set_background(Gegl.Color.new("#808080"))
        for layer in (shown, *own):
            layer.set_visible(True)
            if layer.has_alpha():
                layer.flatten()
    finally:
        Gimp.context_pop()
    shown.set_mode(Gimp.LayerMode.DIFFERENCE)
    result = Gimp.Layer.new_from_visible(merged, merged, "difference")
    merged.insert_layer(result, None, 0)
    numbers = result.histogram(Gimp.HistogramChannel.VALUE, 0, 1)
    clear = result.histogram(Gimp.HistogramChannel.VALUE, (_CLEAR + 1) / 255, 1)
    return list(numbers)[-6], list(clear)[-1]
