"""Runs GIMP's export procedures: which exist, their options, and a copy of the image in the shape that a format holds.

Works on duplicates only, so that the image's file, dirty flag, export state, undo history and selection stay.
"""

import contextlib
import difflib

from gi.repository import Gegl, Gimp, Gio, GObject

import formats
import projection
from errors import OperationError

DEFAULT_QUALITY = 90
# Brush files, which need arguments of their own: file-gih-export waits for ever without
_REFUSED = ("gih", "gbr")
_SKIPPED = ("run-mode", "image", "drawables", "file", "options")
# With one of these true a format holds several pictures: the layers are left alone
_SEVERAL = ("as-animation", "animation", "layers-as-pages")


def writable_formats():
    """Names of all formats that this GIMP writes."""
    stems = {formats.export_stem(name): name for name in formats.FORMATS}
    found = Gimp.get_pdb().query_procedures("^file-.*-export$", *[".*"] * 7)
    return sorted({"xcf", *(stems.get(name[5:-7], name[5:-7]) for name in found if name[5:-7] not in _REFUSED)})


def find_procedure(name):
    """The export procedure of a format, or an error that lists the formats there are."""
    procedure = Gimp.get_pdb().lookup_procedure(f"file-{formats.export_stem(name)}-export")
    if procedure is None or name in _REFUSED:
        known = writable_formats()
        near = difflib.get_close_matches(name, known, 1)
        known_elsewhere = name in formats.FORMATS
        raise OperationError(
            "unsupported",
            f"this GIMP writes no `{name}`" + (": it was built without it" if known_elsewhere else ""),
            f"did you mean `{near[0]}`?" if near and near[0] != name else f"it writes {', '.join(known)}",
            formats=known,
        )
    return procedure


def prepare_options(procedure, name, quality, options, has_profile, alpha):
    """({property: value} to set, note). Options are checked against the procedure's own declarations."""
    specs = {spec.name: spec for spec in procedure.get_arguments() if spec.name not in _SKIPPED}
    values, note = {}, None
    for key, value in (options or {}).items():
        spec = specs.get(key.replace("_", "-"))
        if spec is None:
            near = difflib.get_close_matches(key.replace("_", "-"), specs, 1, 0.5)
            raise OperationError(
                "invalid_argument",
                f"format `{name}` has no option `{key}`",
                f"did you mean `{near[0]}`?" if near else f"its options are {', '.join(specs) or 'none'}",
                options=sorted(specs),
            )
        values[spec.name] = _checked(name, spec, value)
    mapped = _quality_options(name, specs, DEFAULT_QUALITY if quality is None else quality)
    if quality is not None and not mapped:
        note = f"`quality` has no meaning for {name} and was not used"
    if quality is not None and any(key in values for key in mapped):
        raise OperationError(
            "invalid_argument",
            f"both `quality` and the option `{next(key for key in mapped if key in values)}` are given",
            "give one of them",
        )
    if not any(key in values for key in mapped) and not values.get("lossless"):
        values.update(mapped)
    if alpha and name == "bmp":
        values.setdefault("rgb-format", "rgba-8888")  # GIMP's default drops the alpha channel that BMP can hold
    if "include-thumbnail" in specs:
        # GIMP's default adds one: it makes small files large, and GIMP 3.2 then opens a TIFF's thumbnail as the picture
        values.setdefault("include-thumbnail", False)
    if has_profile and "include-color-profile" in specs:
        # Without its profile the colours would be read wrongly
        values.setdefault("include-color-profile", True)
    return values, note


def _quality_options(name, specs, quality):
    """What `quality` 1 to 100 means in a format's own terms; empty for formats without loss."""
    if name == "jxl" and "compression" in specs:
        if quality == 100:
            return {"lossless": True}
        # libjxl's own scale from quality to Butteraugli distance
        distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else 53 / 3000 * quality**2 - 23 / 20 * quality + 25
        return {"compression": min(specs["compression"].maximum, max(specs["compression"].minimum, distance))}
    spec = specs.get("quality")
    if spec is None:
        return {}
    value = quality / 100 if spec.maximum <= 1 else quality
    return {"quality": float(value) if spec.value_type == GObject.TYPE_DOUBLE else int(value)}


