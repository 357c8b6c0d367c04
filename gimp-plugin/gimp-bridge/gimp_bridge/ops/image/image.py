"""Operations on whole images: list, choose, create, close."""

from gi.repository import Gegl, Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.images import display
from gimp_bridge.items import colors, lookup
from gimp_bridge.items.image_edits import MAX_PIXELS
from gimp_bridge.undo import history

MAX_BYTES = 16 << 30
PIXEL_BYTES = {"u8": 4, "u16": 8, "half": 8, "u32": 16, "float": 16, "double": 32}

# As GIMP's Image > Precision menu says it, by the first word of the enum's name
PRECISION_WORDS = {
    "U8": "8-bit integer",
    "U16": "16-bit integer",
    "U32": "32-bit integer",
    "HALF": "16-bit floating point",
    "FLOAT": "32-bit floating point",
    "DOUBLE": "64-bit floating point",
}


@operation("list_images")
def list_images(call):
    images = lookup.visible_images()
    selected = selected_id(call, images)
    return {
        "images": [{**brief(image), "selected": image.get_id() == selected} for image in images],
        "selected": selected,
    }


@operation("select_image")
def select_image(call):
    image = call.image
    call.client.image_id = image.get_id()
    return {
        "selected": image.get_id(),
        "name": lookup.image_name(image),
        "width": image.get_width(),
        "height": image.get_height(),
    }


@operation("create_new_image")
def create_new_image(
    call,
    width,
    height,
    color="white",
    base_type="RGB",
    precision="u8",
    linear=False,
    alpha=True,
    name="Background",
    resolution=72,
):
    rgba = colors.parse(color)
    if width * height > MAX_PIXELS or width * height * PIXEL_BYTES[precision] > MAX_BYTES:
        raise OperationError(
            "too_large",
            f"{width} x {height} pixels of {precision} need {width * height * PIXEL_BYTES[precision] >> 20} MiB",
            f"make it smaller: the limit is {MAX_PIXELS:,} pixels and {MAX_BYTES >> 30} GiB",
            limit=MAX_BYTES,
        )
    if rgba[3] < 1 and not alpha:
        raise OperationError(
            "invalid_argument",
            f"color `{color}` is not opaque, but `alpha` is false",
            "leave `alpha` out, or give an opaque color",
        )
    exact = getattr(Gimp.Precision, f"{precision.upper()}_{'LINEAR' if linear else 'NON_LINEAR'}")
    image = Gimp.Image.new_with_precision(width, height, getattr(Gimp.ImageBaseType, base_type), exact)
    try:
        image.undo_disable()  # what makes the image is no step to take back
        image.set_resolution(resolution, resolution)
        layer = Gimp.Layer.new(
            image,
            name,
            width,
            height,
            getattr(Gimp.ImageType, base_type + ("A_IMAGE" if alpha else "_IMAGE")),
            100,
            Gimp.LayerMode.NORMAL,
        )
        image.insert_layer(layer, None, 0)
        fill(layer, rgba)
        image.undo_enable()
        image.clean_all()
    except BaseException:
        image.delete()
        raise
    display.show(image)
    call.image = image
    call.client.image_id = image.get_id()
    return {
        "message": f"Created new {width}x{height} image",
        "width": width,
        "height": height,
        "layer": layer.get_id(),
        "base_type": base_type,
        **precision_fields(image),
    }


def fill(layer, rgba):
    """Fills a layer evenly with (r, g, b, a) from 0 to 1 in sRGB; for opaque colours no pixel travels."""
    if rgba[3] == 0:
        layer.fill(Gimp.FillType.TRANSPARENT)
        return
    if rgba[3] < 1:  # no fill type paints a translucent colour
        buffer = layer.get_buffer()
        buffer.set_color(Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height()), colors.gegl_color(rgba))
        buffer.flush()
        layer.update(0, 0, layer.get_width(), layer.get_height())
        return
    Gimp.context_push()
    try:
        Gimp.context_set_foreground(colors.gegl_color(rgba))
        layer.fill(Gimp.FillType.FOREGROUND)
    finally:
        Gimp.context_pop()


def _plan_close(call, **arguments):
    call.image = call.image or lookup.resolve_image(call, None, lookup.Need("destroy"))
    # No checkpoint: the image goes, and its checkpoints with it
    return Plan(changes=True, images=[])


@operation("close_image", plan=_plan_close)
def close_image(call, discard_changes=False):
    image = call.image
    image_id, dirty = image.get_id(), image.is_dirty()
    if dirty and not discard_changes:
        raise OperationError(
            "unsaved_changes",
            f"image `{image_id}` (`{lookup.image_name(image)}`) has unsaved work",
            "save it with save_image (format xcf), or set `discard_changes` to true",
            image=image_id,
        )
    call.commit()
    if not display.close(image):
        raise OperationError(
            "unsupported",
            f"image `{image_id}` is not closed: it is in a window that the user opened",
            "close that window in GIMP; plug-ins can close only their own windows",
            image=image_id,
        )
    history.drop_image(image_id)
    lookup.forget(image_id)
    if call.client.image_id == image_id:
        call.client.image_id = None
    call.image = None
    return {"message": f"Closed image {image_id}", "closed": image_id, "unsaved_changes_lost": dirty}


def selected_id(call, images):
    """The image that a read without `image` would act on: the chosen one, else the only one, else None."""
    ids = [image.get_id() for image in images]
    if call.client.image_id in ids:
        return call.client.image_id
    return ids[0] if len(ids) == 1 else None


def brief(image):
    """One image as list_images and get_gimp_info show it."""
    return {
        "id": image.get_id(),
        "name": lookup.image_name(image),
        "path": lookup.image_path(image),
        "width": image.get_width(),
        "height": image.get_height(),
        "base_type": enums.name(Gimp.ImageBaseType, image.get_base_type()),
        **precision_fields(image),
        "is_dirty": image.is_dirty(),
        "num_layers": count_layers(image.get_layers()),
    }


def count_layers(layers):
    """How many layers there are, those inside groups included."""
    return sum(
        1 + (count_layers(layer.get_children()) if isinstance(layer, Gimp.GroupLayer) else 0) for layer in layers
    )


def precision_fields(image):
    """`precision` as GIMP's menus say it, the exact enum name, and whether values are linear light."""
    exact = enums.name(Gimp.Precision, image.get_precision())
    kind, _, curve = exact.partition("_")
    return {"precision": PRECISION_WORDS.get(kind, exact), "precision_exact": exact, "linear": curve == "LINEAR"}
