"""What colour operations and filters share: the target with its checks, one filter or many, and the answer.

Owns the notes that go with a change of pixels (a text layer becomes pixels), and the way to run what GIMP 3.0 computes
in linear light only on perceptual values.
"""

from gi.repository import Gegl, Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl import filters as gegl_filter, known as gegl_known
from gimp_bridge.images import buffers
from gimp_bridge.items import targets

STRIP = 128  # rows that travel at a time
ABYSS = Gegl.AbyssPolicy.NONE


def target(call, given, as_effect=False, modes=("RGB", "GRAY"), what="this"):
    """The drawable whose pixels (or, `as_effect`, the layer whose look) are to change."""
    if as_effect:
        found = targets.require(targets.layer(call, given), pixels=False)
        if not found.get_visible():
            targets.add_note(call, f"layer `{found.get_id()}` (`{found.get_name()}`) is hidden, so it does not show")
    else:
        found = targets.paintable(call, given)
        _check_content(call, found)
    targets.need_mode(call, modes, what)
    return found


def _check_content(call, found):
    """A text layer's pixels may be changed; a vector or link layer's (GIMP 3.2) follow from what it is made of."""
    if not found.is_layer():
        return
    name = f"`{found.get_id()}` (`{found.get_name()}`)"
    if found.is_text_layer():
        targets.add_note(call, f"the text layer {name} became pixels: editing its text again would drop this change")
    for kind in ("vector", "link"):
        if getattr(found, f"is_{kind}_layer", bool)() and not found.is_rasterized():
            raise OperationError(
                "invalid_argument",
                f"layer {name} is a {kind} layer, whose pixels follow from its content",
                "set `as_effect` to true, or rasterize it first with rasterize_layer",
            )


def run(call, given, operation, properties, message, as_effect=False, clip=True, modes=("RGB", "GRAY"), name=None,
        what=None):
    """One GEGL operation on the given layer; the operation's answer."""
    drawable = target(call, given, as_effect, modes, what or (name or operation))
    made = gegl_filter.apply(drawable, operation, properties, as_effect, name=name, clip=clip)
    return answer(drawable, message, [made] if made else [])


def answer(drawable, message, effects=(), **more):
    result = {"message": message, "layer": drawable.get_id(), **more}
    if effects:
        result["message"] += " as a layer effect"
        result["layer_effects"] = [effect.get_id() for effect in effects]
    return result


def check_done(done, what):
    """libgimp answers False where GIMP failed, with the reason in its last error."""
    if not done:
        raise OperationError("gimp_error", f"{what} failed: {Gimp.get_pdb().get_last_error() or 'no reason given'}")


def is_mask(drawable):
    """A mask or channel: its values are not colours, and are taken as they are."""
    return drawable.is_channel()


def perceptual(drawable, function):
    """Runs `function(drawable)`, which GIMP 3.0 computes in linear light, on perceptual values.

    The perceptual values are written as if they were linear into a scratch layer of 32-bit float, so that nothing is
    rounded; the result comes back through the shadow buffer, which makes an undo step and respects the selection.
    GIMP 3.2 has the choice itself, and masks have no colours: there it runs on the drawable.
    """
    if not gegl_known.OLD or is_mask(drawable):
        function(drawable)
        return
    width, height = drawable.get_width(), drawable.get_height()
    scratch = Gimp.Image.new_with_precision(width, height, Gimp.ImageBaseType.RGB, Gimp.Precision.FLOAT_LINEAR)
    try:
        scratch.undo_disable()
        layer = Gimp.Layer.new(scratch, "", width, height, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
        scratch.insert_layer(layer, None, 0)
        _copy(drawable.get_buffer(), "R'G'B'A float", layer.get_buffer(), "RGBA float", width, height)
        function(layer)
        shadow = drawable.get_shadow_buffer()
        _copy(layer.get_buffer(), "RGBA float", shadow, "R'G'B'A float", width, height)
    finally:
        scratch.delete()
    drawable.merge_shadow(True)
    drawable.update(0, 0, width, height)


def _copy(source, source_format, target_buffer, target_format, width, height):
    for top in range(0, height, STRIP):
        area = Gegl.Rectangle.new(0, top, width, min(STRIP, height - top))
        buffers.put_area(target_buffer, area, target_format, source.get(area, 1.0, source_format, ABYSS))
    target_buffer.flush()


def length(call, value, low=0.1, high=1500.0):
    """A length in image pixels, inside of what the filter takes: a preview's one may lead out of it."""
    return min(max(call.places().length(value), low), high)


def number(value):
    """5.0 as "5.0", 12.345678 as "12.346": for messages."""
    text = f"{float(value):.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text