def _checked(name, spec, value):
    """The value for a property, or an error that names the range."""

    def bad(what):
        return OperationError(
            "invalid_argument",
            f"option `{spec.name}` of `{name}` {what}, not `{str(value)[:100]}`",
            spec.get_blurb() or None,
        )

    kind = spec.value_type
    if spec.__gtype__.name == "GimpParamChoice":
        choices = list(Gimp.param_spec_choice_get_choice(spec).list_nicks())
        if value not in choices:
            raise bad(f"must be one of {', '.join(choices)}")
        return value
    if kind == GObject.TYPE_BOOLEAN:
        if not isinstance(value, bool):
            raise bad("must be true or false")
        return value
    if kind in (GObject.TYPE_INT, GObject.TYPE_UINT, GObject.TYPE_DOUBLE):
        whole = kind != GObject.TYPE_DOUBLE
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (whole and value != int(value)):
            raise bad("must be a whole number" if whole else "must be a number")
        if not spec.minimum <= value <= spec.maximum:
            raise bad(f"must be from {spec.minimum} to {spec.maximum}")
        return int(value) if whole else float(value)
    if kind == GObject.TYPE_STRING:
        if not isinstance(value, str):
            raise bad("must be text")
        return value
    raise OperationError(
        "unsupported",
        f"option `{spec.name}` of `{name}` is of a kind ({kind.name}) that cannot be given here",
        "use call_api",
    )


@contextlib.contextmanager
def shaped_copy(image, name, options):
    """(a duplicate in the shape that the format holds, whether that merged layers)."""
    copy = image.duplicate()
    try:
        several = name in formats.LAYERED or any(options.get(key) for key in _SEVERAL)
        layers = copy.get_layers()
        flattened = not several and (len(layers) > 1 or any(isinstance(layer, Gimp.GroupLayer) for layer in layers))
        if not several:
            with projection.visible(copy, need_layer=False) as source:
                alpha, as_it_is = source.alpha, source.image is None
            if not as_it_is:
                _merge(copy, alpha)
        yield copy, flattened
    finally:
        copy.delete()


def _merge(copy, alpha):
    """Puts the composed picture in the place of all layers: whole canvas, nothing hidden, nothing left to apply."""
    projection.remove_overlays(copy)
    if copy.get_base_type() == Gimp.ImageBaseType.INDEXED:
        # The composition of an indexed image is RGB: merging keeps the palette
        if any(layer.get_visible() for layer in copy.get_layers()):
            copy.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE).resize_to_image_size()
        return
    merged = Gimp.Layer.new_from_visible(copy, copy, "Background")
    for layer in copy.get_layers():
        copy.remove_layer(layer)
    copy.insert_layer(merged, None, 0)
    if not alpha:
        merged.flatten()


def run(procedure, image, path, values):
    """Writes `image` to `path`; raises io_error with GIMP's own message."""
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_property("file", Gio.File.new_for_path(path))
    for key, value in values.items():
        config.set_property(key, value)
    Gimp.context_push()
    try:
        # What a format without alpha flattens on
        Gimp.context_set_background(Gegl.Color.new("white"))
        result = procedure.run(config)
    finally:
        Gimp.context_pop()
    if int(result.index(0)) != int(Gimp.PDBStatusType.SUCCESS):
        raise OperationError(
            "io_error",
            f"GIMP could not write it: {_reason(result)}",
            "choose another format, or change the image's mode or size",
        )


def _reason(result):
    """GIMP's own message: in the return values, or kept by the PDB (which may say `success` of an earlier call)."""
    texts = [result.index(i) for i in range(1, result.length())] + [Gimp.get_pdb().get_last_error()]
    return next((text for text in texts if isinstance(text, str) and text not in ("", "success")), "it gave no reason")
